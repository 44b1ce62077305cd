//! Removing volumes: the row and the folder's name go together, what is in the folder goes after.
//!
//! A folder without a row may be what a removal left that was killed, or all that is left of a volume whose
//! row was lost with an older database. An empty file beside it ([`LEAVING`]), made before the row goes,
//! tells the first from the second, which only `fsck` touches.

use isopod_sys::step::step;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use super::{Volumes, not_found};
use crate::state::{ContainerRow, Durability, VolumeRow};
use crate::{Error, Result, id};

/// A volume that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedVolume {
    /// Its name.
    pub name: String,
    /// See [`Volumes::size`].
    pub size: u64,
}

impl Volumes<'_> {
    /// Removes a volume that no container uses.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::InUse`], which names the containers.
    pub fn remove(&self, name: &str) -> Result<RemovedVolume> {
        let volume = self.get(name)?;
        let size = self.size(&volume)?;
        let lock = self.lock()?;
        self.announce(name);
        let state = self.runtime.state();
        let deleted = state.write(Durability::Power, |transaction| {
            let wrap = state.error();
            let users = VolumeRow::uses(transaction, name).map_err(&wrap)?;
            if !users.is_empty() {
                let names = users.iter().map(|user| named(transaction, user));
                let names = names.collect::<rusqlite::Result<Vec<_>>>().map_err(&wrap)?;
                return Err(Error::InUse {
                    what: "volume",
                    name: name.to_owned(),
                    by: format!("{}; remove what uses it first", names.join(", ")),
                });
            }
            match VolumeRow::delete(transaction, name).map_err(&wrap)? {
                true => Ok(()),
                false => Err(not_found(name)),
            }
        });
        if let Err(error) = deleted {
            self.called_off(name)?;
            return Err(error);
        }
        step("volume.deleted");
        let trash = self.put_aside(name)?;
        self.called_off(name)?;
        step("volume.aside");
        drop(lock);
        remove_trash(trash)?;
        self.record("destroy", name);
        Ok(RemovedVolume { name: name.to_owned(), size })
    }

    /// Removes the folder of an unnamed volume that went with its container's rows.
    pub(crate) fn remove_folder_if_gone(&self, name: &str) -> Result<()> {
        let lock = self.lock()?;
        if self.runtime.state().read(|c| VolumeRow::get(c, name))?.is_some() {
            return self.called_off(name);
        }
        let trash = self.put_aside(name)?;
        self.called_off(name)?;
        drop(lock);
        if trash.is_some() {
            self.record("destroy", name);
        }
        remove_trash(trash)
    }

    /// Goes on with removals that were killed before they were done. Other folders without a row stay.
    ///
    /// # Errors
    /// A folder can't be read or removed.
    pub(crate) fn remove_orphans(&self) -> Result<()> {
        let top = self.runtime.layout().volumes();
        let lock = self.lock()?;
        let known: BTreeSet<String> = self.list()?.into_iter().map(|row| row.name).collect();
        let mut trash = Vec::new();
        for entry in fs::read_dir(&top).map_err(Error::io("cannot list", &top))? {
            let entry = entry.map_err(Error::io("cannot list", &top))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if name.starts_with(TRASH) && is_folder {
                trash.push(Some(entry.path()));
            } else if let Some(volume) = name.strip_prefix(LEAVING) {
                if !known.contains(volume) {
                    trash.push(self.put_aside(volume)?);
                }
                self.called_off(volume)?;
            }
        }
        drop(lock);
        trash.into_iter().try_for_each(remove_trash)
    }

    /// Says that a volume's row is about to go, and its folder with it. Where that can't be written (the disk
    /// is full, maybe) the removal goes on: should it be killed, its folder is left to `fsck`.
    pub(crate) fn announce(&self, name: &str) {
        let mark = self.folder(&format!("{LEAVING}{name}"));
        if let Err(error) = fs::write(&mark, "") {
            tracing::debug!(%error, mark = %mark.display(), "cannot say that a volume goes");
        }
    }

    /// Takes that back: the folder has gone too, or the row has not.
    pub(crate) fn called_off(&self, name: &str) -> Result<()> {
        let mark = self.folder(&format!("{LEAVING}{name}"));
        match fs::remove_file(&mark) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(Error::io("cannot remove", &mark)),
        }
    }

    /// Whether a folder without a row is a removal's.
    pub(crate) fn is_leaving(&self, name: &str) -> bool {
        self.folder(&format!("{LEAVING}{name}")).exists()
    }

    /// Gives a folder a name that no volume can have; `None` if there is none. The caller holds the lock of
    /// all volumes; what it does not remove itself, the next collection does.
    pub(super) fn put_aside(&self, name: &str) -> Result<Option<PathBuf>> {
        let folder = self.folder(name);
        let trash = self.folder(&format!("{TRASH}{}", &id::random()[..16]));
        match fs::rename(&folder, &trash) {
            Ok(()) => Ok(Some(trash)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("cannot remove", &folder)(error)),
        }
    }
}

/// What folders are called that are being removed.
pub(crate) const TRASH: &str = ".removed-";

/// What the names of files begin with that say whose removal has begun.
pub(crate) const LEAVING: &str = ".leaving-";

fn remove_trash(trash: Option<PathBuf>) -> Result<()> {
    let Some(path) = trash else { return Ok(()) };
    match fs::remove_dir_all(&path) {
        // Another command's sweep was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("cannot remove", &path)),
    }
}

/// A user, `namespace/id`, as people know it.
fn named(connection: &rusqlite::Connection, user: &str) -> rusqlite::Result<String> {
    let (namespace, id) = user.split_once('/').unwrap_or(("", user));
    let row = ContainerRow::exact(connection, namespace, id)?;
    let name = row.and_then(|row| row.name);
    Ok(match name {
        Some(name) => format!("container {name} ({namespace})"),
        None => format!("container {id} ({namespace})"),
    })
}
