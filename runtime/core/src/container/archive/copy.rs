//! `cp`: between the host and a container, and as archives.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, BufWriter, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use isopod_sys::root::Root;
use rustix::fs::{FileType, Mode, OFlags, fstat, readlinkat};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid};

use super::owners::Owners;
use super::pack::Packer;
use super::place::{Place, There, Typed, place};
use super::unpack::{Target, UnpackError, unpack};
use crate::container::Container;
use crate::{Error, Result};

/// As many as the kernel follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// How to copy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopyOptions {
    /// Keep users and groups: else root's in a container, and the caller's on the host.
    pub archive: bool,
    /// Copy what a symlink as the source leads to, not the link.
    pub follow_link: bool,
}

/// What was copied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// Bytes, as an archive.
    pub bytes: u64,
    /// Devices that were not made on the host, since nobody asked for a container's rights there.
    pub left_out: Vec<String>,
}

/// One side of a copy.
struct Side<'a> {
    root: &'a Root,
    /// What a message calls it, before the path.
    prefix: String,
}

impl Side<'_> {
    fn named(&self, path: &Path) -> String {
        format!("{}{}", self.prefix, path.display())
    }

    fn missing(&self, path: &Path) -> Error {
        Error::NotFound { what: "file or folder", name: self.named(path) }
    }

    fn open(&self, path: &Path, flags: OFlags) -> Result<Option<OwnedFd>> {
        match self.root.open_path(path, flags | OFlags::PATH, Mode::empty()) {
            Ok(handle) => Ok(Some(handle)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("cannot use", Path::new(&self.named(path)))(error)),
        }
    }

    /// The source itself, and whether it is a folder.
    fn source(&self, typed: &Typed, follow: bool) -> Result<(OwnedFd, bool)> {
        let flags = if follow { OFlags::empty() } else { OFlags::NOFOLLOW };
        let path = typed.to_open();
        let handle = self.open(&path, flags)?.ok_or_else(|| self.missing(&path))?;
        let is_folder = is_folder(&handle, &path)?;
        Ok((handle, is_folder))
    }

    /// What is at the destination; symlinks there are followed.
    fn there(&self, typed: &Typed) -> Result<There> {
        Ok(match self.open(&typed.path, OFlags::empty())? {
            Some(handle) if is_folder(&handle, &typed.path)? => There::Folder,
            Some(_) => There::Other,
            None => There::Nothing,
        })
    }

    /// The destination that symlinks in its place lead to, which need not be there: what is copied goes
    /// through them, as in docker. Each step is looked up inside the root.
    fn followed(&self, mut typed: Typed) -> Result<Typed> {
        let failed = |typed: &Typed, errno: Errno| {
            Error::errno("cannot use", Path::new(&self.named(&typed.path)))(errno)
        };
        for _ in 0..MOST_LINKS {
            let Some(handle) = self.open(&typed.path, OFlags::NOFOLLOW)? else { return Ok(typed) };
            let stat = fstat(&handle).map_err(|errno| failed(&typed, errno))?;
            if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
                return Ok(typed);
            }
            let link = readlinkat(&handle, "", Vec::new());
            let link = link.map_err(|errno| failed(&typed, errno))?;
            let link = PathBuf::from(OsString::from_vec(link.into_bytes()));
            // `..` stays in it: what that means is the kernel's to say.
            typed.path = typed.path.parent().unwrap_or(Path::new("/")).join(link);
        }
        Err(failed(&typed, Errno::LOOP))
    }

    fn place(&self, source: &Typed, is_folder: bool, destination: &Path) -> Result<Place> {
        let typed = self.followed(Typed::parse(destination))?;
        let there = self.there(&typed)?;
        let place = place(source, is_folder, &typed, there).map_err(|reason| {
            Error::Invalid(format!("cannot copy to {}: {reason}", self.named(destination)))
        })?;
        match self.open(&place.folder, OFlags::DIRECTORY)? {
            Some(_) => Ok(place),
            None => Err(self.missing(&place.folder)),
        }
    }
}

