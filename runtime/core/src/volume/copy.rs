//! Copying a folder out of an image's root, without ever leaving that root: the start is resolved
//! inside it, and from there on only names in open folders are used, symlinks copied as they are.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use isopod_sys::root::Root;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags,
    chownat, fchmod, fgetxattr, flistxattr, fsetxattr, linkat, mkdirat, mknodat, openat,
    readlinkat, statat, symlinkat, utimensat,
};
use std::collections::HashMap;
use std::ffi::{CStr, CString};

use crate::{Error, Result};

/// So many files are synced one by one; with more, one sync of the whole file system is sooner done.
const SYNCED_ALONE: usize = 64;

/// A folder inside an image's root.
pub(super) struct Source {
    folder: OwnedFd,
}

impl Source {
    /// `path` inside `root`; `None` where it is missing or no folder.
    ///
    /// # Errors
    /// It can't be opened.
    pub(super) fn open(root: &Root, path: &Path) -> Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        match root.open_path(path, flags, Mode::empty()) {
            Ok(folder) => Ok(Some(Self { folder })),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(Error::io("cannot look in the image at", path)(error)),
        }
    }

    /// Whether it has nothing in it.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn is_empty(&self) -> Result<bool> {
        let look = || -> std::result::Result<bool, rustix::io::Errno> {
            for entry in Dir::read_from(&self.folder)? {
                if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        look().map_err(|error| Error::System {
            action: "cannot read a folder of the image",
            source: error.into(),
        })
    }

    /// Copies its content, mode, owner and times to the folder `target`. What was copied is on the disk then.
    ///
    /// # Errors
    /// Something can't be read or written; the message names `target`.
    pub(super) fn copy_to(&self, target: &Path) -> Result<()> {
        let failed = |error: rustix::io::Errno| {
            Error::io("cannot copy the image's content to", target)(error.into())
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let to = openat(CWD, target, flags, Mode::empty()).map_err(failed)?;
        let mut copy = Copy { links: HashMap::new(), entries: 0 };
        let stat = rustix::fs::fstat(&self.folder).map_err(failed)?;
        copy.folder(&self.folder, &to, &stat).map_err(failed)?;
        match copy.entries > SYNCED_ALONE {
            true => rustix::fs::syncfs(&to).map_err(failed),
            false => Ok(()),
        }
    }
}

struct Copy {
    /// Where the first name of an inode with several went: its folder and name there.
    links: HashMap<(u64, u64), (OwnedFd, CString)>,
    /// How many there were so far.
    entries: usize,
}

type Done = std::result::Result<(), rustix::io::Errno>;

impl Copy {
    /// Children first, so that the folder's times are set last.
    fn folder(&mut self, from: &OwnedFd, to: &OwnedFd, stat: &Stat) -> Done {
        for entry in Dir::read_from(from)? {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                self.entry(from, to, name)?;
            }
        }
        attributes(from.as_fd(), to.as_fd())?;
        finish(to, c"", stat, AtFlags::EMPTY_PATH)?;
        fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
        times(to, c"", stat, AtFlags::EMPTY_PATH)?;
        self.sync(to)
    }

    /// Of few things each is synced; nothing where nothing was copied.
    fn sync(&self, copied: impl AsFd) -> Done {
        match (1..=SYNCED_ALONE).contains(&self.entries) {
            true => rustix::fs::fsync(copied),
            false => Ok(()),
        }
    }

    fn entry(&mut self, from: &OwnedFd, to: &OwnedFd, name: &CStr) -> Done {
        self.entries += 1;
        let stat = statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let inode = (stat.st_dev, stat.st_ino);
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some((folder, first)) = self.links.get(&inode) {
                return linkat(folder, first, to, name, AtFlags::empty());
            }
            self.links.insert(inode, (rustix::io::fcntl_dupfd_cloexec(to, 0)?, name.to_owned()));
        }
        let mode = Mode::from_raw_mode(stat.st_mode & 0o7777);
        match kind {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                mkdirat(to, name, Mode::RWXU)?;
                let inner_from = openat(from, name, flags, Mode::empty())?;
                let inner_to = openat(to, name, flags, Mode::empty())?;
                return self.folder(&inner_from, &inner_to, &stat);
            }
            FileType::RegularFile => {
                let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
                let mut source =
                    File::from(openat(from, name, flags | OFlags::RDONLY, Mode::empty())?);
                let create = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
                let mut target = File::from(openat(to, name, flags | create, Mode::RUSR)?);
                io::copy(&mut source, &mut target).map_err(|error| {
                    rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO)
                })?;
                finish(to, name, &stat, AtFlags::SYMLINK_NOFOLLOW)?;
                // After the owner, since changing that clears set-user-id bits and capabilities.
                fchmod(&target, mode)?;
                attributes(source.as_fd(), target.as_fd())?;
                times(to, name, &stat, AtFlags::SYMLINK_NOFOLLOW)?;
                return self.sync(&target);
            }
            FileType::Symlink => {
                let link = readlinkat(from, name, Vec::new())?;
                symlinkat(&link, to, name)?;
            }
            kind => {
                mknodat(to, name, kind, mode, stat.st_rdev)?;
            }
        }
        finish(to, name, &stat, AtFlags::SYMLINK_NOFOLLOW)?;
        times(to, name, &stat, AtFlags::SYMLINK_NOFOLLOW)
    }
}

fn finish(folder: impl AsFd, name: &CStr, stat: &Stat, flags: AtFlags) -> Done {
    let (owner, group) = (Uid::from_raw(stat.st_uid), Gid::from_raw(stat.st_gid));
    chownat(folder, name, Some(owner), Some(group), flags)
}

fn times(folder: impl AsFd, name: &CStr, stat: &Stat, flags: AtFlags) -> Done {
    let time = |seconds, nanoseconds| Timespec {
        tv_sec: seconds,
        #[allow(clippy::cast_possible_wrap)]
        tv_nsec: nanoseconds as _,
    };
    let both = Timestamps {
        last_access: time(stat.st_atime, stat.st_atime_nsec),
        last_modification: time(stat.st_mtime, stat.st_mtime_nsec),
    };
    utimensat(folder, name, &both, flags)
}

/// Extended attributes but overlayfs' own, which describe the layers and not the file.
fn attributes(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Done {
    let mut names = vec![0; 64 << 10];
    let length = match flistxattr(from, &mut names) {
        Err(rustix::io::Errno::NOTSUP) => return Ok(()),
        other => other?,
    };
    let mut value = vec![0; 64 << 10];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            continue;
        }
        let name = CString::new(name).expect("split at NUL");
        let size = fgetxattr(from, &name, &mut value)?;
        fsetxattr(to, &name, &value[..size], XattrFlags::empty())?;
    }
    Ok(())
}
