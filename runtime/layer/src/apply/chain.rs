//! The open folders between a layer's root and where we are in it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// How many folders are kept open: enough that real trees never open one twice, few
/// enough that layers side by side stay below the usual limit of descriptors.
const KEPT_OPEN: usize = 32;

/// A folder opened by its only name, never through a symlink.
pub(super) fn open_folder(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY
        | OFlags::DIRECTORY
        | OFlags::NOFOLLOW
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    openat(parent, name, flags, Mode::empty())
}

/// A root and a way down from it, each step a real folder.
#[derive(Debug)]
pub(super) struct Chain {
    root: OwnedFd,
    levels: Vec<Level>,
    /// Bytes of all names with a separator each.
    length: usize,
}

#[derive(Debug)]
struct Level {
    name: Box<[u8]>,
    /// `None` for a level so far above the last one that it was closed again.
    folder: Option<OwnedFd>,
}

impl Chain {
    pub fn new(root: OwnedFd) -> Self {
        Self { root, levels: Vec::new(), length: 0 }
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

    /// The folder we are in, opened again step by step if it was closed.
    pub fn top(&mut self) -> Result<BorrowedFd<'_>, Errno> {
        let Some(last) = self.levels.len().checked_sub(1) else { return Ok(self.root.as_fd()) };
        if self.levels[last].folder.is_none() {
            let open = self.levels.iter().rposition(|level| level.folder.is_some());
            let mut folder = None::<OwnedFd>;
            for level in open.map_or(0, |open| open + 1)..=last {
                let above = match (&folder, open) {
                    (Some(folder), _) => folder.as_fd(),
                    (None, Some(open)) => {
                        self.levels[open].folder.as_ref().expect("found open").as_fd()
                    }
                    (None, None) => self.root.as_fd(),
                };
                folder = Some(open_folder(above, &self.levels[level].name)?);
            }
            self.levels[last].folder = folder;
        }
        Ok(self.levels[last].folder.as_ref().expect("opened above").as_fd())
    }

    /// Goes down into `folder`, which is the one called `name` in the folder we are in.
    pub fn push(&mut self, name: &[u8], folder: OwnedFd) {
        self.length += name.len() + 1;
        self.levels.push(Level { name: name.into(), folder: Some(folder) });
        if let Some(distant) = self.levels.len().checked_sub(KEPT_OPEN + 1) {
            self.levels[distant].folder = None;
        }
    }

    /// Goes up one folder.
    pub fn pop(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.length -= level.name.len() + 1;
        }
    }
}
