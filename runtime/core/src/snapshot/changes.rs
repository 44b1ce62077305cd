//! What a writable folder changed, as the tar of a layer (image-spec, layer.md): overlayfs' whiteouts and
//! opaque folders become `.wh.` entries.
//!
//! The folder is a container's, which may go on running, so that nothing in it is trusted: entries are taken
//! hold of by name in open folders, and nothing is opened before it is known to be a file or folder, as a
//! container can make nodes of the host's devices. Links are written and never followed. Sparse files are
//! written whole, as the specification asks for; sockets have no place in a tar and are left out.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{
    CWD, Dir, FileType, Mode, OFlags, Stat, fgetxattr, fstat, lgetxattr, llistxattr, major, minor,
    openat, readlinkat,
};
use rustix::io::Errno;
use tar::{EntryType, Header};

/// Prefix of what is gone.
const WHITEOUT: &[u8] = b".wh.";
/// A folder that hides what lies below it.
const OPAQUE: &str = ".wh..wh..opq";
/// Places that every container has mounts over: what lies there is no change of its own.
const MOUNTED_OVER: &[&[u8]] = &[b"dev", b"proc", b"sys"];
/// Files that every container has mounts over; what is made for the mounts to lie on is empty.
const STAND_INS: &[&[u8]] = &[b"etc/hostname", b"etc/hosts", b"etc/resolv.conf"];
/// What an old tar header holds (POSIX.1-1988): longer ones go to an extended header.
const MAX_NAME: usize = 100;
const MAX_LARGE: u64 = 0o77_777_777_777;
const MAX_SMALL: u32 = 0o7_777_777;
/// Folders may lie this deep; a container can make deeper ones than anything can name.
const DEEPEST: usize = 400;

/// Writes every change in `upper`.
///
/// # Errors
/// Something can't be read, or `out` can't be written. `InvalidData`: a file's name means something else
/// in a layer.
pub fn write(upper: &OwnedFd, out: &mut dyn Write) -> io::Result<()> {
    let mut changes = Changes { tar: tar::Builder::new(out), links: HashMap::new(), depth: 0 };
    changes.folder(upper, &[])?;
    changes.tar.finish()
}

struct Changes<'w> {
    tar: tar::Builder<&'w mut dyn Write>,
    /// The first path of every file that has several.
    links: HashMap<(u64, u64), Vec<u8>>,
    depth: usize,
}

