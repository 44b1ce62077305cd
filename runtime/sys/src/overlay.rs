//! overlayfs as a detached mount.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

/// Mounts `lower` (topmost first) under `upper` with its `work` folder, attached nowhere.
///
/// Without `upper` the result is read-only; a single lower folder is then a read-only bind mount,
/// for overlayfs wants two.
///
/// # Errors
/// What the kernel says; `lowerdir+` needs Linux 6.5.
pub fn overlay(
    lower: &[impl AsRef<Path>],
    upper: Option<&Path>,
    work: Option<&Path>,
) -> io::Result<OwnedFd> {
    if let (None, [only]) = (upper, lower) {
        return crate::tree::readonly_bind(only.as_ref());
    }
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for folder in lower {
        fsconfig_set_string(&context, "lowerdir+", folder.as_ref())?;
    }
    match upper {
        Some(upper) => {
            fsconfig_set_string(&context, "upperdir", upper)?;
            fsconfig_set_string(&context, "workdir", work.ok_or(io::ErrorKind::InvalidInput)?)?;
        }
        None => fsconfig_set_flag(&context, "ro")?,
    }
    fsconfig_create(&context)?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}
