//! What of a folder is this layer's own: its folders always, its files where a later
//! whiteout would have to tell them from the parents' files.

use std::collections::{HashMap, HashSet};

use crate::tar::Time;

/// A folder in the [`Tree`].
pub(super) type Id = usize;

/// The root's id.
pub(super) const ROOT: Id = 0;

/// Folders this layer has entered, by their names.
#[derive(Debug)]
pub(super) struct Tree(Vec<Folder>);

/// One folder.
#[derive(Debug, Default)]
pub(super) struct Folder {
    pub folders: HashMap<Box<[u8]>, Id>,
    /// Non-folders this layer made here; only kept over parents.
    pub files: HashSet<Box<[u8]>>,
    /// Whiteouts this layer made here; only kept for a standalone layer.
    pub whiteouts: HashSet<Box<[u8]>>,
    /// The layer has an entry for it.
    pub explicit: bool,
    /// It was there before the layer, and what the layer did not hide of it still is.
    pub lower: bool,
    /// Nothing of lower layers shows in it; only kept for a standalone layer.
    pub opaque: bool,
    /// Marked as a folder with whiteouts in the form of attributes.
    pub marked: bool,
    /// What is made in it inherits an access control list.
    pub inherits: bool,
    /// The time it is to have once nothing changes in it any more.
    pub mtime: Option<Time>,
}

impl Tree {
    pub fn new(root: Folder) -> Self {
        Self(vec![root])
    }

    pub fn add(&mut self, parent: Id, name: &[u8], folder: Folder) -> Id {
        let id = self.0.len();
        self.0.push(folder);
        // A folder replaced by another one of the same name stays behind, unreachable.
        self[parent].folders.insert(name.into(), id);
        id
    }

    pub fn child(&self, parent: Id, name: &[u8]) -> Option<Id> {
        self[parent].folders.get(name).copied()
    }

    /// The path of a folder without an entry of its own, if there is one.
    pub fn implicit(&self) -> Option<Vec<u8>> {
        // Depth first without recursion: the way to a folder is its parents' names.
        let mut open = vec![(ROOT, Vec::new())];
        while let Some((id, path)) = open.pop() {
            for (name, &child) in &self[id].folders {
                let path = [&path[..], name].join(&b'/');
                if !self[child].explicit {
                    return Some(path[1..].to_vec());
                }
                open.push((child, path));
            }
        }
        None
    }
}

impl std::ops::Index<Id> for Tree {
    type Output = Folder;

    fn index(&self, id: Id) -> &Folder {
        &self.0[id]
    }
}

impl std::ops::IndexMut<Id> for Tree {
    fn index_mut(&mut self, id: Id) -> &mut Folder {
        &mut self.0[id]
    }
}
