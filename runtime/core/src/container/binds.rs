//! Mounts that can't be made, told before a start by what they are, where the runtime below would only
//! say that the root file system can't be prepared.

use std::path::Path;

use isopod_sys::root::Root;
use rustix::fs::{FileType, Mode, OFlags, fstat};

use super::settings::Mount;
use crate::layout::visible_folder;
use crate::{Error, Result};

/// What libcontainer makes in every container's `/dev`, after its mounts and failing where something is
/// there already.
const DEVICES: [&str; 7] =
    ["/dev", "/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"];

/// Refuses mounts in the way of a container's own devices.
///
/// # Errors
/// [`Error::Unsupported`].
pub(super) fn check_places(mounts: &[Mount]) -> Result<()> {
    let in_the_way = |mount: &&Mount| {
        let destination = Path::new(mount.destination());
        DEVICES.iter().any(|device| Path::new(device) == destination)
    };
    mounts.iter().find(in_the_way).map_or(Ok(()), |mount| {
        Err(Error::Unsupported(format!(
            "a mount on {} is not supported: --device gives a container single devices, and --privileged all",
            mount.destination()
        )))
    })
}

/// Refuses sources that are not there and not to be made.
///
/// # Errors
/// [`Error::Invalid`]; one can't be looked at.
pub(super) fn check_sources(mounts: &[Mount]) -> Result<()> {
    for (source, create) in sources(mounts) {
        if !is_there(source)? && !create {
            return Err(Error::Invalid(format!(
                "mount source {} does not exist: make it first",
                source.display()
            )));
        }
    }
    Ok(())
}

/// Makes the folders that are to be made where they are missing, as docker does for `-v`. Only once everything else
/// has been checked: what is refused leaves nothing behind.
///
/// # Errors
/// As [`check_sources`]; one can't be made.
pub(super) fn make_sources(mounts: &[Mount]) -> Result<()> {
    check_sources(mounts)?;
    for (source, _) in sources(mounts) {
        if !is_there(source)? {
            visible_folder(source).map_err(Error::io("cannot make the mount source", source))?;
        }
    }
    Ok(())
}

fn sources(mounts: &[Mount]) -> impl Iterator<Item = (&Path, bool)> {
    mounts.iter().filter_map(|mount| match mount {
        Mount::Bind { source, create_source, .. } => Some((source.as_path(), *create_source)),
        _ => None,
    })
}

fn is_there(source: &Path) -> Result<bool> {
    source.try_exists().map_err(Error::io("cannot look at the mount source", source))
}

/// Refuses folders on files and files on folders of `root`, the root file system as a start finds it.
///
/// # Errors
/// [`Error::Invalid`], in which both are named.
pub(super) fn check_kinds(mounts: &[Mount], root: &Root) -> Result<()> {
    for mount in mounts {
        let destination = Path::new(mount.destination());
        // What another mount brings can't be seen in here.
        let is_covered = mounts.iter().any(|other| {
            let other = Path::new(other.destination());
            other != destination && destination.starts_with(other)
        });
        let (is_folder, what) = match mount {
            Mount::Bind { source, .. } => (source.is_dir(), source.display().to_string()),
            Mount::Volume { subpath, .. } if subpath.is_empty() => (true, "a volume".to_owned()),
            Mount::Tmpfs { .. } => (true, "a tmpfs".to_owned()),
            Mount::Volume { .. } | Mount::Image { .. } | Mount::Other { .. } => continue,
        };
        let kernels = ["/dev", "/proc", "/sys"].iter().any(|own| destination.starts_with(own));
        if is_covered || kernels {
            continue;
        }
        // One that is not there is made as it is needed.
        let Ok(place) = root.open_path(destination, OFlags::PATH, Mode::empty()) else { continue };
        let kind = fstat(&place).map(|stat| FileType::from_raw_mode(stat.st_mode));
        let (source, target) = match (is_folder, kind) {
            (true, Ok(kind)) if kind != FileType::Directory => ("a folder", "none"),
            (false, Ok(FileType::Directory)) => ("no folder", "one"),
            _ => continue,
        };
        return Err(Error::Invalid(format!(
            "cannot mount {what} on {}: the former is {source}, and the latter is {target}",
            destination.display()
        )));
    }
    Ok(())
}
