//! Volumes: folders that outlive containers, `<root>/volumes/<name>/_data`.

mod copy;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::container::{Container, VolumeUse};
use crate::layout::private_folder;
use crate::snapshot::view;
use crate::state::{Durability, VolumeRow};
use crate::{Error, Result, Runtime};

/// The volumes of one instance.
#[derive(Debug, Clone, Copy)]
pub struct Volumes<'a> {
    runtime: &'a Runtime,
}

impl<'a> Volumes<'a> {
    pub(crate) fn new(runtime: &'a Runtime) -> Self {
        Self { runtime }
    }

    /// All, by name.
    ///
    /// # Errors
    /// The database failed.
    pub fn list(&self) -> Result<Vec<VolumeRow>> {
        self.runtime.state().read(VolumeRow::list)
    }

    /// The folder that is mounted.
    #[must_use]
    pub fn data_folder(&self, name: &str) -> PathBuf {
        self.folder(name).join("_data")
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.runtime.layout().volumes().join(name)
    }

    /// Makes a volume's folder and, the first time that one with content is wanted, copies in what the
    /// image has at its destination; an image's folder gives mode and owner even if it is empty.
    pub(crate) fn populate(&self, volume: &VolumeUse, container: &Container<'_>) -> Result<()> {
        let folder = self.folder(&volume.name);
        private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
        let data = self.data_folder(&volume.name);
        match fs::create_dir(&data) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Error::io("cannot make", &data)(error));
            }
            Err(_) => {}
            Ok(()) => fs::set_permissions(&data, fs::Permissions::from_mode(0o755))
                .map_err(Error::io("cannot set the mode of", &data))?,
        }
        let row = self.runtime.state().read(|c| VolumeRow::get(c, &volume.name))?;
        let is_populated = row.is_some_and(|row| row.populated);
        if !volume.copy || is_populated || !is_empty(&data)? {
            return Ok(());
        }
        let root = view::open(&container.rootfs()?)?;
        copy::content(&root, Path::new(&volume.destination), &data)?;
        let state = self.runtime.state();
        state.write(Durability::Power, |transaction| {
            VolumeRow::set_populated(transaction, &volume.name).map_err(state.error())
        })
    }

    /// Removes the folder of a volume whose row is gone.
    pub(crate) fn remove_folder_if_gone(&self, name: &str) -> Result<()> {
        if self.runtime.state().read(|c| VolumeRow::get(c, name))?.is_some() {
            return Ok(());
        }
        let folder = self.folder(name);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("cannot remove", &folder)(error))
            }
            _ => Ok(()),
        }
    }
}

fn is_empty(path: &Path) -> Result<bool> {
    let mut entries = fs::read_dir(path).map_err(Error::io("cannot list", path))?;
    Ok(entries.next().is_none())
}
