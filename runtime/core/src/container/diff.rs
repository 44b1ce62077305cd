//! `diff`: what a container's file system has that its image's has not, and the reverse, read from the
//! folder that overlayfs writes to. As in docker, a folder counts as changed when something in it did.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use isopod_monitor_protocol::launch::Rootfs;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, openat, statat};
use rustix::io::Errno;

use super::Container;
use crate::snapshot::view;
use crate::{Error, Result};

/// Folders may lie this deep; a container can make deeper ones than anything can name.
const DEEPEST: usize = 400;

/// What the runtime itself puts into every container, as places for what is mounted there.
const OURS: [&str; 12] = [
    "/.dockerenv",
    "/dev",
    "/dev/console",
    "/dev/pts",
    "/dev/shm",
    "/etc/hostname",
    "/etc/hosts",
    "/etc/mtab",
    "/etc/resolv.conf",
    "/proc",
    "/sbin/docker-init",
    "/sys",
];

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind.
    pub kind: ChangeKind,
    /// Where; absolute.
    pub path: PathBuf,
}

/// How a path differs from the image's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is there, with another content, mode, owner or time.
    Changed,
    /// The image has none.
    Added,
    /// Only the image has it.
    Deleted,
}

impl Container<'_> {
    /// How its file system differs from its image's, by path.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for one that was made from a folder; something can't be read.
    pub fn changes(&self) -> Result<Vec<Change>> {
        let Rootfs::Overlay { lower, upper: Some(upper), .. } = self.rootfs()? else {
            return Err(Error::Unsupported(format!(
                "container {} was made from a folder, and writes to it: nothing tells what it changed",
                self.name()
            )));
        };
        let lower = view::open(&Rootfs::Overlay { lower, upper: None, work: None })?;
        let failed = |source| Error::Io { action: "cannot compare", path: upper.clone(), source };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let lower = lower.open_path(Path::new("/"), flags, Mode::empty()).map_err(failed)?;
        let top = openat(rustix::fs::CWD, &upper, flags | OFlags::CLOEXEC, Mode::empty())
            .map_err(|errno| failed(errno.into()))?;
        let mut diff = Diff { changes: BTreeMap::new(), depth: 0 };
        diff.folder(&top, Some(&lower), "/".into()).map_err(failed)?;
        let change = |(path, kind)| Change { kind, path: PathBuf::from(path) };
        Ok(diff.changes.into_iter().map(change).collect())
    }
}

struct Diff {
    /// By the bytes of the path, as docker sorts.
    changes: BTreeMap<OsString, ChangeKind>,
    depth: usize,
}

impl Diff {
    /// Compares what lies in two folders; `lower` is `None` where the image has none.
    fn folder(
        &mut self,
        upper: &OwnedFd,
        lower: Option<&OwnedFd>,
        path: PathBuf,
    ) -> io::Result<()> {
        if self.depth == DEEPEST {
            return Err(io::Error::other(format!("folders lie more than {DEEPEST} deep")));
        }
        self.depth += 1;
        let here = names(upper.as_fd())?;
        for name in &here {
            let Some(stat) = look(upper, name)? else { continue };
            let below = lower.map(|lower| look(lower, name)).transpose()?.flatten();
            self.entry(upper, name, &stat, lower.zip(below), &path)?;
        }
        // An opaque folder hides what the image has in it.
        if let Some(lower) = lower.filter(|_| is_opaque(upper)) {
            for name in names(lower.as_fd())? {
                if !here.contains(&name) {
                    self.note(path.join(as_path(&name)), ChangeKind::Deleted);
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn entry(
        &mut self,
        upper: &OwnedFd,
        name: &CStr,
        stat: &Stat,
        below: Option<(&OwnedFd, Stat)>,
        parent: &Path,
    ) -> io::Result<()> {
        let path = parent.join(as_path(name));
        if is_whiteout(stat) {
            if below.is_some() {
                self.note(path, ChangeKind::Deleted);
            }
            return Ok(());
        }
        let Some((lower, before)) = below else {
            self.note(path.clone(), ChangeKind::Added);
            if is_folder(stat)
                && let Some(folder) = open(upper, name)?
            {
                self.folder(&folder, None, path)?;
            }
            return Ok(());
        };
        let earlier = self.changes.len();
        let mut differs = differ(stat, &before);
        if is_folder(stat)
            && let Some(folder) = open(upper, name)?
        {
            // A folder in the place of something else has nothing of the image's in it.
            let inner = if is_folder(&before) { open(lower, name)? } else { None };
            self.folder(&folder, inner.as_ref(), path.clone())?;
            differs |= self.changes.len() > earlier;
        }
        if differs {
            self.note(path, ChangeKind::Changed);
        }
        Ok(())
    }

    fn note(&mut self, path: PathBuf, kind: ChangeKind) {
        if OURS.iter().any(|ours| Path::new(ours) == path) {
            return;
        }
        self.changes.insert(path.into_os_string(), kind);
    }
}

fn as_path(name: &CStr) -> &Path {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()))
}

/// `None` for what was removed since it was listed.
fn look(folder: &OwnedFd, name: &CStr) -> io::Result<Option<Stat>> {
    match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn open(folder: &OwnedFd, name: &CStr) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(folder, name, flags, Mode::empty()) {
        Ok(folder) => Ok(Some(folder)),
        // Removed or replaced since it was looked at.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

fn names(folder: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

fn is_folder(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

/// overlayfs.rst, "whiteouts and opaque directories".
fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn is_opaque(folder: &OwnedFd) -> bool {
    let mut value = [0; 1];
    fgetxattr(folder, "trusted.overlay.opaque", &mut value).is_ok_and(|size| size == 1)
        && value == *b"y"
}

/// docker compares these, of a folder neither size nor time.
fn differ(one: &Stat, other: &Stat) -> bool {
    let both = |stat: &Stat| (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev);
    let content = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    both(one) != both(other) || (!is_folder(one) && content(one) != content(other))
}
