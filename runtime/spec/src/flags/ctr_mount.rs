//! `ctr`'s `--mount type=bind,src=/a,dst=/b,options=rbind:ro`.

use std::path::Path;

use super::FlagError;
use crate::mounts::{Access, Mount, MountKind, Propagation};
use crate::paths;

/// Reads `ctr`'s `--mount`; options are separated by colons.
///
/// # Errors
/// See [`FlagError`]. Options and types nobody would apply are refused with the mount.
pub fn parse_ctr_mount(flag: &str) -> Result<Mount, FlagError> {
    let (mut kind, mut source, mut destination, mut options) = ("", None, None, "");
    for field in flag.split(',') {
        let bad = || FlagError::Value { field: field.to_owned(), flag: flag.to_owned() };
        let (key, value) = field.split_once('=').ok_or_else(bad)?;
        match key.trim() {
            "type" => kind = value,
            "source" | "src" => source = Some(value),
            "destination" | "dst" | "target" => destination = Some(value),
            "options" => options = value,
            other => return Err(FlagError::Key { key: other.to_owned(), kind: "ctr" }),
        }
    }
    let missing = |what| FlagError::Missing { what, flag: flag.to_owned() };
    let destination = destination.ok_or_else(|| missing("destination"))?;
    let destination = paths::destination(Path::new(destination))
        .map_err(|source| FlagError::Destination { flag: flag.to_owned(), source })?;
    let words: Vec<&str> = options.split(':').filter(|word| !word.is_empty()).collect();
    let binds = words.iter().any(|word| matches!(*word, "bind" | "rbind"));
    let kind = match kind {
        "bind" | "" | "none" if binds || kind == "bind" => MountKind::Bind {
            source: source.ok_or_else(|| missing("source"))?.into(),
            recursive: words.contains(&"rbind"),
        },
        "" => return Err(missing("type")),
        "tmpfs" => MountKind::Tmpfs,
        kind => {
            MountKind::Kernel { kind: kind.to_owned(), source: source.unwrap_or(kind).to_owned() }
        }
    };
    let mut mount = Mount::new(kind, destination);
    for word in words {
        match word {
            "bind" | "rbind" => {}
            "ro" => mount.access = Access::ReadOnly,
            "rw" => mount.access = Access::ReadWrite,
            other => match Propagation::parse(other) {
                Some(wanted) if matches!(mount.kind, MountKind::Bind { .. }) => {
                    if mount.propagation.replace(wanted).is_some() {
                        return Err(FlagError::Contradiction(flag.to_owned()));
                    }
                }
                _ => mount.options.push(other.to_owned()),
            },
        }
    }
    Ok(mount)
}
