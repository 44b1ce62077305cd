//! The open folders between a layer's root and where we are in it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// How many folders are kept open: enough that real trees never open one twice, few
/// enough that layers side by side stay below the usual limit of descriptors.
const KEPT_OPEN: usize = 32;

const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY);

/// A folder opened by its only name, never through a symlink.
pub(super) fn open_folder(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    openat(parent, name, FLAGS, Mode::empty())
}

/// A root and a way down from it, each step a real folder.
#[derive(Debug)]
pub(super) struct Chain {
    root: OwnedFd,
    levels: Vec<Level>,
    /// Bytes of all names with a separator each.
    length: usize,
    /// How many levels are open.
    open: usize,
}

#[derive(Debug)]
struct Level {
    name: Box<[u8]>,
    /// `None` for a level that was not needed yet, or is so far above the last one that it
    /// was closed again.
    folder: Option<OwnedFd>,
}

impl Chain {
    pub fn new(root: OwnedFd) -> Self {
        Self { root, levels: Vec::new(), length: 0, open: 0 }
    }

    pub fn depth(&self) -> usize {
        self.levels.len()
    }

    /// Bytes of the path from the root.
    pub fn length(&self) -> usize {
        self.length
    }

    pub fn name(&self, level: usize) -> Option<&[u8]> {
        self.levels.get(level).map(|level| &*level.name)
    }

    pub fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// The folder we are in, opened by the kernel below the nearest open one if it is not:
    /// without following symlinks, which is an error.
    pub fn top(&mut self) -> Result<BorrowedFd<'_>, Errno> {
        let Some(last) = self.levels.len().checked_sub(1) else { return Ok(self.root.as_fd()) };
        if self.levels[last].folder.is_none() {
            let open = self.levels.iter().rposition(|level| level.folder.is_some());
            let above = match open.and_then(|open| self.levels[open].folder.as_ref()) {
                Some(folder) => folder.as_fd(),
                None => self.root.as_fd(),
            };
            let below = &self.levels[open.map_or(0, |open| open + 1)..];
            let path = below.iter().map(|level| &*level.name).collect::<Vec<_>>().join(&b'/');
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let folder = openat2(above, &path, FLAGS, Mode::empty(), resolve)?;
            self.keep(last, folder);
        }
        Ok(self.levels[last].folder.as_ref().expect("opened above").as_fd())
    }

    /// Goes down into the folder called `name` in the folder we are in: `folder` if it is
    /// open already, else a real folder that will be opened when it is needed.
    pub fn push(&mut self, name: &[u8], folder: Option<OwnedFd>) {
        self.length += name.len() + 1;
        self.levels.push(Level { name: name.into(), folder: None });
        if let Some(folder) = folder {
            self.keep(self.levels.len() - 1, folder);
        }
    }

    fn keep(&mut self, level: usize, folder: OwnedFd) {
        self.levels[level].folder = Some(folder);
        self.open += 1;
        if self.open > KEPT_OPEN {
            // The one farthest above is needed last.
            let distant = self.levels.iter_mut().find(|level| level.folder.is_some());
            distant.expect("more than one is open").folder = None;
            self.open -= 1;
        }
    }

    /// Goes up one folder.
    pub fn pop(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.length -= level.name.len() + 1;
            self.open -= usize::from(level.folder.is_some());
        }
    }
}
