//! Mounts that belong to a descriptor and to no folder: gone when it is closed, unless
//! somebody attaches them with `move_mount(2)` first.
//!
//! overlayfs: Documentation/filesystems/overlayfs.rst.

#![allow(unsafe_code)]

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::root::Root;
use nix::mount::MsFlags;
use nix::sched::CloneFlags;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, open_tree, unmount,
};

/// What may differ between overlay mounts.
///
/// Always off are `index`, `redirect_dir` and `metacopy`: with them the upper folder would
/// hold references into lower ones, and could not be read, copied or shared on its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OverlayOptions {
    /// Syncing the upper folder does nothing: after a power cut it can't be mounted again.
    pub volatile: bool,
    /// Overlayfs's own attributes are `user.overlay.*`, which a user namespace may set.
    pub userxattr: bool,
}

/// Lower folders the kernel takes at most.
pub const MOST_LOWER: usize = 500;

/// Mounts `lower`, the topmost first, below `upper` with its `work` folder, and returns
/// the mount, attached nowhere. Without `upper` (and `work`) it is read-only; a single
/// lower folder is then a read-only bind mount, as overlayfs needs two.
///
/// Kernels before 6.7 that take no lower folders one by one are served through `mount(2)`
/// from a thread with a mount namespace of its own, and `/proc` is needed there.
///
/// # Errors
/// `InvalidInput` for no lower folder, too many, or one of `upper` and `work` alone; else
/// what the kernel says, such as `EPERM` without the right to mount, `ENOENT` for a missing
/// folder, `EINVAL` for a file system that can't be an upper one.
pub fn overlay(
    lower: &[PathBuf],
    upper: Option<&Path>,
    work: Option<&Path>,
    options: OverlayOptions,
) -> io::Result<OwnedFd> {
    let writable = match (upper, work) {
        (Some(upper), Some(work)) => Some((upper, work)),
        (None, None) => None,
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    };
    match (lower, writable) {
        ([], _) => return Err(io::ErrorKind::InvalidInput.into()),
        (lower, _) if lower.len() > MOST_LOWER => return Err(io::ErrorKind::InvalidInput.into()),
        ([only], None) => return read_only_clone(only),
        _ => {}
    }
    match one_by_one(lower, writable, options) {
        // Not only a wrong option: before 6.5 unknown ones are found out at the very end.
        Err(Errno::INVAL | Errno::NOSYS) => in_one_string(lower, writable, options),
        other => Ok(other?),
    }
}

/// Makes a mount, attached or not, read-only; what is below it stays as it is.
///
/// # Errors
/// What `mount_setattr(2)` returns.
pub fn set_read_only(mount: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is a NUL-terminated string and the attributes are a whole structure
    // of the size given; the kernel only reads both during the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has `fill` attach other mounts inside `base`, a mount that is attached nowhere, and returns all of it
/// as one tree that is again attached nowhere.
///
/// It happens at `place`, an empty folder, in a thread with a mount namespace of its own, which ends with
/// it: nobody else ever sees these mounts.
///
/// # Errors
/// What `fill` returns, and what the kernel says.
pub fn assemble<F>(base: OwnedFd, place: &Path, fill: F) -> io::Result<OwnedFd>
where
    F: FnOnce(&Root) -> io::Result<()> + Send,
{
    const NOTHING: Option<&str> = None;
    let work = move || {
        nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
        nix::mount::mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)?;
        crate::tree::attach(base.as_fd(), place)?;
        fill(&Root::open(place)?)?;
        crate::tree::bind(place)
    };
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("assemble-mounts".to_owned())
            .spawn_scoped(scope, work)?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The file or folder at `path` in the file system that `lower` (the topmost first) makes, read-only and attached
/// nowhere; an empty path is all of it. Symlinks stay inside that file system.
///
/// It is attached at `place`, an empty folder, for the time of the call: the caller has a mount namespace of its
/// own, in which that folder's mount propagates nowhere.
///
/// # Errors
/// Those of [`overlay`]; `NotFound`; what attaching returned.
pub fn part_of_layers(lower: &[PathBuf], path: &Path, place: &Path) -> io::Result<OwnedFd> {
    let whole = overlay(lower, None, None, OverlayOptions::default())?;
    if path.as_os_str().is_empty() {
        return Ok(whole);
    }
    crate::tree::attach(whole.as_fd(), place)?;
    let part = Root::open(place)
        .and_then(|root| root.open_path(path, OFlags::PATH, Mode::empty()))
        .and_then(|part| crate::tree::bind_open(part.as_fd()));
    unmount(place, UnmountFlags::DETACH)?;
    part
}

fn read_only_clone(folder: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, folder, flags)?;
    set_read_only(mount.as_fd())?;
    Ok(mount)
}

