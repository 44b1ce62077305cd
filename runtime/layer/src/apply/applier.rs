//! The state of a layer being applied, and the way to an entry's folder.

use std::io::BufRead;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fstat, mkdirat, openat, readlinkat, unlinkat};
use rustix::io::Errno;

use super::chain::{Chain, open_folder};
use super::metadata::{self, On};
use super::name::{LONGEST_PATH, Meaning, meaning, names};
use super::tree::{Folder, Id, ROOT, Tree};
use super::trouble::{Refusal, Trouble, doing};
use super::{Applied, NotSelfContained, Skipped, SkippedWhat, WhiteoutEncoding};
use crate::error::{Cause, Limit};
use crate::limits::Limits;
use crate::tar::{Archive, Entry, Kind, Time, Xattr, printable};

/// How many symlinks may lie on the way to one entry, as for the kernel.
const MOST_SYMLINKS: usize = 40;
/// How many skipped things are told by name.
const MOST_SKIPPED: usize = 64;

/// A layer while it is applied.
pub(super) struct Applier<'a> {
    pub(super) chain: Chain,
    /// The root and each level of the chain.
    places: Vec<Place>,
    pub(super) tree: Tree,
    /// How a standalone layer writes whiteouts; `None` over parents.
    pub(super) encoding: Option<WhiteoutEncoding>,
    pub(super) limits: &'a Limits,
    pub(super) disk_bytes: u64,
    entries: u64,
    skipped: Vec<Skipped>,
    skipped_count: u64,
    /// Default access control lists, to be set once nothing is made any more.
    default_acls: Vec<(Vec<u8>, Id, Xattr)>,
}

struct Place {
    folder: Id,
    /// Something was changed in it, so that its time is to be set again.
    dirty: bool,
}

impl<'a> Applier<'a> {
    pub fn new(
        folder: BorrowedFd<'_>,
        encoding: Option<WhiteoutEncoding>,
        limits: &'a Limits,
    ) -> Result<Self, Cause> {
        let unreadable = |errno: Errno| Cause::Folder(errno.into());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(folder, ".", flags, Mode::empty()).map_err(unreadable)?;
        let root = Folder {
            explicit: true,
            lower: encoding.is_none(),
            inherits: metadata::has_default_acl(folder.as_fd()),
            mtime: match encoding {
                Some(_) => None,
                None => Some(mtime(folder.as_fd()).map_err(unreadable)?),
            },
            ..Folder::default()
        };
        Ok(Self {
            chain: Chain::new(folder),
            places: vec![Place { folder: ROOT, dirty: false }],
            tree: Tree::new(root),
            encoding,
            limits,
            disk_bytes: 0,
            entries: 0,
            skipped: Vec::new(),
            skipped_count: 0,
            default_acls: Vec::new(),
        })
    }

