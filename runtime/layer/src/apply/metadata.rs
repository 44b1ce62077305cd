//! Owners, modes, times and extended attributes of what was made.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::{
    AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags, chmodat, chownat, fchmod, fchown,
    fgetxattr_query, flistxattr, fremovexattr, fsetxattr, futimens, lremovexattr, lsetxattr,
    utimensat,
};
use rustix::io::Errno;

use super::SkippedWhat;
use super::trouble::{Trouble, doing};
use crate::tar::{Entry, Time, Xattr};

pub(super) const DEFAULT_ACL: &[u8] = b"system.posix_acl_default";
const ACCESS_ACL: &[u8] = b"system.posix_acl_access";
const CAPABILITY: &[u8] = b"security.capability";

/// A file to set metadata on: by its own descriptor where it could be opened without
/// effect, else by its name in an open folder, where it was made just now.
#[derive(Clone, Copy)]
pub(super) enum On<'a> {
    Open(BorrowedFd<'a>),
    Named(BorrowedFd<'a>, &'a [u8]),
}

/// Gives `on` the entry's owner, mode (unless a symlink) and attributes, in the order in
/// which the kernel does not take one back because of the other. Not its time.
///
/// What attributes it can't have is told to `skip`.
pub(super) fn set(
    on: On<'_>,
    entry: &Entry,
    inherits: bool,
    mut skip: impl FnMut(SkippedWhat),
) -> Result<(), Trouble> {
    if inherits {
        drop_inherited(on);
    }
    set_owner(on, entry.uid, entry.gid).map_err(doing("set the owner of"))?;
    if entry.kind != crate::tar::Kind::Symlink {
        set_mode(on, entry.mode).map_err(doing("set the mode of"))?;
    }
    for xattr in &entry.xattrs {
        match class(&xattr.name) {
            // A folder's default list would be inherited by what is still to be made in it.
            Class::Ours if xattr.name == DEFAULT_ACL => {}
            Class::Ours => set_xattr(on, xattr, &mut skip)?,
            Class::Overlay => skip(SkippedWhat::OverlayXattr(shown(xattr))),
            Class::Policy => skip(SkippedWhat::PolicyXattr(shown(xattr))),
            Class::Unknown => skip(SkippedWhat::UnsupportedXattr(shown(xattr))),
        }
    }
    Ok(())
}

/// Sets one attribute; where it can't be had, `skip` is told, except for capabilities,
/// without which a program would fail in ways nobody could explain.
pub(super) fn set_xattr(
    on: On<'_>,
    xattr: &Xattr,
    mut skip: impl FnMut(SkippedWhat),
) -> Result<(), Trouble> {
    let name = &xattr.name[..];
    let result = match on {
        On::Open(file) => fsetxattr(file, name, &xattr.value, XattrFlags::empty()),
        On::Named(..) => lsetxattr(proc_path(on), name, &xattr.value, XattrFlags::empty()),
    };
    match result {
        Err(Errno::NOTSUP | Errno::PERM) if name != CAPABILITY => {
            skip(SkippedWhat::UnsupportedXattr(shown(xattr)));
            Ok(())
        }
        other => other.map_err(doing("set an extended attribute of")),
    }
}

pub(super) fn set_owner(on: On<'_>, uid: u32, gid: u32) -> Result<(), Errno> {
    let (uid, gid) = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    match on {
        On::Open(file) => fchown(file, uid, gid),
        On::Named(folder, name) => chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW),
    }
}

/// Not for symlinks: by name it would change what they lead to.
pub(super) fn set_mode(on: On<'_>, mode: u32) -> Result<(), Errno> {
    let mode = Mode::from_raw_mode(mode);
    match on {
        On::Open(file) => fchmod(file, mode),
        On::Named(folder, name) => chmodat(folder, name, mode, AtFlags::empty()),
    }
}

/// Sets the time of change of the content, and that of the last access to the same.
pub(super) fn set_time(on: On<'_>, time: Time) -> Result<(), Errno> {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    match on {
        On::Open(file) => futimens(file, &times),
        On::Named(folder, name) => utimensat(folder, name, &times, AtFlags::SYMLINK_NOFOLLOW),
    }
}

/// Removes the attributes that a layer could have set, before another entry sets its own.
pub(super) fn clear_xattrs(folder: BorrowedFd<'_>) -> Result<(), Trouble> {
    let mut names = Vec::with_capacity(1024);
    match flistxattr(folder, rustix::buffer::spare_capacity(&mut names)) {
        Ok(_) => {}
        Err(Errno::NOTSUP) => return Ok(()),
        Err(Errno::RANGE) => {
            names.reserve(64 << 10);
            flistxattr(folder, rustix::buffer::spare_capacity(&mut names))
                .map_err(doing("list the extended attributes of"))?;
        }
        Err(errno) => return Err(doing("list the extended attributes of")(errno)),
    }
    for name in names.split(|&byte| byte == 0) {
        if !name.is_empty() && matches!(class(name), Class::Ours) {
            fremovexattr(folder, name).map_err(doing("remove an extended attribute of"))?;
        }
    }
    Ok(())
}

/// Whether what is made in `folder` inherits an access control list from it.
pub(super) fn has_default_acl(folder: BorrowedFd<'_>) -> bool {
    fgetxattr_query(folder, DEFAULT_ACL).is_ok_and(|length| length > 0)
}

fn drop_inherited(on: On<'_>) {
    for name in [ACCESS_ACL, DEFAULT_ACL] {
        // Absent on most files, and unknown to some file systems: then it was not inherited.
        let _ = match on {
            On::Open(file) => fremovexattr(file, name),
            On::Named(..) => lremovexattr(proc_path(on), name),
        };
    }
}

/// A path that ends with the name in the open folder: attributes of what can't be opened
/// are only to be set by path on kernels before 6.13.
fn proc_path(on: On<'_>) -> Vec<u8> {
    match on {
        On::Open(file) => format!("/proc/self/fd/{}", file.as_raw_fd()).into_bytes(),
        On::Named(folder, name) => {
            [format!("/proc/self/fd/{}/", folder.as_raw_fd()).as_bytes(), name].concat()
        }
    }
}

/// Who may say what an attribute is.
enum Class {
    /// The image.
    Ours,
    /// overlayfs.
    Overlay,
    /// The host's security modules.
    Policy,
    /// Nobody we know.
    Unknown,
}

fn class(name: &[u8]) -> Class {
    let starts = |prefix: &[u8]| name.starts_with(prefix);
    match name {
        CAPABILITY | ACCESS_ACL | DEFAULT_ACL => Class::Ours,
        _ if starts(b"trusted.overlay.") || starts(b"user.overlay.") => Class::Overlay,
        _ if starts(b"security.") => Class::Policy,
        _ if starts(b"user.") || starts(b"trusted.") => Class::Ours,
        _ => Class::Unknown,
    }
}

fn shown(xattr: &Xattr) -> String {
    crate::tar::printable(&xattr.name)
}
