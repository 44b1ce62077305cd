//! Writable and read-only snapshots: a row in the database and `<root>/snapshots/<number>/{fs,work}`.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use isopod_image::Platform;
use isopod_monitor_protocol::launch::Rootfs;
use isopod_sys::step::step;

use super::layers::LayerName;
use super::usage::Usage;
use crate::layout::private_folder;
use crate::state::{Durability, SnapshotKind, SnapshotRow};
use crate::{Error, Result, Runtime};

/// A snapshot as `ctr snapshots ls` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its name: a chain id, or what its maker called it.
    pub key: String,
    /// The chain id below it; empty at the bottom.
    pub parent: String,
    /// Committed, active or view.
    pub kind: SnapshotKind,
    /// When it was made, where known.
    pub created: Option<DateTime<Utc>>,
    path: PathBuf,
}

/// The snapshots of one instance.
#[derive(Debug, Clone, Copy)]
pub struct Snapshots<'a> {
    runtime: &'a Runtime,
}

impl<'a> Snapshots<'a> {
    pub(crate) fn new(runtime: &'a Runtime) -> Self {
        Self { runtime }
    }
}

impl Snapshots<'_> {
    /// Makes a writable snapshot called `key` over `layers` (topmost first), whose topmost chain id
    /// is `parent`.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`]; folders can't be made.
    pub(crate) fn prepare(
        &self,
        key: &str,
        layers: &[LayerName],
        parent: &str,
        durability: Durability,
    ) -> Result<SnapshotRow> {
        let names: Vec<_> = layers.iter().map(|name| name.as_str().to_owned()).collect();
        let row = self.runtime.state().write(durability, |transaction| {
            let wrap = self.runtime.state().error();
            if let Some(row) = SnapshotRow::get(transaction, key).map_err(&wrap)? {
                return Err(Error::AlreadyExists {
                    what: "snapshot",
                    name: key.to_owned(),
                    by: format!("one made at {}", row.created.to_rfc3339()),
                });
            }
            SnapshotRow::insert(transaction, key, SnapshotKind::Active, &names, parent)
                .map_err(&wrap)
        })?;
        step("snapshot.row");
        let folder = self.folder(&row);
        // A folder of this number without a row is what a crash left; nothing refers to it.
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("cannot remove", &folder)(error));
            }
            _ => {}
        }
        private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
        for name in ["fs", "work"] {
            let path = folder.join(name);
            fs::create_dir(&path).map_err(Error::io("cannot make", &path))?;
        }
        step("snapshot.folders");
        self.take_over_root(&folder.join("fs"), layers.first())?;
        Ok(row)
    }

    /// Makes what of a snapshot's folders is not there.
    pub(crate) fn make_missing(&self, row: &SnapshotRow, layers: &[LayerName]) -> Result<()> {
        let folder = self.folder(row);
        private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
        for name in ["fs", "work"] {
            let path = folder.join(name);
            match fs::create_dir(&path) {
                Ok(()) if name == "fs" => self.take_over_root(&path, layers.first())?,
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !path.is_dir() => {
                    return Err(Error::io("cannot make", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The upper folder's mode and owner are those of `/` in a container: the topmost layer's.
    fn take_over_root(&self, upper: &Path, top: Option<&LayerName>) -> Result<()> {
        let (mode, owner, group) = match top {
            Some(name) => {
                let path = self.runtime.layers().path(name);
                let metadata = fs::metadata(&path).map_err(Error::io("cannot look at", &path))?;
                (metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
            }
            None => (0o755, 0, 0),
        };
        chown(upper, Some(owner), Some(group))
            .and_then(|()| fs::set_permissions(upper, fs::Permissions::from_mode(mode)))
            .map_err(Error::io("cannot set owner and mode of", upper))
    }

    pub(crate) fn folder(&self, row: &SnapshotRow) -> PathBuf {
        self.runtime.layout().snapshots().join(row.id.to_string())
    }

    /// What a monitor mounts for the snapshot called `key`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(crate) fn rootfs(&self, key: &str) -> Result<Rootfs> {
        let row = self.row(key)?;
        let folder = self.folder(&row);
        let lower =
            row.layers.iter().map(|name| self.runtime.layout().layers().join(name).join("fs"));
        Ok(Rootfs::Overlay {
            lower: lower.collect(),
            upper: Some(folder.join("fs")),
            work: Some(folder.join("work")),
        })
    }

    fn row(&self, key: &str) -> Result<SnapshotRow> {
        self.runtime
            .state()
            .read(|connection| SnapshotRow::get(connection, key))?
            .ok_or_else(|| Error::NotFound { what: "snapshot", name: key.to_owned() })
    }

    /// All: the layers of every image as committed ones, then the others.
    ///
    /// # Errors
    /// The database or the images' documents can't be read.
    pub fn list(&self) -> Result<Vec<Snapshot>> {
        let mut all = Vec::new();
        for (chain_id, parent, layer) in self.chains()? {
            let path = self.runtime.layers().path(&layer);
            let created = fs::metadata(&path).and_then(|m| m.created()).ok().map(DateTime::from);
            all.push(Snapshot {
                key: chain_id,
                parent,
                kind: SnapshotKind::Committed,
                created,
                path,
            });
        }
        for row in self.runtime.state().read(SnapshotRow::list)? {
            let path = self.folder(&row).join("fs");
            all.push(Snapshot {
                key: row.key,
                parent: row.parent,
                kind: row.kind,
                created: Some(row.created),
                path,
            });
        }
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all.dedup_by(|a, b| a.key == b.key);
        Ok(all)
    }

    /// `(chain id, parent chain id or "", layer)` of every unpacked layer of every image here.
    fn chains(&self) -> Result<Vec<(String, String, LayerName)>> {
        let images = self.runtime.images();
        let mut chains = Vec::new();
        for image in images.list()? {
            // An image that is not all here has no chain to show.
            let details = match images.details(&image, &Platform::host()) {
                Err(Error::MissingBlob { .. } | Error::NoPlatform { .. }) => continue,
                other => other?,
            };
            let mut parent = String::new();
            for (diff_id, chain_id) in details.config.rootfs.diff_ids.iter().zip(&details.chain_ids)
            {
                let Some(layer) = self.runtime.layers().find(diff_id, chain_id) else { break };
                chains.push((chain_id.to_string(), parent, layer));
                parent = chain_id.to_string();
            }
        }
        Ok(chains)
    }

    /// The one called `key`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, key: &str) -> Result<Snapshot> {
        let found = self.list()?.into_iter().find(|snapshot| snapshot.key == key);
        found.ok_or_else(|| Error::NotFound { what: "snapshot", name: key.to_owned() })
    }

    /// The disk it takes by itself.
    ///
    /// # Errors
    /// [`Error::NotFound`]; its folder can't be read.
    pub fn usage(&self, key: &str) -> Result<Usage> {
        Usage::of(&self.get(key)?.path)
    }

    /// Bytes of the files in the writable one called `key`.
    ///
    /// # Errors
    /// [`Error::NotFound`]; its folder can't be read.
    pub(crate) fn written_bytes(&self, key: &str) -> Result<u64> {
        Usage::bytes_of_files(&self.folder(&self.row(key)?).join("fs"))
    }

    /// Removes an active or view snapshot.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::InUse`] for a committed one, which its images hold.
    pub fn remove(&self, key: &str) -> Result<()> {
        let Some(row) =
            self.runtime.state().read(|connection| SnapshotRow::get(connection, key))?
        else {
            let snapshot = self.get(key)?;
            return Err(Error::InUse {
                what: "snapshot",
                name: snapshot.key,
                by: "the images that have this layer: remove those".to_owned(),
            });
        };
        let folder = self.folder(&row);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("cannot remove", &folder)(error));
            }
            _ => {}
        }
        self.runtime.state().write(Durability::Process, |transaction| {
            SnapshotRow::delete(transaction, key).map(drop).map_err(self.runtime.state().error())
        })
    }
}