impl Changes<'_> {
    /// What is in a folder, by name, so that the same changes give the same bytes.
    fn folder(&mut self, folder: &OwnedFd, path: &[u8]) -> io::Result<()> {
        if self.depth == DEEPEST {
            return Err(io::Error::other(format!("folders lie more than {DEEPEST} deep")));
        }
        self.depth += 1;
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let name = entry?.file_name().to_owned();
            if name.as_c_str() != c"." && name.as_c_str() != c".." {
                names.push(name);
            }
        }
        names.sort();
        for name in names {
            let mut inner = path.to_vec();
            if !inner.is_empty() {
                inner.push(b'/');
            }
            inner.extend_from_slice(name.to_bytes());
            self.entry(folder, &name, inner)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn entry(&mut self, folder: &OwnedFd, name: &CStr, path: Vec<u8>) -> io::Result<()> {
        if MOUNTED_OVER.contains(&path.as_slice()) {
            return Ok(());
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = match openat(folder, name, flags, Mode::empty()) {
            Ok(handle) => handle,
            // Gone since it was listed.
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        };
        let stat = fstat(&handle)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::CharacterDevice && stat.st_rdev == 0 {
            return self.whiteout(&path);
        }
        if name.to_bytes().starts_with(WHITEOUT) {
            let shown = String::from_utf8_lossy(&path).into_owned();
            let said = format!("/{shown}: a layer can't hold a file whose name begins with .wh.");
            return Err(io::Error::new(io::ErrorKind::InvalidData, said));
        }
        if kind == FileType::RegularFile && stat.st_size == 0 && STAND_INS.contains(&&*path) {
            return Ok(());
        }
        let inode = (stat.st_dev, stat.st_ino);
        if kind != FileType::Directory && stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&inode).cloned() {
                return self.header(&path, &stat, EntryType::Link, &first, &[]);
            }
            self.links.insert(inode, path.clone());
        }
        let attributes = attributes(folder, name)?;
        match kind {
            FileType::Directory => {
                let inner = reopen(&handle, OFlags::DIRECTORY)?;
                let mut named = path.clone();
                named.push(b'/');
                self.header(&named, &stat, EntryType::Directory, b"", &attributes)?;
                if is_opaque(&inner) {
                    named.extend_from_slice(OPAQUE.as_bytes());
                    self.empty(&named)?;
                }
                self.folder(&inner, &path)
            }
            FileType::RegularFile => {
                let file = reopen(&handle, OFlags::NONBLOCK)?;
                self.header(&path, &stat, EntryType::Regular, b"", &attributes)?;
                self.content(file.into(), size(&stat))
            }
            FileType::Symlink => {
                let target = readlinkat(&handle, "", Vec::new())?;
                let target = target.to_bytes();
                self.header(&path, &stat, EntryType::Symlink, target, &attributes)
            }
            FileType::CharacterDevice => {
                self.header(&path, &stat, EntryType::Char, b"", &attributes)
            }
            FileType::BlockDevice => self.header(&path, &stat, EntryType::Block, b"", &attributes),
            FileType::Fifo => self.header(&path, &stat, EntryType::Fifo, b"", &attributes),
            _ => Ok(()),
        }
    }

    /// Exactly as many bytes as the header promised, whoever writes to the file meanwhile.
    fn content(&mut self, file: File, size: u64) -> io::Result<()> {
        let out = self.tar.get_mut();
        let copied = io::copy(&mut file.take(size), out)?;
        let padding = (512 - size % 512) % 512;
        io::copy(&mut io::repeat(0).take(size - copied + padding), out)?;
        Ok(())
    }

    fn whiteout(&mut self, path: &[u8]) -> io::Result<()> {
        let at = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let mut hidden = path[..at].to_vec();
        hidden.extend_from_slice(WHITEOUT);
        hidden.extend_from_slice(&path[at..]);
        self.empty(&hidden)
    }

    fn empty(&mut self, path: &[u8]) -> io::Result<()> {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0);
        header.set_size(0);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        self.named(&mut header, path, b"", Vec::new())
    }

    fn header(
        &mut self,
        path: &[u8],
        stat: &Stat,
        kind: EntryType,
        target: &[u8],
        attributes: &[(String, Vec<u8>)],
    ) -> io::Result<()> {
        let mut extended: Vec<(String, Vec<u8>)> = attributes
            .iter()
            .map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.clone()))
            .collect();
        let mut long = |key: &str, value: String| extended.push((key.to_owned(), value.into()));
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        let length = if kind == EntryType::Regular { size(stat) } else { 0 };
        if length > MAX_LARGE {
            long("size", length.to_string());
        }
        header.set_size(length.min(MAX_LARGE));
        for (key, id) in [("uid", stat.st_uid), ("gid", stat.st_gid)] {
            if id > MAX_SMALL {
                long(key, id.to_string());
            }
        }
        header.set_uid(stat.st_uid.min(MAX_SMALL).into());
        header.set_gid(stat.st_gid.min(MAX_SMALL).into());
        let time = u64::try_from(stat.st_mtime).ok().filter(|time| *time <= MAX_LARGE);
        if time.is_none() {
            long("mtime", stat.st_mtime.to_string());
        }
        header.set_mtime(time.unwrap_or(0));
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(major(stat.st_rdev))?;
            header.set_device_minor(minor(stat.st_rdev))?;
        }
        self.named(&mut header, path, target, extended)
    }

    /// Writes a header with its names, the long ones before it.
    fn named(
        &mut self,
        header: &mut Header,
        path: &[u8],
        target: &[u8],
        mut extended: Vec<(String, Vec<u8>)>,
    ) -> io::Result<()> {
        let raw = header.as_old_mut();
        for (key, value, place) in
            [("path", path, &mut raw.name), ("linkpath", target, &mut raw.linkname)]
        {
            let short = value.len().min(MAX_NAME);
            place[..short].copy_from_slice(&value[..short]);
            if value.len() > MAX_NAME {
                extended.push((key.to_owned(), value.to_vec()));
            }
        }
        header.set_cksum();
        if !extended.is_empty() {
            let records = extended.iter().map(|(key, value)| (key.as_str(), value.as_slice()));
            self.tar.append_pax_extensions(records)?;
        }
        self.tar.get_mut().write_all(header.as_bytes())
    }
}

