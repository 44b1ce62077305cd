//! Mounts that are not attached anywhere yet, by the descriptor-based mount calls.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::sched::CloneFlags;
use rustix::fs::{
    AtFlags, CWD, MemfdFlags, Mode, OFlags, ResolveFlags, SealFlags, StatxAttributes, StatxFlags,
    fcntl_add_seals, memfd_create, openat, openat2, statx,
};
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount_change, move_mount, open_tree,
};

/// A handle of the file at `path` through which nobody can write it, not even root: a detached
/// read-only bind mount, or where that is not permitted a sealed copy in memory.
///
/// A program executed from it (`/proc/self/fd/N`) can't be overwritten through
/// `/proc/<pid>/exe` from inside a container (security.md, row 1).
///
/// # Errors
/// The file can't be opened, or neither way works.
pub fn readonly_clone(path: &Path) -> io::Result<OwnedFd> {
    match readonly_mount(path) {
        Ok(fd) => Ok(fd),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(_) => sealed_copy(path),
    }
}

/// See [`readonly_clone`].
fn readonly_mount(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, path, flags)?;
    set_readonly(&tree)?;
    Ok(tree)
}

/// A sealed copy of the file at `path` in memory.
///
/// # Errors
/// The file can't be read, or there is no memory.
pub fn sealed_copy(path: &Path) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut copy = File::from(memfd_create("isopod-monitor", flags)?);
    io::copy(&mut File::open(path)?, &mut copy)?;
    copy.seek(SeekFrom::Start(0))?;
    let seals = SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE;
    fcntl_add_seals(&copy, seals)?;
    rustix::fs::fchmod(&copy, Mode::from_raw_mode(0o555))?;
    Ok(copy.into())
}

fn set_readonly(tree: &OwnedFd) -> io::Result<()> {
    const MOUNT_ATTR_RDONLY: u64 = 1;
    let attributes =
        libc::mount_attr { attr_set: MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the empty path is a C string, and `attributes` outlives the call with its true size.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A detached recursive bind mount of the folder at `path`.
///
/// # Errors
/// What `open_tree(2)` returns.
pub fn bind(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(CWD, path, flags)?)
}

/// As [`bind`] of a file or folder, without the mounts below `path`.
///
/// # Errors
/// What `open_tree(2)` returns.
pub fn bind_alone(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(open_tree(CWD, path, flags)?)
}

/// As [`bind`] of what `place` is open on, a file or folder.
///
/// # Errors
/// What `open_tree(2)` returns.
pub fn bind_open(place: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(place, "", flags)?)
}

/// As [`bind`] of the folder at `path` in the mount namespace `namespace`, which may be somebody else's: no symlink
/// is followed there, and nothing of this process's own is reached through `/proc`.
///
/// A thread of its own goes there and ends.
///
/// # Errors
/// What `setns(2)`, `openat2(2)` and `open_tree(2)` return; `ELOOP` where a symlink is on the way.
pub fn bind_in(namespace: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    let work = move || {
        // A thread that shares its root folder with others may not leave their mount namespace.
        nix::sched::unshare(CloneFlags::CLONE_FS)?;
        nix::sched::setns(namespace, CloneFlags::CLONE_NEWNS)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let folder = openat2(CWD, path, flags, Mode::empty(), resolve)?;
        bind_open(folder.as_fd())
    };
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("look-elsewhere".to_owned())
            .spawn_scoped(scope, work)?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// As [`bind`], read-only, and without the mounts below `path`.
///
/// # Errors
/// What `open_tree(2)` and `mount_setattr(2)` return.
pub fn readonly_bind(path: &Path) -> io::Result<OwnedFd> {
    readonly_mount(path)
}

/// Attaches a detached mount at `target`.
///
/// # Errors
/// What `move_mount(2)` returns.
pub fn attach(tree: BorrowedFd<'_>, target: &Path) -> io::Result<()> {
    Ok(move_mount(tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

/// Attaches a detached mount over the very file or folder that `target` is a handle of.
///
/// # Errors
/// What `move_mount(2)` returns.
pub fn attach_to(tree: BorrowedFd<'_>, target: BorrowedFd<'_>) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(move_mount(tree, "", target, "", flags)?)
}

/// Shows the file at `decoy` in the place of the one at `target`, in this mount namespace only, whose mount there
/// must not propagate. No bind mount made from there, recursive or not, shows it too.
///
/// # Errors
/// What `open_tree(2)`, `move_mount(2)` and `mount(2)` return.
pub fn cover(decoy: &Path, target: &Path) -> io::Result<()> {
    attach(bind(decoy)?.as_fd(), target)?;
    Ok(mount_change(target, MountPropagationFlags::UNBINDABLE)?)
}

/// Stops the mount that holds `path` from propagating, in this mount namespace only; mounts
/// below it are left as they are.
///
/// # Errors
/// Looking up the mount or changing it failed.
pub fn make_holder_private(path: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(CWD, path, flags, Mode::empty())?;
    // The kernel's own answer, without symlinks.
    let real = std::fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))?;
    for ancestor in real.ancestors() {
        let about = statx(CWD, ancestor, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::empty())?;
        if about.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
            return Ok(mount_change(ancestor, MountPropagationFlags::PRIVATE)?);
        }
    }
    // A changed root that is no mount has no ancestor that is one.
    Err(io::ErrorKind::NotFound.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::os::unix::process::CommandExt as _;

    fn write_error(fd: &OwnedFd) -> io::Error {
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        match OpenOptions::new().write(true).open(path) {
            Err(error) => error,
            Ok(mut file) => io::Write::write_all(&mut file, b"x").unwrap_err(),
        }
    }

    #[test]
    fn neither_way_of_executing_a_binary_lets_it_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        std::fs::copy("/bin/true", &path).unwrap();
        for fd in [readonly_mount(&path).unwrap(), sealed_copy(&path).unwrap()] {
            let error = write_error(&fd);
            assert!(
                matches!(
                    error.raw_os_error(),
                    Some(libc::EROFS | libc::EPERM | libc::EACCES | libc::ETXTBSY)
                ),
                "{error}"
            );
            let program = format!("/proc/self/fd/{}", fd.as_raw_fd());
            assert!(std::process::Command::new(program).arg0("true").status().unwrap().success());
        }
        // The file itself is still writable by its owner.
        OpenOptions::new().write(true).open(&path).unwrap();
    }
}
