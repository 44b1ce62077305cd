//! Writable and read-only snapshots: a row in the database and `<root>/snapshots/<number>/{fs,work}`.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use isopod_image::Platform;
use isopod_monitor_protocol::launch::Rootfs;
use isopod_sys::step::step;
use rusqlite::Transaction;

use super::layers::LayerName;
use super::usage::Usage;
use crate::layout::private_folder;
use crate::state::{Durability, SnapshotKind, SnapshotRow};
use crate::{Error, Result, Runtime};

/// What a container has changed, and overlayfs' own folder beside it.
const CONTENT: &str = "fs";
const WORK: &str = "work";

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
    /// Adds the row of a writable snapshot called `key` over `layers` (topmost first), whose topmost chain
    /// id is `parent`. Its folders come after it ([`Snapshots::make_folders`]).
    ///
    /// # Errors
    /// [`Error::AlreadyExists`]; the database failed.
    pub(crate) fn insert(
        &self,
        transaction: &Transaction<'_>,
        key: &str,
        layers: &[LayerName],
        parent: &str,
    ) -> Result<SnapshotRow> {
        let names: Vec<_> = layers.iter().map(|name| name.as_str().to_owned()).collect();
        let wrap = self.runtime.state().error();
        if let Some(row) = SnapshotRow::get(transaction, key).map_err(&wrap)? {
            return Err(Error::AlreadyExists {
                what: "snapshot",
                name: key.to_owned(),
                by: format!("one made at {}", row.created.to_rfc3339()),
            });
        }
        let row = SnapshotRow::insert(transaction, key, SnapshotKind::Active, &names, parent);
        let row = row.map_err(&wrap)?;
        // A power cut takes back a row that was not synced, and its number is given again. What is there of
        // that number now is nobody's.
        let folder = self.folder(&row);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("cannot remove", &folder)(error))
            }
            _ => Ok(row),
        }
    }

    /// Makes what is missing of the folders of the snapshot called `key`.
    ///
    /// # Errors
    /// [`Error::NotFound`]; they can't be made.
    pub(crate) fn make_folders(&self, key: &str) -> Result<()> {
        self.complete(&self.row(key)?)
    }

    /// Row and folders of a new one at once.
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
        let state = self.runtime.state();
        let row =
            state.write(durability, |transaction| self.insert(transaction, key, layers, parent))?;
        self.complete(&row)?;
        Ok(row)
    }

    /// Makes what of a snapshot's folders is not there. A power cut takes them away where the row was synced,
    /// which it is when a container was created, and they were not.
    ///
    /// # Errors
    /// They can't be made.
    pub(crate) fn complete(&self, row: &SnapshotRow) -> Result<()> {
        let folder = self.folder(row);
        let (content, work) = (folder.join(CONTENT), folder.join(WORK));
        if content.is_dir() && work.is_dir() {
            return Ok(());
        }
        private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
        make_missing(&content)?;
        self.take_over_root(&content, row.layers.first())?;
        step("snapshot.content");
        // The last: it says that the other one is as it should be.
        make_missing(&work)
    }

    /// The upper folder's mode and owner are those of `/` in a container: the topmost layer's.
    fn take_over_root(&self, upper: &Path, top: Option<&String>) -> Result<()> {
        let (mode, owner, group) = match top {
            Some(name) => {
                let path = self.runtime.layout().layers().join(name).join("fs");
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
        self.complete(&row)?;
        let folder = self.folder(&row);
        let lower =
            row.layers.iter().map(|name| self.runtime.layout().layers().join(name).join("fs"));
        Ok(Rootfs::Overlay {
            lower: lower.collect(),
            upper: Some(folder.join(CONTENT)),
            work: Some(folder.join(WORK)),
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
            let path = self.folder(&row).join(CONTENT);
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
        Usage::bytes_of_files(&self.folder(&self.row(key)?).join(CONTENT))
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

fn make_missing(folder: &Path) -> Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        other => other.map_err(Error::io("cannot make", folder)),
    }
}