/// The mount API with the options of Linux 6.7; `INVAL` where overlayfs doesn't know them.
fn one_by_one(
    lower: &[PathBuf],
    writable: Option<(&Path, &Path)>,
    options: OverlayOptions,
) -> Result<OwnedFd, Errno> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    // Kept until the kernel has looked all names up.
    let mut opened = Vec::new();
    let mut set = |key: &str, path: &Path| {
        let name = plain_name(path, &mut opened)?;
        fsconfig_set_string(&context, key, name.as_os_str())
    };
    for folder in lower {
        set("lowerdir+", folder)?;
    }
    if let Some((upper, work)) = writable {
        set("upperdir", upper)?;
        set("workdir", work)?;
    }
    fsconfig_set_string(&context, "source", "overlay")?;
    for (key, value) in settings(options) {
        match value {
            Some(value) => fsconfig_set_string(&context, *key, *value)?,
            None => fsconfig_set_flag(&context, *key)?,
        }
    }
    if options.volatile && writable.is_some() {
        fsconfig_set_flag(&context, "volatile")?;
    }
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// Options for every mount of this kind; those without a value are flags.
fn settings(options: OverlayOptions) -> &'static [(&'static str, Option<&'static str>)] {
    if options.userxattr {
        // It implies the others, and refuses to hear them said.
        &[("index", Some("off")), ("userxattr", None)]
    } else {
        &[("index", Some("off")), ("redirect_dir", Some("off")), ("metacopy", Some("off"))]
    }
}

/// A name for `path` that fits a mount option: overlayfs takes backslashes, colons and
/// commas for its own, and an option has at most 255 bytes.
fn plain_name(path: &Path, opened: &mut Vec<OwnedFd>) -> Result<PathBuf, Errno> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() < 256 && !bytes.iter().any(|byte| b"\\:,".contains(byte)) {
        return Ok(path.to_owned());
    }
    let folder = open_path(path)?;
    let name = format!("/proc/self/fd/{}", folder.as_raw_fd());
    opened.push(folder);
    Ok(name.into())
}