/// The very object of a handle, opened: nobody can put another one in its place.
fn reopen(handle: &OwnedFd, flags: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", handle.as_fd().as_raw_fd());
    let flags = flags | OFlags::RDONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Whether overlayfs shows nothing of what lies below this folder.
fn is_opaque(folder: &OwnedFd) -> bool {
    let mut value = [0; 8];
    ["trusted.overlay.opaque", "user.overlay.opaque"].iter().any(|name| {
        fgetxattr(folder, *name, &mut value).is_ok_and(|length| value[..length] == *b"y")
    })
}

/// Extended attributes but overlayfs' own, by name.
fn attributes(folder: &OwnedFd, name: &CStr) -> io::Result<Vec<(String, Vec<u8>)>> {
    // The last part of the path is not followed, and the folder is open.
    let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    let path = OsStr::from_bytes(&path);
    let mut names = vec![0; 64 << 10];
    let length = match llistxattr(path, &mut names) {
        Err(rustix::io::Errno::NOTSUP) => return Ok(Vec::new()),
        other => other?,
    };
    let mut value = vec![0; 64 << 10];
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            continue;
        }
        // A name that is no text has no place in an extended header.
        let Ok(text) = String::from_utf8(name.to_vec()) else { continue };
        let key = CString::new(name).expect("split at NUL");
        let length = lgetxattr(path, key.as_c_str(), &mut value)?;
        found.push((text, value[..length].to_vec()));
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{RenameFlags, makedev, mknodat, renameat_with};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::{fs, thread};

    fn open(path: &std::path::Path) -> OwnedFd {
        openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap()
    }

    /// A container may go on running (`commit --pause=false`), and root in it may make a node of any device,
    /// which only the rules for its own processes keep it from opening.
    #[test]
    fn row_05_no_device_is_opened_however_fast_a_container_exchanges_names() {
        let folder = tempfile::tempdir().unwrap();
        let (upper, spare) = (folder.path().join("upper"), folder.path().join("spare"));
        fs::create_dir(&upper).unwrap();
        fs::create_dir(&spare).unwrap();
        fs::write(upper.join("file"), [b'a'; 512]).unwrap();
        let mode = Mode::from_raw_mode(0o666);
        // /dev/zero, for what a disk has.
        mknodat(CWD, spare.join("node"), FileType::CharacterDevice, mode, makedev(1, 5)).unwrap();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let (file, node) = (upper.join("file"), spare.join("node"));
                while !is_over.load(Ordering::Relaxed) {
                    renameat_with(CWD, &file, CWD, &node, RenameFlags::EXCHANGE).unwrap();
                }
            });
            let contents: Vec<Vec<u8>> = (0..3000)
                .filter_map(|_| {
                    let mut tar = Vec::new();
                    write(&open(&upper), &mut tar).unwrap();
                    (tar[156] == EntryType::Regular.as_byte()).then(|| tar[512..1024].to_vec())
                })
                .collect();
            is_over.store(true, Ordering::Relaxed);
            assert!(!contents.is_empty(), "it never was a file");
            assert!(contents.iter().all(|content| *content == [b'a'; 512]));
        });
    }

    #[test]
    fn folders_deeper_than_anything_can_name_are_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut inner = open(folder.path());
        for _ in 0..DEEPEST {
            rustix::fs::mkdirat(&inner, "d", Mode::RWXU).unwrap();
            inner = openat(&inner, "d", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        let error = write(&open(folder.path()), &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("deep"), "{error}");
    }
}
