//! From a tar archive to a folder. An entry's folder is looked up by the kernel inside the target each
//! time, and what is made in it is made by one name that must be new.

use std::fs::File;
use std::io::{self, BufRead, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::owners::Owners;
use isopod_layer::tar::{Archive, Entry, Kind, Time};
use isopod_sys::step::step;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
    chownat, fchmod, fchown, fsetxattr, ftruncate, futimens, linkat, makedev, mkdirat, mknodat,
    openat, openat2, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

/// Where an archive goes, and whom it then belongs to.
pub(super) struct Target<'a> {
    /// What can't be left.
    pub root: BorrowedFd<'a>,
    /// The folder in it.
    pub folder: PathBuf,
    /// Whether symlinks on the way to an entry are followed (inside the root): right in a container, whose
    /// own they are. On the host they may be the archive's.
    pub follows_links: bool,
    /// User and group of everything; `None`: those that the archive names.
    pub owner: Option<(u32, u32)>,
    /// What these are called where it goes.
    pub owners: Owners,
    /// Whether set-user-id bits, capabilities and devices are made too.
    pub keeps_rights: bool,
}

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnpackError {
    #[error(transparent)]
    Archive(#[from] isopod_layer::tar::TarError),
    #[error("cannot {action} {path}")]
    Entry {
        action: &'static str,
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("{path} would leave the folder that it is unpacked into")]
    Outside { path: String },
    #[error("cannot replace {path}: one of the two is a folder, and the other is not")]
    Kinds { path: String },
}

/// Unpacks all of `reader`, and returns the paths of what was left out.
pub(super) fn unpack(
    reader: impl BufRead,
    target: &Target<'_>,
) -> Result<Vec<String>, UnpackError> {
    const HEADER_LIMIT: u64 = isopod_layer::tar::DEFAULT_HEADER_LIMIT;
    let mut archive = Archive::new(reader, HEADER_LIMIT);
    let mut unpacking = Unpacking { target, times: Vec::new(), left_out: Vec::new() };
    while let Some(entry) = archive.next()? {
        unpacking.entry(&entry, &mut archive)?;
        step("copy.entry");
    }
    step("copy.all");
    unpacking.set_times();
    Ok(unpacking.left_out)
}

struct Unpacking<'a> {
    target: &'a Target<'a>,
    /// Of folders, to be set when nothing is made in them any more.
    times: Vec<(PathBuf, Time)>,
    left_out: Vec<String>,
}

fn failed(action: &'static str, entry: &Entry) -> impl Fn(Errno) -> UnpackError {
    let path = String::from_utf8_lossy(&entry.path).into_owned();
    move |errno| UnpackError::Entry { action, path: path.clone(), source: errno.into() }
}

