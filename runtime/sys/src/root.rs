//! A folder that paths cannot leave: every resolution goes through
//! `openat2(RESOLVE_IN_ROOT)`, so symlinks, `..` and magic links of a hostile root
//! file system end inside it (security.md, row 5).

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    CWD, FileType, Mode, OFlags, ResolveFlags, fchmod, fstat, mkdirat, openat, openat2,
};

/// A root file system seen from outside.
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
}

impl From<OwnedFd> for Root {
    fn from(folder: OwnedFd) -> Self {
        Self { folder }
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

impl Root {
    /// Opens the folder at `path`, a path of ours.
    ///
    /// # Errors
    /// It does not exist or is no folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(openat(CWD, path, flags, Mode::empty())?.into())
    }

    /// Opens `path` (absolute or relative, both inside) with `flags`; symlinks are
    /// followed inside, magic links never.
    ///
    /// # Errors
    /// What `openat2(2)` returns; `ELOOP` for a magic link.
    pub fn open_path(&self, path: &Path, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // EAGAIN: a rename raced with the resolution of `..`; the kernel asks to try again.
        for _ in 0..128 {
            match openat2(&self.folder, path, flags | OFlags::CLOEXEC, mode, resolve) {
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                other => return Ok(other?),
            }
        }
        Err(rustix::io::Errno::AGAIN.into())
    }

    /// Makes the folder at `path` and its missing parents, all inside, with mode 0755.
    ///
    /// # Errors
    /// Something on the way is no folder, or none can be made there.
    pub fn make_folders(&self, path: &Path) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let mut reached = PathBuf::from("/");
        for component in path.components() {
            match component {
                Component::Normal(name) => reached.push(name),
                // As a specification's path is read: by its words alone.
                Component::ParentDir => drop(reached.pop()),
                _ => {}
            }
        }
        let ancestors: Vec<&Path> = reached.ancestors().collect();
        for folder in ancestors.into_iter().rev() {
            let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
                continue;
            };
            match self.open_path(folder, flags, Mode::empty()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let parent = self.open_path(parent, flags, Mode::empty())?;
                    let mode = Mode::from_raw_mode(0o755);
                    mkdirat(&parent, name, mode)?;
                    // Whatever the caller's umask takes away.
                    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    fchmod(openat(&parent, name, flags, Mode::empty())?, mode)?;
                }
                other => drop(other?),
            }
        }
        Ok(())
    }

    /// Reads the regular file at `path`, at most `cap` bytes of it.
    ///
    /// The type is checked on the opened descriptor before a byte is read, and opening
    /// never blocks, so that a FIFO or device planted there does nothing (row 8).
    ///
    /// # Errors
    /// `NotFound`; `InvalidData` for anything but a regular file, and for one larger than `cap`.
    pub fn read(&self, path: &Path, cap: u64) -> io::Result<Vec<u8>> {
        let probe = self.open_path(path, OFlags::PATH, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&probe)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = self.open_path(path, flags, Mode::empty())?;
        if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
        }
        let mut bytes = Vec::new();
        File::from(file).take(cap.saturating_add(1)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > cap {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("larger than {cap} bytes"),
            ));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_symlink_out_of_the_root_ends_inside_it() {
        let outer = tempfile::tempdir().unwrap();
        std::fs::write(outer.path().join("secret"), "host").unwrap();
        let inner = outer.path().join("root");
        std::fs::create_dir_all(inner.join("etc")).unwrap();
        symlink("../../secret", inner.join("etc/passwd")).unwrap();
        let root = Root::open(&inner).unwrap();
        let error = root.read(Path::new("/etc/passwd"), 100).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        std::fs::write(inner.join("secret"), "image").unwrap();
        assert_eq!(root.read(Path::new("/etc/passwd"), 100).unwrap(), b"image");
    }

    #[test]
    fn folders_are_made_inside_the_root_only() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("root");
        std::fs::create_dir_all(&inner).unwrap();
        symlink("../..", inner.join("up")).unwrap();
        symlink("/nowhere", inner.join("dangling")).unwrap();
        std::fs::write(inner.join("file"), "").unwrap();
        let root = Root::open(&inner).unwrap();
        root.make_folders(Path::new("/a/../../b/c")).unwrap();
        root.make_folders(Path::new("/b/c/d")).unwrap();
        root.make_folders(Path::new("up/e")).unwrap();
        assert!(inner.join("b/c/d").is_dir() && !inner.join("a").exists());
        assert!(inner.join("e").is_dir() && !outer.path().join("e").exists());
        for wrong in ["file", "file/x", "dangling", "dangling/x"] {
            assert!(root.make_folders(Path::new(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn fifos_and_large_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR, 0).unwrap();
        std::fs::write(folder.path().join("large"), vec![0; 101]).unwrap();
        let root = Root::open(folder.path()).unwrap();
        for name in ["fifo", "large", "."] {
            let error = root.read(Path::new(name), 100).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{name}");
        }
    }
}
