//! How much disk a folder takes.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::{Error, Result};

/// Disk use of a snapshot or layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of allocated blocks.
    pub size: u64,
    /// Inodes; hard links count once.
    pub inodes: u64,
}

impl Usage {
    /// Of everything below `path`, which is included. Symlinks are not followed, and what
    /// disappears while we look is not counted.
    ///
    /// # Errors
    /// A folder can't be read.
    pub fn of(path: &Path) -> Result<Self> {
        let mut usage = Self::default();
        let mut seen = HashSet::new();
        let mut folders = vec![path.to_owned()];
        usage.add(
            &fs::symlink_metadata(path).map_err(Error::io("cannot look at", path))?,
            &mut seen,
        );
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(Error::io("cannot list", &folder))?,
            };
            for entry in entries.flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                usage.add(&metadata, &mut seen);
                if metadata.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        Ok(usage)
    }

    /// Bytes of the files below `path`, as long as they say they are; hard links count once. None if
    /// there is no such folder, and what disappears while we look is not counted.
    ///
    /// # Errors
    /// A folder can't be read.
    pub fn bytes_of_files(path: &Path) -> Result<u64> {
        let mut bytes = 0;
        let mut seen = HashSet::new();
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.map_err(Error::io("cannot list", &folder))?,
            };
            for entry in entries.flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else if metadata.nlink() == 1 || seen.insert((metadata.dev(), metadata.ino())) {
                    bytes += metadata.len();
                }
            }
        }
        Ok(bytes)
    }

    fn add(&mut self, metadata: &fs::Metadata, seen: &mut HashSet<u64>) {
        if metadata.is_dir() || metadata.nlink() == 1 || seen.insert(metadata.ino()) {
            self.size += metadata.blocks() * 512;
            self.inodes += 1;
        }
    }
}