impl Unpacking<'_> {
    fn entry<R: BufRead>(
        &mut self,
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<(), UnpackError> {
        let path = inside(&entry.path)?;
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            // The folder itself, which is there.
            return Ok(());
        };
        let is_device = matches!(entry.kind, Kind::CharDevice | Kind::BlockDevice);
        if is_device && !self.target.keeps_rights {
            self.left_out.push(path.display().to_string());
            return Ok(());
        }
        let folder = self.folder(parent).map_err(failed("make the folder of", entry))?;
        let name = name.as_bytes();
        let there = match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Some(FileType::from_raw_mode(stat.st_mode) == FileType::Directory),
            Err(Errno::NOENT) => None,
            Err(errno) => return Err(failed("look at", entry)(errno)),
        };
        match (there, entry.kind == Kind::Folder) {
            (Some(true), false) | (Some(false), true) => {
                return Err(UnpackError::Kinds { path: path.display().to_string() });
            }
            (Some(false), false) => {
                unlinkat(&folder, name, AtFlags::empty()).map_err(failed("replace", entry))?;
            }
            _ => {}
        }
        let failure = failed("make", entry);
        match entry.kind {
            Kind::Folder => {
                if there.is_none() {
                    mkdirat(&folder, name, Mode::RWXU).map_err(&failure)?;
                }
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let made = openat(&folder, name, flags, Mode::empty()).map_err(&failure)?;
                self.finish(&made, entry)?;
                self.times.push((path, entry.mtime));
            }
            Kind::File => self.file(&folder, name, entry, archive)?,
            Kind::HardLink => {
                let link = inside(&entry.link)?;
                let parent = link.parent().unwrap_or(Path::new(""));
                let first = self.folder(parent).map_err(&failure)?;
                let target = link.file_name().unwrap_or_default();
                linkat(&first, target, &folder, name, AtFlags::empty()).map_err(&failure)?;
            }
            Kind::Symlink => {
                symlinkat(&entry.link[..], &folder, name).map_err(&failure)?;
                self.finish_named(&folder, name, entry).map_err(failed("finish", entry))?;
            }
            Kind::CharDevice | Kind::BlockDevice | Kind::Fifo => {
                let kind = match entry.kind {
                    Kind::CharDevice => FileType::CharacterDevice,
                    Kind::BlockDevice => FileType::BlockDevice,
                    _ => FileType::Fifo,
                };
                let device = makedev(entry.device.0, entry.device.1);
                let mode = Mode::from_raw_mode(entry.mode & 0o777);
                mknodat(&folder, name, kind, mode, device).map_err(&failure)?;
                self.finish_named(&folder, name, entry).map_err(failed("finish", entry))?;
            }
        }
        Ok(())
    }

    /// The folder at `path` below the target, made with its parents where it is missing.
    fn folder(&self, path: &Path) -> Result<OwnedFd, Errno> {
        match self.open(path) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let mut reached = PathBuf::new();
        let mut folder = self.open(&reached)?;
        for part in path {
            reached.push(part);
            folder = match self.open(&reached) {
                Err(Errno::NOENT) => {
                    let mode = Mode::from_raw_mode(0o755);
                    mkdirat(&folder, part, mode)?;
                    // Whatever the caller's umask takes away.
                    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    fchmod(openat(&folder, part, flags, Mode::empty())?, mode)?;
                    self.open(&reached)?
                }
                other => other?,
            };
        }
        Ok(folder)
    }

    fn open(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let resolve = match self.target.follows_links {
            true => ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
            false => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
        };
        let path = self.target.folder.join(path);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        for _ in 0..128 {
            match openat2(self.target.root, path, flags, Mode::empty(), resolve) {
                // A rename raced with the resolution; the kernel asks to try again.
                Err(Errno::AGAIN | Errno::INTR) => {}
                other => return other,
            }
        }
        Err(Errno::AGAIN)
    }

    fn file<R: BufRead>(
        &self,
        folder: &OwnedFd,
        name: &[u8],
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<(), UnpackError> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let made = openat(folder, name, flags, private).map_err(failed("make", entry))?;
        step("copy.made");
        let mut file = File::from(made);
        let written = match &entry.sparse {
            None => write(&mut file, archive, u64::MAX),
            Some(pieces) => pieces.iter().try_for_each(|piece| {
                file.seek(SeekFrom::Start(piece.offset)).map_err(Failure::Write)?;
                write(&mut file, archive, piece.length)
            }),
        };
        written.map_err(|failure| match failure {
            Failure::Read(error) => error.into(),
            Failure::Write(source) => {
                let path = String::from_utf8_lossy(&entry.path).into_owned();
                UnpackError::Entry { action: "write", path, source }
            }
        })?;
        if entry.sparse.is_some() {
            ftruncate(&file, entry.length).map_err(failed("write", entry))?;
        }
        let file = OwnedFd::from(file);
        self.finish(&file, entry)?;
        futimens(&file, &timestamps(entry.mtime)).map_err(failed("finish", entry))
    }

    /// Owner first, since changing that clears set-user-id bits and capabilities.
    fn finish(&self, made: &OwnedFd, entry: &Entry) -> Result<(), UnpackError> {
        let failure = failed("finish", entry);
        let (user, group) = self.owner(entry).map_err(&failure)?;
        fchown(made, Some(user), Some(group)).map_err(&failure)?;
        let rights = if self.target.keeps_rights { 0o7777 } else { 0o1777 };
        fchmod(made, Mode::from_raw_mode(entry.mode & rights)).map_err(&failure)?;
        for xattr in &entry.xattrs {
            let is_right = !xattr.name.starts_with(b"user.");
            if is_right && !self.target.keeps_rights {
                continue;
            }
            match fsetxattr(made, &xattr.name[..], &xattr.value, XattrFlags::empty()) {
                // A file system that has none.
                Ok(()) | Err(Errno::NOTSUP) => {}
                Err(errno) => return Err(failure(errno)),
            }
        }
        Ok(())
    }

    fn finish_named(&self, folder: &OwnedFd, name: &[u8], entry: &Entry) -> Result<(), Errno> {
        let (user, group) = self.owner(entry)?;
        chownat(folder, name, Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
        utimensat(folder, name, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)
    }

    fn owner(&self, entry: &Entry) -> Result<(Uid, Gid), Errno> {
        let (user, group) = self.target.owner.unwrap_or((entry.uid, entry.gid));
        self.target.owners.outside(user, group)
    }

    /// A folder that somebody replaced meanwhile keeps its own time.
    fn set_times(&self) {
        for (path, time) in self.times.iter().rev() {
            if let Ok(folder) = self.open(path) {
                let name = format!("/proc/self/fd/{}", folder.as_raw_fd());
                let all = timestamps(*time);
                utimensat(rustix::fs::CWD, name, &all, AtFlags::empty()).ok();
            }
        }
    }
}

enum Failure {
    Read(isopod_layer::tar::TarError),
    Write(io::Error),
}

fn write<R: BufRead>(
    file: &mut File,
    archive: &mut Archive<R>,
    mut length: u64,
) -> Result<(), Failure> {
    while length > 0 {
        let bytes = archive.content().map_err(Failure::Read)?;
        if bytes.is_empty() {
            break;
        }
        let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
        file.write_all(&bytes[..wanted]).map_err(Failure::Write)?;
        archive.consume(wanted);
        length -= wanted as u64;
    }
    Ok(())
}

/// The names of an entry's path; `..` is none of them.
fn inside(path: &[u8]) -> Result<PathBuf, UnpackError> {
    let mut inside = PathBuf::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                let path = String::from_utf8_lossy(path).into_owned();
                return Err(UnpackError::Outside { path });
            }
            name => inside.push(std::ffi::OsStr::from_bytes(name)),
        }
    }
    Ok(inside)
}

fn timestamps(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}