fn open_path(path: &Path) -> Result<OwnedFd, Errno> {
    openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// `mount(2)` with all folders in one string of at most a page. They are named by the
/// numbers of their descriptors, with the working folder in `/proc/self/fd`, so that 500 of
/// them fit.
///
/// All this happens in a thread of its own with a mount namespace and a working folder of
/// its own, which end with it; the mount outlives them.
fn in_one_string(
    lower: &[PathBuf],
    writable: Option<(&Path, &Path)>,
    options: OverlayOptions,
) -> io::Result<OwnedFd> {
    let absolute = |path: &Path| std::fs::canonicalize(path);
    let lower: Vec<PathBuf> = lower.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?;
    let writable = match writable {
        Some((upper, work)) => Some((absolute(upper)?, absolute(work)?)),
        None => None,
    };
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("mount-overlay".to_owned())
            .spawn_scoped(scope, || mount_and_clone(&lower, writable.as_ref(), options))?
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn mount_and_clone(
    lower: &[PathBuf],
    writable: Option<&(PathBuf, PathBuf)>,
    options: OverlayOptions,
) -> io::Result<OwnedFd> {
    const NOTHING: Option<&str> = None;
    nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
    nix::mount::mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)?;
    // Opened in the new namespace: overlayfs takes no folder of another one.
    let number = |folder: &OwnedFd| folder.as_raw_fd().to_string();
    let folders: Vec<OwnedFd> =
        lower.iter().map(|path| open_path(path)).collect::<Result<_, _>>()?;
    let mut data = format!("lowerdir={}", folders.iter().map(number).collect::<Vec<_>>().join(":"));
    let opened = match writable {
        Some((upper, work)) => Some((open_path(upper)?, open_path(work)?)),
        None => None,
    };
    if let Some((upper, work)) = &opened {
        data += &format!(",upperdir={},workdir={}", number(upper), number(work));
    }
    for (key, value) in settings(options) {
        data += &match value {
            Some(value) => format!(",{key}={value}"),
            None => format!(",{key}"),
        };
    }
    if options.volatile && opened.is_some() {
        data += ",volatile";
    }
    std::env::set_current_dir("/proc/self/fd")?;
    // Over one of its own lower folders: the only place here known to be a folder.
    let place = &lower[0];
    nix::mount::mount(
        Some(OsStr::new("overlay")),
        place,
        Some("overlay"),
        MsFlags::empty(),
        Some(OsStr::new(&data)),
    )?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(open_tree(CWD, place, flags)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    type Mounter = fn(&[PathBuf], Option<(&Path, &Path)>, OverlayOptions) -> io::Result<OwnedFd>;

    /// Both ways to mount, the old one on any kernel.
    /// Those that this kernel has.
    fn ways() -> Vec<(&'static str, Mounter)> {
        let new: Mounter = |lower, writable, options| Ok(one_by_one(lower, writable, options)?);
        let root = memory();
        let mut ways: Vec<(_, Mounter)> = vec![("in one string", in_one_string)];
        match one_by_one(&layers(root.path(), 2), None, OverlayOptions::default()) {
            Err(Errno::INVAL) if is_older_than(6, 7) => {}
            _ => ways.push(("one by one", new)),
        }
        ways
    }

    fn is_older_than(major: u32, minor: u32) -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
        let mut numbers = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        (numbers.next().unwrap(), numbers.next().unwrap()) < (major, minor)
    }

    fn read(mount: &OwnedFd, name: &str) -> String {
        let file = openat(mount, name, OFlags::RDONLY, Mode::empty()).unwrap();
        io::read_to_string(File::from(file)).unwrap()
    }

    /// `count` folders that each have `who` with their number, and a file of their own.
    fn layers(root: &Path, count: usize) -> Vec<PathBuf> {
        let layer = |number: usize| {
            let folder = root.join(format!("{number:064}"));
            std::fs::create_dir(&folder).unwrap();
            std::fs::write(folder.join("who"), number.to_string()).unwrap();
            std::fs::write(folder.join(format!("only-{number}")), "").unwrap();
            folder
        };
        (0..count).map(layer).collect()
    }

    fn memory() -> tempfile::TempDir {
        tempfile::tempdir_in("/dev/shm").unwrap()
    }

    #[test]
    fn one_hundred_and_twenty_seven_layers_mount_with_the_first_on_top() {
        for (way, mount) in ways() {
            let root = memory();
            let lower = layers(root.path(), 127);
            let (upper, work) = (root.path().join("upper"), root.path().join("work"));
            std::fs::create_dir(&upper).unwrap();
            std::fs::create_dir(&work).unwrap();
            let options = OverlayOptions { volatile: true, ..OverlayOptions::default() };
            let mount = mount(&lower, Some((&upper, &work)), options).expect(way);
            assert_eq!(read(&mount, "who"), "0", "{way}");
            assert_eq!(read(&mount, "only-126"), "", "{way}");
            let flags = OFlags::CREATE | OFlags::WRONLY;
            openat(&mount, "new", flags, Mode::RWXU).unwrap();
            assert!(upper.join("new").exists(), "{way}");
            assert!(work.join("work/incompat/volatile").exists(), "{way}");
        }
    }

    #[test]
    fn names_that_look_like_options_are_only_names() {
        for (way, mount) in ways() {
            let root = memory();
            let odd = root.path().join(r"a:b,c\d");
            std::fs::create_dir(&odd).unwrap();
            let long = root.path().join("x".repeat(250));
            std::fs::create_dir(&long).unwrap();
            let mut lower = layers(&odd, 1);
            lower.extend(layers(&long, 1));
            let mount = mount(&lower, None, OverlayOptions::default()).expect(way);
            assert_eq!(read(&mount, "who"), "0", "{way}");
        }
    }

    #[test]
    fn a_mount_for_users_has_attributes_of_users() {
        for (way, mount) in ways() {
            // A tmpfs takes attributes of users since Linux 6.6 only.
            let root = tempfile::tempdir().unwrap();
            let lower = layers(root.path(), 2);
            let opaque = lower[0].join("folder");
            std::fs::create_dir(&opaque).unwrap();
            std::fs::create_dir(lower[1].join("folder")).unwrap();
            std::fs::write(lower[1].join("folder/hidden"), "").unwrap();
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(&opaque, "user.overlay.opaque", b"y", flags).unwrap();
            let options = OverlayOptions { userxattr: true, ..OverlayOptions::default() };
            let mount = mount(&lower, None, options).expect(way);
            let hidden = openat(&mount, "folder/hidden", OFlags::RDONLY, Mode::empty());
            assert_eq!(hidden.unwrap_err(), Errno::NOENT, "{way}");
        }
    }

    #[test]
    fn a_single_folder_is_mounted_read_only() {
        let root = memory();
        let lower = layers(root.path(), 1);
        let mount = overlay(&lower, None, None, OverlayOptions::default()).unwrap();
        assert_eq!(read(&mount, "who"), "0");
        let write = openat(&mount, "new", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU);
        assert_eq!(write.unwrap_err(), Errno::ROFS);
    }

    #[test]
    fn half_a_writable_layer_and_missing_folders_are_errors() {
        let root = memory();
        let lower = layers(root.path(), 2);
        let options = OverlayOptions::default();
        let error = overlay(&lower, Some(root.path()), None, options).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let error = overlay(&[], None, None, options).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        let missing = vec![root.path().join("missing"), lower[0].clone()];
        let error = overlay(&missing, None, None, options).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn an_overlay_leaves_no_mount_behind() {
        let root = memory();
        let lower = layers(root.path(), 3);
        for (way, mount) in ways() {
            mount(&lower, None, OverlayOptions::default()).expect(way);
            let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
            assert!(!mounts.contains(root.path().to_str().unwrap()), "{way}");
        }
    }
}
