//! Removing: the rows go first, in one transaction, then the folders; what a crash leaves in
//! between belongs to nothing and is collected.

use std::fs;
use std::io;
use std::path::Path;

use super::Container;
use crate::state::{ContainerRow, Durability, VolumeRow};
use crate::{Error, Result};

const SIGKILL: i32 = 9;

/// How thoroughly to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Kill it if it runs.
    pub force: bool,
    /// Remove its anonymous volumes too.
    pub volumes: bool,
    /// Leave its writable snapshot.
    pub keep_snapshot: bool,
}

impl Container<'_> {
    /// Removes it.
    ///
    /// # Errors
    /// [`Error::State`] if it runs and `force` is not set; [`Error::NotFound`] if another command
    /// was faster; folders can't be removed.
    pub fn remove(&self, options: RemoveOptions) -> Result<()> {
        let operation = self.lock_operation()?;
        self.end(options.force)?;
        if !self.delete_rows(options)? {
            // Asking for the lock made the folder anew.
            remove_folder(&self.state())?;
            return Err(Error::NotFound { what: "container", name: self.name().to_owned() });
        }
        self.remove_folders(options)?;
        drop(operation);
        Ok(())
    }

    fn end(&self, force: bool) -> Result<()> {
        let status = self.status()?;
        if !status.phase.is_alive() {
            return Ok(());
        }
        if !force {
            return Err(Error::State {
                id: self.name().to_owned(),
                state: status.phase.as_str(),
                hint: "stop it first, or force its removal",
            });
        }
        match self.stop(Some(SIGKILL), None) {
            // Nothing is left of it, which is what was wanted.
            Err(Error::MonitorDied { .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    fn delete_rows(&self, options: RemoveOptions) -> Result<bool> {
        let (namespace, id) = (self.namespace(), self.id());
        let durability = match self.record.auto_remove {
            true => Durability::Process,
            false => Durability::Power,
        };
        let state = self.runtime.state();
        state.write(durability, |transaction| {
            let wrap = state.error();
            if !ContainerRow::delete(transaction, namespace, id).map_err(&wrap)? {
                return Ok(false);
            }
            VolumeRow::release(transaction, namespace, id).map_err(&wrap)?;
            if options.volumes {
                for volume in self.record.volumes.iter().filter(|volume| volume.anonymous) {
                    if VolumeRow::uses(transaction, &volume.name).map_err(&wrap)?.is_empty() {
                        VolumeRow::delete(transaction, &volume.name).map_err(&wrap)?;
                    }
                }
            }
            Ok(true)
        })
    }

    fn remove_folders(&self, options: RemoveOptions) -> Result<()> {
        if let Some(key) = self.record.snapshot.as_ref().filter(|_| !options.keep_snapshot) {
            match self.runtime.snapshots().remove(key) {
                Err(Error::NotFound { .. }) => {}
                other => other?,
            }
        }
        if options.volumes {
            for volume in self.record.volumes.iter().filter(|volume| volume.anonymous) {
                self.runtime.volumes().remove_folder_if_gone(&volume.name)?;
            }
        }
        remove_folder(&self.data())?;
        remove_folder(&self.state())?;
        // The last of a namespace takes the namespace's folders along; a full one stays.
        for folder in [self.data(), self.state()] {
            if let Some(parent) = folder.parent() {
                fs::remove_dir(parent).ok();
            }
        }
        Ok(())
    }

    /// Undoes a create that failed half way.
    pub(super) fn forget(&self) -> Result<()> {
        let options = RemoveOptions { force: true, volumes: true, keep_snapshot: false };
        self.delete_rows(options)?;
        self.remove_folders(options)
    }
}

/// Removes a folder and all in it; one that is not there is none of our concern.
pub(super) fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", path)(error))
        }
        _ => Ok(()),
    }
}
