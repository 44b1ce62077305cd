//! A place that everybody can reach, for what a container in a user namespace of its own is to be shown.
//!
//! libcontainer looks sources of binds and the root file system up as the container's root, who is a stranger to the
//! host: folders that only the host's root may pass (ours, and many of others) are closed to it. So mounts of them are
//! made before, and attached in a tmpfs that hides some folder of the host's that nobody needs for a start: in a mount
//! namespace of this process's own, which goes with it.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use isopod_sys::{idmap, tree};
use nix::mount::MsFlags;
use rustix::fs::{FileType, fstat};

/// Folders that hosts have for mounts and data of people (Filesystem Hierarchy Standard 3.0), rarely used first.
const FOLDERS: [&str; 6] = ["/media", "/mnt", "/srv", "/boot", "/opt", "/home"];

/// See the module.
#[derive(Debug)]
pub struct Shelf {
    place: PathBuf,
    used: u32,
}

impl Shelf {
    /// Makes one where it hides none of the absolute paths in `needed`. The caller has a mount namespace of its own.
    ///
    /// # Errors
    /// The host has none of the folders; mounting failed.
    pub fn raise(needed: &[&Path]) -> io::Result<Self> {
        let free = |folder: &&Path| {
            folder.symlink_metadata().is_ok_and(|about| about.is_dir())
                && !needed.iter().any(|path| path.starts_with(folder))
        };
        let place = FOLDERS.iter().map(Path::new).find(free).ok_or_else(|| {
            let folders = FOLDERS.join(", ");
            let what =
                format!("a container with a user namespace needs one of {folders}: make one");
            io::Error::new(io::ErrorKind::NotFound, what)
        })?;
        tree::make_holder_private(place)?;
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        nix::mount::mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some("mode=0711"))?;
        Ok(Self { place: place.to_owned(), used: 0 })
    }

    /// Attaches a mount, and tells where.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn put(&mut self, mount: BorrowedFd<'_>) -> io::Result<PathBuf> {
        let place = self.place.join(self.used.to_string());
        self.used += 1;
        match FileType::from_raw_mode(fstat(mount)?.st_mode) {
            FileType::Directory => DirBuilder::new().mode(0o700).create(&place)?,
            _ => drop(File::create(&place)?),
        }
        tree::attach(mount, &place)?;
        Ok(place)
    }
}

/// Maps the ids of a mount that is attached nowhere by the user namespace `users`; the error says what file system it is
/// that can't.
///
/// # Errors
/// What `mount_setattr(2)` returns.
pub fn map(tree: OwnedFd, users: BorrowedFd<'_>, recursive: bool) -> io::Result<OwnedFd> {
    idmap::map_mount(tree.as_fd(), users, recursive).map_err(|error| {
        let kind = idmap::file_system(tree.as_fd());
        let why = match error.raw_os_error() {
            Some(libc::EINVAL) => format!("this kernel can't map the ids of {kind}"),
            Some(libc::EPERM) => {
                format!("the ids of this mount of {kind} can't be mapped, or are mapped already")
            }
            _ => format!("cannot map the ids of {kind}: {error}"),
        };
        io::Error::new(error.kind(), why)
    })?;
    Ok(tree)
}
