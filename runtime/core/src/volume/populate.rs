//! A volume's first use: docker copies what the image has at its destination into one that is empty.

use std::fs;
use std::io;
use std::path::Path;

use isopod_sys::lock::Lock;
use isopod_sys::step::step;

use super::{Source, Volumes, copy};
use crate::container::{Container, VolumeUse};
use crate::snapshot::view;
use crate::state::VolumeRow;
use crate::{Error, Result};

/// Lies beside the content while it is being copied: what is there then is not all of it.
const COPYING: &str = "copying";

impl Volumes<'_> {
    /// Copies the image's content into an empty volume; the image's folder gives mode and owner even if
    /// it is empty. Several containers that use it first at the same time do so one after the other.
    pub(crate) fn populate(&self, volume: &VolumeUse, container: &Container<'_>) -> Result<()> {
        self.make_folder(&volume.name)?;
        if !volume.copy {
            return Ok(());
        }
        let row = self.runtime.state().read(|c| VolumeRow::get(c, &volume.name))?;
        let Some(row) = row else { return Err(super::not_found(&volume.name)) };
        if Source::parse(&row.options)? != Source::Folder {
            // Nothing is mounted here that could be copied into.
            return Ok(());
        }
        let folder = self.folder(&volume.name);
        let data = self.data_folder(&volume.name);
        if !is_empty(&data)? && !folder.join(COPYING).exists() {
            return Ok(());
        }
        let path = folder.join("lock");
        let _alone = Lock::exclusive(&path).map_err(Error::io("cannot lock", &path))?;
        let marker = folder.join(COPYING);
        match (marker.exists(), is_empty(&data)?) {
            (true, _) if self.is_shared(&volume.name)? => {
                // Somebody has it already, and may have written to it: nothing is taken away.
                return fs::remove_file(&marker).map_err(Error::io("cannot remove", &marker));
            }
            (true, _) => empty(&data)?,
            (false, true) => {}
            (false, false) => return Ok(()),
        }
        let root = view::open(&container.rootfs()?)?;
        let Some(source) = copy::Source::open(&root, Path::new(&volume.destination))? else {
            return Ok(());
        };
        // Without content there is nothing that could be there by halves.
        if !source.is_empty()? {
            fs::write(&marker, "").map_err(Error::io("cannot write", &marker))?;
        }
        step("volume.copying");
        source.copy_to(&data)?;
        step("volume.copied");
        match fs::remove_file(&marker) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(Error::io("cannot remove", &marker))?,
        }
        // A marker that came back with a power cut would have everything taken away that was written since.
        fs::File::open(&folder)
            .and_then(|folder| folder.sync_all())
            .map_err(Error::io("cannot sync", &folder))
    }

    fn is_shared(&self, name: &str) -> Result<bool> {
        Ok(self.runtime.state().read(|c| VolumeRow::uses(c, name))?.len() > 1)
    }
}

fn is_empty(path: &Path) -> Result<bool> {
    let mut entries = fs::read_dir(path).map_err(Error::io("cannot list", path))?;
    Ok(entries.next().is_none())
}

/// Removes what a copy left that was killed. Symlinks are removed, never followed.
fn empty(folder: &Path) -> Result<()> {
    let failed = |error| Error::io("cannot empty", folder)(error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        match entry.file_type().map_err(failed)?.is_dir() {
            true => fs::remove_dir_all(entry.path()),
            false => fs::remove_file(entry.path()),
        }
        .map_err(failed)?;
    }
    Ok(())
}
