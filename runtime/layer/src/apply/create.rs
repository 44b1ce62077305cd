//! Making one entry in the folder we are in, replacing what was there.

use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, ftruncate, linkat, makedev, mkdirat, mknodat,
    openat, openat2, seek, statat, symlinkat,
};
use rustix::io::{Errno, write};

use super::applier::Applier;
use super::chain::open_folder;
use super::metadata::{self, DEFAULT_ACL, On};
use super::name::{LONGEST_PATH, names};
use super::remove::remove;
use super::tree::Folder;
use super::trouble::{Refusal, Trouble, doing};
use super::{NotSelfContained, SkippedWhat};
use crate::error::Limit;
use crate::tar::{Archive, Entry, Kind, printable};

impl Applier<'_> {
    /// Makes `entry` under `name` in the folder we are in.
    pub(super) fn create<R: BufRead>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        archive: &mut Archive<R>,
    ) -> Result<(), Trouble> {
        match entry.kind {
            Kind::Folder => self.create_folder(entry, name),
            Kind::File => self.create_file(entry, name, archive),
            Kind::HardLink => self.create_hard_link(entry, name),
            Kind::Symlink => self.create_symlink(entry, name),
            Kind::CharDevice if entry.device == (0, 0) => {
                self.skip(&entry.path, SkippedWhat::WhiteoutDevice);
                self.clear(name)?;
                self.whiteout(name)
            }
            Kind::CharDevice => self.create_node(entry, name, FileType::CharacterDevice),
            Kind::BlockDevice => self.create_node(entry, name, FileType::BlockDevice),
            Kind::Fifo => self.create_node(entry, name, FileType::Fifo),
        }
    }

    /// Gives the folder we are in, entered before, the entry's metadata.
    pub(super) fn update_folder(&mut self, entry: &Entry) -> Result<(), Trouble> {
        metadata::clear_xattrs(self.top()?)?;
        self.set_folder_metadata(entry, false)
    }

    fn create_folder(&mut self, entry: &Entry, name: &[u8]) -> Result<(), Trouble> {
        let here = self.here();
        let inherits = self.tree[here].inherits;
        if let Some(id) = self.tree.child(here, name) {
            self.enter(name, id, None)?;
            return self.update_folder(entry);
        }
        // Only its owner may enter it until its mode is set.
        let private = Mode::RWXU;
        match mkdirat(self.top()?, name, private) {
            Ok(()) => self.enter_new_folder(name, Folder::default())?,
            Err(Errno::EXIST) => match open_folder(self.top()?, name) {
                Ok(folder) => {
                    let id = self.add_lower(name, folder.as_fd())?;
                    self.enter(name, id, Some(folder))?;
                    return self.update_folder(entry);
                }
                Err(Errno::NOTDIR | Errno::LOOP) => {
                    self.clear(name)?;
                    mkdirat(self.top()?, name, private).map_err(doing("create"))?;
                    self.enter_new_folder(name, Folder::default())?;
                    // Of this layer's own, or a whiteout: in either case a folder of this
                    // name in lower layers is not continued by this one.
                    self.make_opaque()?;
                }
                Err(errno) => return Err(doing("open")(errno)),
            },
            Err(errno) => return Err(doing("create")(errno)),
        }
        self.set_folder_metadata(entry, inherits)
    }

    fn enter_new_folder(&mut self, name: &[u8], folder: Folder) -> Result<(), Trouble> {
        self.touch();
        let opened = open_folder(self.top()?, name).map_err(doing("open"))?;
        let id = self.tree.add(self.here(), name, folder);
        self.enter(name, id, Some(opened))
    }

    fn set_folder_metadata(&mut self, entry: &Entry, inherits: bool) -> Result<(), Trouble> {
        let mut skipped = Vec::new();
        metadata::set(On::Open(self.top()?), entry, inherits, |what| skipped.push(what))?;
        skipped.into_iter().for_each(|what| self.skip(&entry.path, what));
        if let Some(acl) = entry.xattrs.iter().find(|xattr| xattr.name == DEFAULT_ACL) {
            self.defer_acl(acl);
        }
        // The time itself is set when the folder is left.
        self.touch();
        let here = self.here();
        let folder = &mut self.tree[here];
        folder.explicit = true;
        folder.inherits = false;
        folder.mtime = Some(entry.mtime);
        Ok(())
    }

    fn create_file<R: BufRead>(
        &mut self,
        entry: &Entry,
        name: &[u8],
        archive: &mut Archive<R>,
    ) -> Result<(), Trouble> {
        let content = match &entry.sparse {
            Some(pieces) => pieces.iter().map(|piece| piece.length).sum(),
            None => entry.length,
        };
        if entry.length > self.limits.file_length {
            return Err(Trouble::Limit(Limit::FileLength(self.limits.file_length)));
        }
        if content > self.limits.disk_bytes.saturating_sub(self.disk_bytes) {
            return Err(Trouble::Limit(Limit::DiskBytes(self.limits.disk_bytes)));
        }
        self.disk_bytes += content;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let file = match openat(self.top()?, name, flags, private) {
            Err(Errno::EXIST) => {
                self.clear(name)?;
                openat(self.top()?, name, flags, private)
            }
            other => other,
        }
        .map_err(doing("create"))?;
        match &entry.sparse {
            None => write_content(&file, archive, u64::MAX)?,
            Some(pieces) => {
                for piece in pieces {
                    seek(&file, rustix::fs::SeekFrom::Start(piece.offset))
                        .map_err(doing("write"))?;
                    write_content(&file, archive, piece.length)?;
                }
                ftruncate(&file, entry.length).map_err(doing("set the length of"))?;
            }
        }
        self.finish_new(On::Open(file.as_fd()), entry, name)
    }

    fn create_symlink(&mut self, entry: &Entry, name: &[u8]) -> Result<(), Trouble> {
        if entry.link.contains(&0) {
            return Err(Refusal::Nul.into());
        }
        if entry.link.len() >= LONGEST_PATH {
            return Err(Refusal::TooLong.into());
        }
        match symlinkat(&entry.link, self.top()?, name) {
            Err(Errno::EXIST) => {
                self.clear(name)?;
                symlinkat(&entry.link, self.top()?, name)
            }
            other => other,
        }
        .map_err(doing("create"))?;
        self.finish_named(entry, name)
    }

    fn create_node(&mut self, entry: &Entry, name: &[u8], kind: FileType) -> Result<(), Trouble> {
        let (major, minor) = entry.device;
        let device = makedev(major, minor);
        let private = Mode::RUSR | Mode::WUSR;
        match mknodat(self.top()?, name, kind, private, device) {
            Err(Errno::EXIST) => {
                self.clear(name)?;
                mknodat(self.top()?, name, kind, private, device)
            }
            other => other,
        }
        .map_err(doing("create"))?;
        self.finish_named(entry, name)
    }

    /// Links to a file that is there already; the entry's own metadata says nothing new,
    /// as for GNU tar.
    fn create_hard_link(&mut self, entry: &Entry, name: &[u8]) -> Result<(), Trouble> {
        let target = names(&entry.link)?;
        let (&last, parents) = target.split_last().ok_or(Refusal::FolderLink)?;
        let Some(parent) = self.open_target(parents, entry)? else {
            return Err(self.no_target(entry));
        };
        if self.is_whiteout(parents, last) {
            return Err(self.no_target(entry));
        }
        let link = |applier: &mut Self| {
            let here = applier.chain.top()?;
            linkat(&parent, last, here, name, AtFlags::empty())
        };
        let linked = match link(self) {
            Err(Errno::EXIST) => match self.is_same_file(parent.as_fd(), last, name)? {
                None => Err(Errno::NOENT),
                Some(true) => Ok(()),
                Some(false) => {
                    self.clear(name)?;
                    link(self)
                }
            },
            other => other,
        };
        match linked {
            Ok(()) => {
                self.note_file(name);
                Ok(())
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Err(self.no_target(entry)),
            Err(Errno::PERM) => Err(Refusal::FolderLink.into()),
            Err(errno) => Err(doing("create the hard link")(errno)),
        }
    }

    /// Whether `target` in `parent` and `name` here are one file; `None` without a target.
    fn is_same_file(
        &mut self,
        parent: BorrowedFd<'_>,
        target: &[u8],
        name: &[u8],
    ) -> Result<Option<bool>, Trouble> {
        let there = match statat(parent, target, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            other => other.map_err(doing("look at the target of"))?,
        };
        let here =
            statat(self.top()?, name, AtFlags::SYMLINK_NOFOLLOW).map_err(doing("look at"))?;
        Ok(Some((there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)))
    }

    /// The folder of a hard link's target, resolved by the kernel inside the root; in a
    /// standalone layer not through symlinks.
    fn open_target(
        &mut self,
        parents: &[&[u8]],
        entry: &Entry,
    ) -> Result<Option<OwnedFd>, Trouble> {
        let mut resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        if self.encoding.is_some() {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        let path = if parents.is_empty() { b".".to_vec() } else { parents.join(&b'/') };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut tries = 0..128;
        let opened = loop {
            match openat2(self.chain.root(), &path, flags, Mode::empty(), resolve) {
                // A rename anywhere raced with a `..` in a symlink; the kernel asks again.
                Err(Errno::AGAIN) if tries.next().is_some() => {}
                other => break other,
            }
        };
        match opened {
            Ok(folder) => Ok(Some(folder)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(Errno::LOOP) if self.encoding.is_some() => {
                let path = printable(&entry.path);
                Err(Trouble::NotSelfContained(NotSelfContained::ThroughSymlink { path }))
            }
            Err(Errno::LOOP) => Err(Refusal::SymlinkLoop.into()),
            Err(Errno::NAMETOOLONG) => Err(Refusal::TooLong.into()),
            Err(errno) => Err(doing("open the folder of the target of")(errno)),
        }
    }

    /// Whether the layer itself deleted what these names lead to.
    fn is_whiteout(&self, parents: &[&[u8]], last: &[u8]) -> bool {
        let mut id = super::tree::ROOT;
        for name in parents {
            match self.tree.child(id, name) {
                Some(child) => id = child,
                None => return false,
            }
        }
        self.tree[id].whiteouts.contains(last)
    }

    fn no_target(&self, entry: &Entry) -> Trouble {
        if self.encoding.is_none() {
            return Refusal::DanglingLink.into();
        }
        let (path, target) = (printable(&entry.path), printable(&entry.link));
        Trouble::NotSelfContained(NotSelfContained::HardLink { path, target })
    }

    fn finish_named(&mut self, entry: &Entry, name: &[u8]) -> Result<(), Trouble> {
        // Borrowed from the chain for the length of a call, so it must be a copy here.
        let folder =
            rustix::io::fcntl_dupfd_cloexec(self.top()?, 0).map_err(doing("open the folder of"))?;
        self.finish_new(On::Named(folder.as_fd(), name), entry, name)
    }

    fn finish_new(&mut self, on: On<'_>, entry: &Entry, name: &[u8]) -> Result<(), Trouble> {
        let inherits = self.tree[self.here()].inherits;
        let mut skipped = Vec::new();
        metadata::set(on, entry, inherits, |what| skipped.push(what))?;
        skipped.into_iter().for_each(|what| self.skip(&entry.path, what));
        metadata::set_time(on, entry.mtime).map_err(doing("set the time of"))?;
        self.note_file(name);
        Ok(())
    }

    /// Remembers that `name` is this layer's own.
    fn note_file(&mut self, name: &[u8]) {
        self.touch();
        if self.encoding.is_none() {
            let here = self.here();
            self.tree[here].files.insert(name.into());
        }
    }

    /// Removes what stands under `name`, whoever made it.
    pub(super) fn clear(&mut self, name: &[u8]) -> Result<(), Trouble> {
        let here = self.here();
        if remove(self.top()?, name).map_err(doing("replace"))? {
            self.touch();
        }
        let folder = &mut self.tree[here];
        folder.folders.remove(name);
        folder.files.remove(name);
        folder.whiteouts.remove(name);
        Ok(())
    }
}

/// Writes at most `length` bytes of the entry's content, straight from the buffer they
/// were decompressed into.
fn write_content<R: BufRead>(
    file: &OwnedFd,
    archive: &mut Archive<R>,
    mut length: u64,
) -> Result<(), Trouble> {
    while length > 0 {
        let bytes = archive.content()?;
        if bytes.is_empty() {
            break;
        }
        let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
        let written = match write(file, &bytes[..wanted]) {
            Err(Errno::INTR) => continue,
            other => other.map_err(doing("write"))?,
        };
        archive.consume(written);
        length -= written as u64;
    }
    Ok(())
}
