//! What repairs took out of the store (`<root>/damaged/<kind>/<name>`): kept for a person to look at, not for ever.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use isopod_sys::lock::Lock;

use super::folders;
use crate::fsck::kinds::DAMAGED;
use crate::snapshot::Usage;
use crate::{Error, Result, Runtime};

/// How long a collection leaves it.
pub const KEPT: TimeDelta = TimeDelta::days(30);

/// Something that a repair moved aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// Where it lies now.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// When it was put there, or last touched since: its inode's change, which a rename makes and nobody can set.
    pub since: DateTime<Utc>,
}

impl Runtime {
    /// All that repairs have moved aside, by path.
    ///
    /// # Errors
    /// The folders can't be read.
    pub fn damaged(&self) -> Result<Vec<Aside>> {
        let mut found = Vec::new();
        for folder in folders(&self.layout().root().join(DAMAGED))? {
            for entry in fs::read_dir(&folder).map_err(Error::io("cannot list", &folder))? {
                let entry = entry.map_err(Error::io("cannot list", &folder))?;
                let Ok(metadata) = entry.metadata() else { continue };
                let path = entry.path();
                let size = match metadata.is_dir() {
                    // It may go while it is measured.
                    true => Usage::bytes_of_files(&path).unwrap_or(0),
                    false => metadata.size(),
                };
                let since = DateTime::from_timestamp(metadata.ctime(), 0).unwrap_or_default();
                found.push(Aside { path, size, since });
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    /// Removes what was moved aside before `before`, unless a repair is at work.
    ///
    /// # Errors
    /// Something can't be read, or can't be removed.
    pub fn remove_damaged(&self, before: DateTime<Utc>) -> Result<Vec<Aside>> {
        let top = self.layout().root().join(DAMAGED);
        if !top.exists() {
            return Ok(Vec::new());
        }
        // It may be about to move something into a folder that is empty now.
        let path = self.layout().root().join("fsck.lock");
        let Some(_no_repair) =
            Lock::try_exclusive(&path).map_err(Error::io("cannot lock", &path))?
        else {
            return Ok(Vec::new());
        };
        let mut gone = self.damaged()?;
        gone.retain(|aside| aside.since < before);
        for aside in &gone {
            let removed = match aside.path.symlink_metadata().is_ok_and(|m| m.is_dir()) {
                true => fs::remove_dir_all(&aside.path),
                false => fs::remove_file(&aside.path),
            };
            match removed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(Error::io("cannot remove", &aside.path))?,
            }
        }
        for folder in folders(&top)?.iter().chain([&top]) {
            // A full one stays.
            fs::remove_dir(folder).ok();
        }
        Ok(gone)
    }
}
