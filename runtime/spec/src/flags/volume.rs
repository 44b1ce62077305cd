//! docker's `-v [source:]destination[:options]` and `--tmpfs destination[:options]`.

use std::path::Path;

use super::{FlagError, MountFlag, VolumeSource, check_volume_name, volume};
use crate::mounts::{Access, Mount, MountKind, Propagation};
use crate::paths;
use crate::quantity;

/// Reads docker's `--volume`. A source with a slash in front is a path, any other a name;
/// relative paths are for the command line to make absolute, which knows where it was
/// started.
///
/// # Errors
/// See [`FlagError`].
pub fn parse_volume(flag: &str) -> Result<MountFlag, FlagError> {
    let words: Vec<_> = flag.split(':').collect();
    let (source, destination, options) = match words[..] {
        [destination] => (None, destination, ""),
        // `/place:ro` is a volume without a name, read-only, and no path called `ro`.
        [source, destination] => (Some(source), destination, ""),
        [source, destination, options] => (Some(source), destination, options),
        _ => return Err(FlagError::Form(flag.to_owned())),
    };
    if source == Some("") || destination.is_empty() || (words.len() == 3 && options.is_empty()) {
        return Err(FlagError::Form(flag.to_owned()));
    }
    let destination = paths::destination(Path::new(destination))
        .map_err(|source| FlagError::Destination { flag: flag.to_owned(), source })?;
    let mut mount = Mount::bind("/", destination);
    let mut no_copy = false;
    read_options(options, flag, &mut mount, &mut no_copy)?;
    match source {
        None => Ok(volume(VolumeSource::Anonymous, no_copy, mount)),
        Some(path) if path.starts_with('/') => {
            if no_copy {
                return Err(FlagError::Key { key: "nocopy".to_owned(), kind: "bind" });
            }
            mount.kind = MountKind::Bind { source: path.into(), recursive: true };
            Ok(MountFlag::Mount(mount))
        }
        Some(name) => {
            check_volume_name(name)?;
            if mount.propagation.is_some() {
                return Err(FlagError::Key { key: options.to_owned(), kind: "volume" });
            }
            Ok(volume(VolumeSource::Named(name.to_owned()), no_copy, mount))
        }
    }
}

fn read_options(
    options: &str,
    flag: &str,
    mount: &mut Mount,
    no_copy: &mut bool,
) -> Result<(), FlagError> {
    let mut access = None;
    for option in options.split(',').filter(|_| !options.is_empty()) {
        let twice = || FlagError::Contradiction(flag.to_owned());
        match option {
            "ro" | "rw" => {
                let wanted =
                    if option == "ro" { Access::ReadOnlyRecursive } else { Access::ReadWrite };
                if access.replace(wanted).is_some() {
                    return Err(twice());
                }
            }
            "z" | "Z" => mount.relabel = true,
            "nocopy" => *no_copy = true,
            // Hints for Docker Desktop: no difference on Linux.
            "consistent" | "cached" | "delegated" => {}
            other => match Propagation::parse(other) {
                Some(wanted) => {
                    if mount.propagation.replace(wanted).is_some() {
                        return Err(twice());
                    }
                }
                None => {
                    let key = other.to_owned();
                    return Err(FlagError::Key { key, kind: "bind or volume" });
                }
            },
        }
    }
    mount.access = access.unwrap_or_default();
    Ok(())
}

/// Reads docker's `--tmpfs destination[:size=64m,mode=1770,exec]`.
///
/// # Errors
/// See [`FlagError`]. Options tmpfs itself would not take are refused with the mount.
pub fn parse_tmpfs(flag: &str) -> Result<Mount, FlagError> {
    let (destination, options) = flag.split_once(':').unwrap_or((flag, ""));
    let destination = paths::destination(Path::new(destination))
        .map_err(|source| FlagError::Destination { flag: flag.to_owned(), source })?;
    let mut mount = Mount::tmpfs(destination);
    for option in options.split(',').filter(|_| !options.is_empty()) {
        if option.is_empty() {
            return Err(FlagError::Value { field: String::new(), flag: flag.to_owned() });
        }
        match option.strip_prefix("size=") {
            // tmpfs knows percents itself.
            Some(size) if !size.ends_with('%') => {
                let bad = |_| FlagError::Value { field: option.to_owned(), flag: flag.to_owned() };
                mount.options.push(format!("size={}", quantity::bytes(size).map_err(bad)?));
            }
            _ => mount.options.push(option.to_owned()),
        }
    }
    Ok(mount)
}