fn is_folder(handle: &OwnedFd, path: &Path) -> Result<bool> {
    let stat = fstat(handle).map_err(Error::errno("cannot look at", path))?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}

impl Container<'_> {
    /// Copies `source` in the container to `destination` on the host, an absolute path.
    ///
    /// # Errors
    /// [`Error::NotFound`] for either; [`Error::Invalid`] for what docker's rules exclude; files that
    /// can't be read or made.
    pub fn copy_from(
        &self,
        source: &Path,
        destination: &Path,
        options: CopyOptions,
    ) -> Result<Copied> {
        let filesystem = self.filesystem()?;
        let host = host()?;
        let (from, to) = (self.side(&filesystem.root), Side { root: &host, prefix: String::new() });
        let typed = Typed::parse(source);
        let (handle, is_folder) = from.source(&typed, options.follow_link)?;
        let place = to.place(&typed, is_folder, destination)?;
        let folder = to.open(&place.folder, OFlags::DIRECTORY)?;
        let folder = folder.ok_or_else(|| to.missing(&place.folder))?;
        let target = Target {
            root: folder.as_fd(),
            folder: PathBuf::new(),
            follows_links: false,
            owner: (!options.archive).then(|| (geteuid().as_raw(), getegid().as_raw())),
            owners: Owners::default(),
            keeps_rights: options.archive,
        };
        let copied = self.transfer(&handle, place.name, &filesystem.owners, &target)?;
        self.happened("archive-path", &[]);
        Ok(copied)
    }

    /// Copies `source` on the host, an absolute path, to `destination` in the container.
    ///
    /// # Errors
    /// As [`Container::copy_from`].
    pub fn copy_to(
        &self,
        source: &Path,
        destination: &Path,
        options: CopyOptions,
    ) -> Result<Copied> {
        let filesystem = self.filesystem()?;
        let host = host()?;
        let (from, to) = (Side { root: &host, prefix: String::new() }, self.side(&filesystem.root));
        let typed = Typed::parse(source);
        let (handle, is_folder) = from.source(&typed, options.follow_link)?;
        let place = to.place(&typed, is_folder, destination)?;
        let target = Target {
            root: filesystem.root.as_fd(),
            folder: place.folder,
            follows_links: true,
            owner: (!options.archive).then_some((0, 0)),
            owners: filesystem.owners.clone(),
            keeps_rights: true,
        };
        let own = Owners::default();
        let copied = self.transfer(&handle, place.name, &own, &target)?;
        self.happened("extract-to-dir", &[]);
        Ok(copied)
    }

    /// Writes `source` in the container as a tar archive.
    ///
    /// # Errors
    /// [`Error::NotFound`]; it can't be read, or the writer failed.
    pub fn read_archive(&self, source: &Path, follow: bool, writer: &mut dyn Write) -> Result<()> {
        let filesystem = self.filesystem()?;
        let typed = Typed::parse(source);
        let (handle, _) = self.side(&filesystem.root).source(&typed, follow)?;
        let name = if typed.is_content { None } else { typed.name() };
        let mut packer = Packer::new(writer).called_by(filesystem.owners.clone());
        packer
            .object(&handle, name.unwrap_or_else(|| b".".to_vec()))
            .and_then(|()| packer.finish().map(drop))
            .map_err(|source| self.failed("cannot copy from", source))?;
        self.happened("archive-path", &[]);
        Ok(())
    }

    /// Unpacks a tar archive in the folder `destination` of the container.
    ///
    /// # Errors
    /// [`Error::NotFound`]; it is no folder; the archive is damaged or can't be unpacked there.
    pub fn write_archive(&self, destination: &Path, reader: &mut dyn Read) -> Result<Copied> {
        let filesystem = self.filesystem()?;
        let to = self.side(&filesystem.root);
        let typed = Typed::parse(destination);
        match to.there(&typed)? {
            There::Folder => {}
            There::Nothing => return Err(to.missing(destination)),
            There::Other => {
                let named = to.named(destination);
                return Err(Error::Invalid(format!(
                    "an archive is unpacked in a folder, and {named} is none"
                )));
            }
        }
        let target = Target {
            root: filesystem.root.as_fd(),
            folder: typed.path,
            follows_links: true,
            owner: None,
            owners: filesystem.owners.clone(),
            keeps_rights: true,
        };
        let mut counted = Counted { inner: reader, bytes: 0 };
        let reader = BufReader::with_capacity(128 << 10, &mut counted);
        let left_out = self.unpacked(reader, &target).map_err(|error| self.not_unpacked(error))?;
        self.happened("extract-to-dir", &[]);
        Ok(Copied { bytes: counted.bytes, left_out })
    }

    fn side<'a>(&self, root: &'a Root) -> Side<'a> {
        Side { root, prefix: format!("{}:", self.name()) }
    }

    /// From the one to the other through a pipe.
    fn transfer(
        &self,
        handle: &OwnedFd,
        name: Option<Vec<u8>>,
        from: &Owners,
        target: &Target<'_>,
    ) -> Result<Copied> {
        let (reader, writer) =
            io::pipe().map_err(|source| Error::System { action: "cannot make a pipe", source })?;
        let name = name.unwrap_or_else(|| b".".to_vec());
        let (packed, unpacked, bytes) = std::thread::scope(|scope| {
            let packing = scope.spawn(move || pack_into(handle, name, from, writer));
            let mut counted = Counted::<PipeReader> { inner: reader, bytes: 0 };
            let reader = BufReader::with_capacity(128 << 10, &mut counted);
            let unpacked = self.unpacked(reader, target);
            let bytes = counted.bytes;
            // Else the other end would wait for ever for room in the pipe.
            drop(counted);
            let packed = packing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (packed, unpacked, bytes)
        });
        match (packed, unpacked) {
            (Ok(()), Ok(left_out)) => Ok(Copied { bytes, left_out }),
            (Err(error), Err(unpacked)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Err(self.not_unpacked(unpacked))
            }
            (Err(error), _) => Err(self.failed("cannot read what is to be copied, of", error)),
            (Ok(()), Err(error)) => Err(self.not_unpacked(error)),
        }
    }

    /// As whoever root is at the target.
    fn unpacked(
        &self,
        reader: impl BufRead,
        target: &Target<'_>,
    ) -> std::result::Result<Vec<String>, UnpackError> {
        target.owners.as_root(|| unpack(reader, target)).unwrap_or_else(|source| {
            let path = target.folder.display().to_string();
            Err(UnpackError::Entry { action: "write as the root of", path, source })
        })
    }

    fn failed(&self, action: &'static str, source: io::Error) -> Error {
        Error::Io { action, path: PathBuf::from(format!("container {}", self.name())), source }
    }

    fn not_unpacked(&self, error: UnpackError) -> Error {
        match error {
            UnpackError::Entry { action, path, source } => {
                let action = match action {
                    "write" => "cannot write the copy of",
                    "replace" => "cannot replace",
                    _ => "cannot make the copy of",
                };
                Error::Io { action, path: PathBuf::from(path), source }
            }
            other => Error::Invalid(format!("the copy can't be made: {other}")),
        }
    }
}

fn pack_into(handle: &OwnedFd, name: Vec<u8>, from: &Owners, writer: PipeWriter) -> io::Result<()> {
    let mut packer =
        Packer::new(BufWriter::with_capacity(128 << 10, writer)).called_by(from.clone());
    packer.object(handle, name)?;
    packer.finish().map(drop)
}

/// The host's own root: a user's path may go anywhere in it.
fn host() -> Result<Root> {
    Root::open(Path::new("/")).map_err(Error::io("cannot open", Path::new("/")))
}

struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}
