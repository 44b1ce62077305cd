//! docker's `--mount type=bind,src=/a,dst=/b,readonly`: one line of CSV.

use std::path::Path;

use super::{FlagError, MountFlag, VolumeSource, check_volume_name, propagation, volume};
use crate::mounts::{Access, Mount, MountKind};
use crate::paths;
use crate::quantity;

/// What the keys said, before the type decides which of them it may have.
#[derive(Default)]
struct Fields {
    source: Option<String>,
    destination: Option<String>,
    read_only: bool,
    shallow: bool,
    not_recursive: bool,
    propagation: Option<String>,
    no_copy: bool,
    size: Option<u64>,
    mode: Option<String>,
    relabel: bool,
}

/// Reads docker's `--mount`; without a `type` it is a volume.
///
/// # Errors
/// See [`FlagError`].
pub fn parse_mount(flag: &str) -> Result<MountFlag, FlagError> {
    let fields = split_csv(flag)?;
    let kind = fields
        .iter()
        .rev()
        .find_map(|field| field.split_once('=').filter(|(key, _)| is(key, "type")))
        .map_or("volume".to_owned(), |(_, kind)| kind.to_ascii_lowercase());
    let kind = match kind.as_str() {
        "bind" => "bind",
        "volume" => "volume",
        "tmpfs" => "tmpfs",
        "image" | "npipe" | "cluster" => {
            return Err(FlagError::Unsupported(format!("type={kind}")));
        }
        _ => return Err(FlagError::Kind(kind)),
    };
    let mut read = Fields::default();
    for field in &fields {
        read_field(field, kind, flag, &mut read)?;
    }
    finish(kind, read, flag)
}

fn is(key: &str, name: &str) -> bool {
    key.trim().eq_ignore_ascii_case(name)
}

fn read_field(
    field: &str,
    kind: &'static str,
    flag: &str,
    read: &mut Fields,
) -> Result<(), FlagError> {
    let (key, value) = match field.split_once('=') {
        Some((key, value)) => (key.trim().to_ascii_lowercase(), Some(value)),
        None => (field.trim().to_ascii_lowercase(), None),
    };
    let bad = || FlagError::Value { field: field.to_owned(), flag: flag.to_owned() };
    let text = || value.filter(|value| !value.is_empty()).map(str::to_owned).ok_or_else(bad);
    let truth = || match value.map(str::to_ascii_lowercase).as_deref() {
        None | Some("true" | "1" | "t") => Ok(true),
        Some("false" | "0" | "f") => Ok(false),
        Some(_) => Err(bad()),
    };
    match (kind, key.as_str()) {
        (_, "type") => {
            text()?;
        }
        ("bind" | "volume", "source" | "src") => read.source = Some(text()?),
        (_, "target" | "destination" | "dst") => read.destination = Some(text()?),
        (_, "readonly" | "ro") => read.read_only = truth()?,
        // Hints for Docker Desktop: no difference on Linux.
        (_, "consistency") => match value {
            Some("consistent" | "cached" | "delegated" | "default") => {}
            _ => return Err(bad()),
        },
        ("bind", "bind-propagation") => read.propagation = Some(text()?),
        ("bind", "bind-nonrecursive") => read.not_recursive = truth()?,
        ("bind", "bind-recursive") => match value {
            Some("enabled") => {}
            Some("disabled") => read.not_recursive = true,
            Some("writable") => read.shallow = true,
            Some("readonly") => read.shallow = false,
            _ => return Err(bad()),
        },
        // podman's.
        ("bind", "relabel") => read.relabel = matches!(value, Some("shared" | "private")),
        ("volume", "volume-nocopy") => read.no_copy = truth()?,
        ("volume", "volume-driver") if value == Some("local") => {}
        ("tmpfs", "tmpfs-size") => {
            read.size = Some(quantity::bytes(&text()?).map_err(|_| bad())?);
        }
        ("tmpfs", "tmpfs-mode") => {
            let mode = text()?;
            u32::from_str_radix(&mode, 8).ok().filter(|m| *m <= 0o7777).ok_or_else(bad)?;
            read.mode = Some(mode);
        }
        ("volume", "volume-driver" | "volume-opt" | "volume-label" | "volume-subpath")
        | ("bind", "bind-create-src") => return Err(FlagError::Unsupported(field.to_owned())),
        _ => return Err(FlagError::Key { key, kind }),
    }
    Ok(())
}

fn finish(kind: &'static str, read: Fields, flag: &str) -> Result<MountFlag, FlagError> {
    let missing = |what| FlagError::Missing { what, flag: flag.to_owned() };
    let destination = read.destination.ok_or_else(|| missing("destination"))?;
    let destination = paths::destination(Path::new(&destination))
        .map_err(|source| FlagError::Destination { flag: flag.to_owned(), source })?;
    let access = match (read.read_only, read.shallow || read.not_recursive) {
        (false, _) => Access::ReadWrite,
        (true, true) => Access::ReadOnly,
        (true, false) => Access::ReadOnlyRecursive,
    };
    let mut mount = match kind {
        "tmpfs" => Mount::tmpfs(destination),
        _ => Mount::bind("/", destination),
    };
    mount.access = access;
    mount.relabel = read.relabel;
    if let Some(text) = &read.propagation {
        mount.propagation = Some(propagation(text, flag)?);
    }
    match kind {
        "tmpfs" => {
            mount.options.extend(read.size.map(|size| format!("size={size}")));
            mount.options.extend(read.mode.map(|mode| format!("mode={mode}")));
            Ok(MountFlag::Mount(mount))
        }
        "bind" => {
            let source = read.source.ok_or_else(|| missing("source"))?;
            let recursive = !read.not_recursive;
            mount.kind = MountKind::Bind { source: source.into(), recursive };
            Ok(MountFlag::Mount(mount))
        }
        _ => match read.source {
            None => Ok(volume(VolumeSource::Anonymous, read.no_copy, mount)),
            Some(name) => {
                check_volume_name(&name)?;
                Ok(volume(VolumeSource::Named(name), read.no_copy, mount))
            }
        },
    }
}

/// The fields of one line of CSV (RFC 4180): a field that begins with a quote ends with
/// one, and holds `""` for each of its own.
fn split_csv(line: &str) -> Result<Vec<String>, FlagError> {
    let broken = || FlagError::Quotes(line.to_owned());
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, tail) = match rest.split_once(',') {
                Some((field, tail)) => (field, Some(tail)),
                None => (rest, None),
            };
            if field.contains('"') {
                return Err(broken());
            }
            fields.push(field.to_owned());
            match tail {
                Some(tail) => rest = tail,
                None => return Ok(fields),
            }
            continue;
        };
        let mut field = String::new();
        let mut tail = quoted;
        loop {
            let (part, after) = tail.split_once('"').ok_or_else(broken)?;
            field.push_str(part);
            match after.strip_prefix('"') {
                Some(after) => {
                    field.push('"');
                    tail = after;
                }
                None => {
                    tail = after;
                    break;
                }
            }
        }
        fields.push(field);
        match tail.strip_prefix(',') {
            Some(after) => rest = after,
            None if tail.is_empty() => return Ok(fields),
            None => return Err(broken()),
        }
    }
}
