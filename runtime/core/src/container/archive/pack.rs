//! From a folder to a tar archive. Every step is one name in an open folder, and no symlink is followed;
//! what a handle is gets known before it is opened, so that no device or FIFO is opened at all.

use std::collections::HashMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::owners::Owners;
use isopod_layer::tar::{Entry, Kind, Time, Writer, Xattr};
use rustix::fs::{
    CWD, Dir, FileType, Mode, OFlags, Stat, fgetxattr, flistxattr, fstat, major, minor, openat,
    readlinkat,
};
use rustix::io::Errno;

/// Folders may lie this deep; a container can make deeper ones than anything can name.
const DEEPEST: usize = 400;

/// Packs one tree.
pub(super) struct Packer<W: Write> {
    writer: Writer<W>,
    /// Under which name an inode with several went.
    links: HashMap<(u64, u64), Vec<u8>>,
    depth: usize,
    owners: Owners,
}

impl<W: Write> Packer<W> {
    pub fn new(writer: W) -> Self {
        Self {
            writer: Writer::new(writer),
            links: HashMap::new(),
            depth: 0,
            owners: Owners::default(),
        }
    }

    /// Calls who files belong to as `owners` do.
    pub fn called_by(self, owners: Owners) -> Self {
        Self { owners, ..self }
    }

    /// Writes the end.
    pub fn finish(self) -> io::Result<W> {
        self.writer.finish()
    }

    /// Packs what `handle` (opened with `O_PATH`) is, under the name `path`.
    pub fn object(&mut self, handle: &OwnedFd, path: Vec<u8>) -> io::Result<()> {
        let stat = fstat(handle)?;
        let Some(kind) = kind(&stat) else { return Ok(()) };
        let mut entry = entry(&stat, kind, path);
        (entry.uid, entry.gid) = self.owners.inside(entry.uid, entry.gid);
        if kind != Kind::Folder && stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&(stat.st_dev, stat.st_ino)) {
                entry.link.clone_from(first);
                entry.kind = Kind::HardLink;
                entry.length = 0;
                return self.writer.entry(&entry);
            }
            self.links.insert((stat.st_dev, stat.st_ino), entry.path.clone());
        }
        match kind {
            Kind::Folder => self.folder(handle, entry),
            Kind::File => {
                let file = File::from(reopen(handle, OFlags::RDONLY | OFlags::NONBLOCK)?);
                entry.xattrs = attributes(file.as_fd())?;
                self.writer.file(&entry, file)
            }
            Kind::Symlink => {
                entry.link = readlinkat(handle, "", Vec::new())?.into_bytes();
                self.writer.entry(&entry)
            }
            _ => self.writer.entry(&entry),
        }
    }

    /// Packs what lies in the folder `handle` (opened with `O_PATH`), without an entry for itself.
    pub fn content(&mut self, handle: BorrowedFd<'_>) -> io::Result<()> {
        self.children(&reopen(handle, OFlags::RDONLY | OFlags::DIRECTORY)?, b"")
    }

    fn folder(&mut self, handle: &OwnedFd, mut entry: Entry) -> io::Result<()> {
        if self.depth == DEEPEST {
            return Err(io::Error::other(format!("folders lie more than {DEEPEST} deep")));
        }
        let folder = reopen(handle, OFlags::RDONLY | OFlags::DIRECTORY)?;
        entry.xattrs = attributes(folder.as_fd())?;
        if !entry.path.ends_with(b"/") {
            entry.path.push(b'/');
        }
        self.writer.entry(&entry)?;
        self.depth += 1;
        self.children(&folder, &entry.path)?;
        self.depth -= 1;
        Ok(())
    }

    fn children(&mut self, folder: &OwnedFd, path: &[u8]) -> io::Result<()> {
        for name in names(folder.as_fd())? {
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(folder, &name, flags, Mode::empty()) {
                Ok(child) => self.object(&child, [path, name.as_bytes()].concat())?,
                // Gone since it was listed.
                Err(Errno::NOENT) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }
}

/// The very object of a handle, opened: nobody can put another one in its place.
fn reopen(handle: impl AsFd, flags: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
    Ok(openat(CWD, path, flags | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The names in a folder, sorted, so that the same tree gives the same archive.
fn names(folder: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// `None` for a socket, which no archive can hold.
fn kind(stat: &Stat) -> Option<Kind> {
    Some(match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Symlink,
        FileType::CharacterDevice => Kind::CharDevice,
        FileType::BlockDevice => Kind::BlockDevice,
        FileType::Fifo => Kind::Fifo,
        _ => return None,
    })
}

fn entry(stat: &Stat, kind: Kind, path: Vec<u8>) -> Entry {
    let is_device = matches!(kind, Kind::CharDevice | Kind::BlockDevice);
    Entry {
        path,
        link: Vec::new(),
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Time {
            seconds: stat.st_mtime,
            nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
        },
        length: match kind {
            Kind::File => u64::try_from(stat.st_size).unwrap_or(0),
            _ => 0,
        },
        sparse: None,
        device: match is_device {
            true => (major(stat.st_rdev), minor(stat.st_rdev)),
            false => (0, 0),
        },
        xattrs: Vec::new(),
    }
}

/// Those that describe the file: not overlayfs' own, and none that a record of an archive can't name.
fn attributes(file: BorrowedFd<'_>) -> io::Result<Vec<Xattr>> {
    let mut names = vec![0; 64 << 10];
    let length = match flistxattr(file, &mut names) {
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        other => other?,
    };
    let mut all = Vec::new();
    let mut value = vec![0; 64 << 10];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let is_wanted = name == b"security.capability"
            || name.starts_with(b"user.")
            || name.starts_with(b"system.posix_acl_")
            || name.starts_with(b"trusted.");
        let is_overlays =
            name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.");
        if !is_wanted || is_overlays || name.contains(&b'=') {
            continue;
        }
        let name = CString::new(name).expect("split at NUL");
        match fgetxattr(file, &name, &mut value) {
            Ok(size) => {
                all.push(Xattr { name: name.into_bytes(), value: value[..size].to_vec() });
            }
            // Taken away since it was listed.
            Err(Errno::NODATA) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(all)
}