    /// Applies one entry, whose content comes from `archive`.
    pub fn entry<R: BufRead>(
        &mut self,
        entry: &Entry,
        archive: &mut Archive<R>,
    ) -> Result<(), Trouble> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(Trouble::Limit(Limit::Entries(self.limits.entries)));
        }
        let attributes: usize = entry.xattrs.iter().map(|x| x.name.len() + x.value.len()).sum();
        if attributes as u64 > self.limits.xattr_bytes {
            return Err(Trouble::Limit(Limit::XattrBytes(self.limits.xattr_bytes)));
        }
        let names = names(&entry.path)?;
        let meaning = meaning(&names)?;
        if meaning == Meaning::Aufs {
            self.skip(&entry.path, SkippedWhat::AufsMetadata);
            return Ok(());
        }
        let parents = names.split_last().map_or(&[][..], |(_, parents)| parents);
        self.enter_parents(parents, &entry.path)?;
        match meaning {
            Meaning::Root if entry.kind == Kind::Folder => self.update_folder(entry),
            Meaning::Root => Err(Refusal::Root.into()),
            Meaning::Entry(name) => self.create(entry, name, archive),
            Meaning::Whiteout(name) => self.whiteout(name),
            Meaning::Opaque => self.opaque(),
            Meaning::Aufs => unreachable!("returned above"),
        }
    }

    /// Sets what waited for the end, and gives the account.
    pub fn finish(mut self) -> Result<Applied, Trouble> {
        self.set_default_acls()?;
        self.leave_to(0)?;
        let root = &mut self.places[0];
        if let (true, Some(time)) = (root.dirty, self.tree[ROOT].mtime) {
            metadata::set_time(On::Open(self.chain.root()), time)
                .map_err(doing("set the time of"))?;
        }
        let implicit = self.encoding.and_then(|_| self.tree.implicit());
        let self_contained = match implicit {
            Some(path) => Err(NotSelfContained::ImplicitParent { path: printable(&path) }),
            None => Ok(()),
        };
        Ok(self.applied(self_contained))
    }

    /// The account of a layer whose writing ended early.
    pub fn broken_off(self, reason: NotSelfContained) -> Applied {
        self.applied(Err(reason))
    }

    fn applied(self, self_contained: Result<(), NotSelfContained>) -> Applied {
        let Self { entries, disk_bytes, skipped, skipped_count, .. } = self;
        Applied { entries, disk_bytes, self_contained, skipped, skipped_count }
    }

    /// The folder we are in.
    pub(super) fn here(&self) -> Id {
        self.places.last().expect("the root is never left").folder
    }

    /// Notes that something changed in the folder we are in.
    pub(super) fn touch(&mut self) {
        self.places.last_mut().expect("the root is never left").dirty = true;
    }

    pub(super) fn skip(&mut self, path: &[u8], what: SkippedWhat) {
        self.skipped_count += 1;
        if self.skipped.len() < MOST_SKIPPED {
            self.skipped.push(Skipped { path: printable(path), what });
        }
    }

    /// Goes into the folder `name`, which `id` stands for.
    pub(super) fn enter(
        &mut self,
        name: &[u8],
        id: Id,
        folder: Option<OwnedFd>,
    ) -> Result<(), Trouble> {
        // Symlinks can lead deeper than any one path says.
        if self.chain.length() + name.len() + 1 >= LONGEST_PATH {
            return Err(Refusal::TooLong.into());
        }
        self.chain.push(name, folder);
        self.places.push(Place { folder: id, dirty: false });
        Ok(())
    }

    /// Goes up one folder, whose time is set if something changed in it.
    pub(super) fn leave(&mut self) -> Result<(), Trouble> {
        if self.places.len() == 1 {
            return Ok(());
        }
        let place = self.places.pop().expect("more than the root");
        if let (true, Some(time)) = (place.dirty, self.tree[place.folder].mtime) {
            let folder = self.chain.top().map_err(doing("open the folder of"))?;
            metadata::set_time(On::Open(folder), time).map_err(doing("set the time of"))?;
        }
        self.chain.pop();
        Ok(())
    }

    fn leave_to(&mut self, depth: usize) -> Result<(), Trouble> {
        while self.chain.depth() > depth {
            self.leave()?;
        }
        Ok(())
    }

    /// Goes to the folder that `parents` name. Folders that are missing are made; symlinks
    /// of lower layers are followed inside the root, as containerd does.
    fn enter_parents(&mut self, parents: &[&[u8]], path: &[u8]) -> Result<(), Trouble> {
        // The chain holds real folders only: where its names agree it is the way.
        let known = parents.iter().enumerate();
        let known =
            known.take_while(|(level, name)| self.chain.name(*level) == Some(**name)).count();
        self.leave_to(known)?;
        let Some(unknown) = parents.get(known..).filter(|names| !names.is_empty()) else {
            return Ok(());
        };
        let mut ahead: Vec<Vec<u8>> = unknown.iter().rev().map(|name| name.to_vec()).collect();
        let mut symlinks = 0;
        while let Some(name) = ahead.pop() {
            match &name[..] {
                b"" | b"." => continue,
                b".." => {
                    self.leave()?;
                    continue;
                }
                _ => {}
            }
            let Some(target) = self.step(&name, path)? else { continue };
            symlinks += 1;
            if symlinks > MOST_SYMLINKS {
                return Err(Refusal::SymlinkLoop.into());
            }
            if target.first() == Some(&b'/') {
                self.leave_to(0)?;
            }
            ahead.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
        }
        Ok(())
    }

    /// Enters the folder `name`, made if missing; or returns the symlink that it is.
    fn step(&mut self, name: &[u8], path: &[u8]) -> Result<Option<Vec<u8>>, Trouble> {
        let here = self.here();
        if let Some(id) = self.tree.child(here, name) {
            return self.enter(name, id, None).map(|()| None);
        }
        match open_folder(self.top()?, name) {
            Ok(folder) => {
                let id = self.add_lower(name, folder.as_fd())?;
                self.enter(name, id, Some(folder))?;
            }
            Err(Errno::NOENT) => self.make_implicit(name, false)?,
            Err(Errno::NOTDIR | Errno::LOOP) => {
                if self.tree[here].whiteouts.remove(name) {
                    unlinkat(self.top()?, name, rustix::fs::AtFlags::empty())
                        .map_err(doing("replace the deleted parent of"))?;
                    return self.make_implicit(name, true).map(|()| None);
                }
                let target = match readlinkat(self.top()?, name, Vec::new()) {
                    Ok(target) => target.into_bytes(),
                    Err(Errno::INVAL) => return Err(Refusal::BelowFile.into()),
                    Err(errno) => return Err(doing("read a symlink before")(errno)),
                };
                if self.encoding.is_some() {
                    let path = printable(path);
                    return Err(Trouble::NotSelfContained(NotSelfContained::ThroughSymlink {
                        path,
                    }));
                }
                return Ok(Some(target));
            }
            Err(errno) => return Err(doing("open the folder of")(errno)),
        }
        Ok(None)
    }

    /// Remembers a folder that lower layers made.
    pub(super) fn add_lower(&mut self, name: &[u8], folder: BorrowedFd<'_>) -> Result<Id, Trouble> {
        let mtime = mtime(folder).map_err(doing("read the time of the folder of"))?;
        let inherits = metadata::has_default_acl(folder);
        let lower = Folder { lower: true, mtime: Some(mtime), inherits, ..Folder::default() };
        Ok(self.tree.add(self.here(), name, lower))
    }

    /// Makes a folder that has no entry (yet): mode 0755, owned by root.
    fn make_implicit(&mut self, name: &[u8], opaque: bool) -> Result<(), Trouble> {
        let making = doing("create the folder of");
        mkdirat(self.top()?, name, Mode::from_raw_mode(0o755)).map_err(&making)?;
        self.touch();
        let folder = open_folder(self.top()?, name).map_err(&making)?;
        let id = self.tree.add(self.here(), name, Folder::default());
        self.enter(name, id, Some(folder))?;
        self.reset_folder()?;
        if opaque { self.make_opaque() } else { Ok(()) }
    }

    /// Gives the folder we are in what a folder without an entry has.
    pub(super) fn reset_folder(&mut self) -> Result<(), Trouble> {
        let folder = self.top()?;
        metadata::clear_xattrs(folder)?;
        metadata::set_owner(On::Open(folder), 0, 0)
            .map_err(doing("set the owner of the folder of"))?;
        metadata::set_mode(On::Open(folder), 0o755).map_err(doing("set the mode of the folder of"))
    }

    /// The descriptor of the folder we are in.
    pub(super) fn top(&mut self) -> Result<BorrowedFd<'_>, Trouble> {
        self.chain.top().map_err(doing("open the folder of"))
    }

    /// Keeps a default access control list of the folder we are in for the end.
    pub(super) fn defer_acl(&mut self, xattr: &Xattr) {
        let names = (0..self.chain.depth()).filter_map(|level| self.chain.name(level));
        let path = names.collect::<Vec<_>>().join(&b'/');
        self.default_acls.push((path, self.here(), xattr.clone()));
    }

    fn set_default_acls(&mut self) -> Result<(), Trouble> {
        for (path, id, xattr) in std::mem::take(&mut self.default_acls) {
            let names = names(&path)?;
            // Where the folder was replaced meanwhile, the way ends at another one.
            if self.enter_existing(&names)? && self.here() == id {
                let mut skipped = None;
                let folder = On::Open(self.top()?);
                metadata::set_xattr(folder, &xattr, |what| skipped = Some(what))?;
                if let Some(what) = skipped {
                    self.skip(&path, what);
                }
            }
        }
        Ok(())
    }

    /// Goes to a folder this layer knows, by folders it knows.
    fn enter_existing(&mut self, names: &[&[u8]]) -> Result<bool, Trouble> {
        self.leave_to(0)?;
        for name in names {
            let Some(id) = self.tree.child(self.here(), name) else { return Ok(false) };
            self.enter(name, id, None)?;
        }
        Ok(true)
    }
}

fn mtime(folder: BorrowedFd<'_>) -> Result<Time, Errno> {
    let stat = fstat(folder)?;
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    Ok(Time { seconds: stat.st_mtime, nanoseconds })
}
