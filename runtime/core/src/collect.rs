//! Collecting garbage: blobs and layers that no image, container or running pull needs.
//!
//! A [`Lease`] is a locked file under `<root>/leases` that names blobs; it ends with its process.
//! The collector holds `<root>/collect.lock` alone while it marks and sweeps, and whoever is about to
//! rely on something unnamed holds it shared while it says so.

mod damaged;
mod explain;
mod temporaries;

pub use damaged::{Aside, KEPT};
pub use explain::Item;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{TimeDelta, Utc};
use isopod_image::Digest;
use isopod_image::document::Document;
use isopod_sys::atomic::{self, Durability};
use isopod_sys::lock::Lock;
use isopod_sys::step::step;

use crate::container::Record;
use crate::image::{details_of, read_document};
use crate::layout::private_folder;
use crate::snapshot::LayerName;
use crate::state::{ContainerRow, ImageRow, SnapshotRow};
use crate::{Error, Result, Runtime};

/// How young something unnamed may be before it is taken for somebody's work in progress: a layer's
/// folder appears a moment before the name that leads to it.
const GRACE: TimeDelta = TimeDelta::hours(1);

/// What a collection removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs, with their bytes.
    pub blobs: Vec<(Digest, u64)>,
    /// Layers, with their bytes.
    pub layers: Vec<(LayerName, u64)>,
    /// What repairs had moved aside [`KEPT`] ago.
    pub damaged: Vec<Aside>,
}

impl Runtime {
    /// Removes what nothing needs.
    ///
    /// # Errors
    /// Something can't be read, or can't be removed. A damaged document stops the collection before
    /// anything goes, since what it refers to isn't known.
    pub fn collect_garbage(&self) -> Result<Collected> {
        let _alone = self.hold_collection_alone()?;
        let leased = leased(self)?;
        let mut blobs = leased.clone();
        let mut layers = BTreeSet::new();
        mark(self, &mut blobs, &mut layers)?;
        step("gc.marked");
        let now = Utc::now();
        // A pull that waits for its lease until we are done must find what it saw before.
        let removed_blobs = self.content().retain(&blobs, now)?;
        step("gc.blobs");
        self.content().remove_partials(now - GRACE)?;
        self.content().remove_temporaries(now - GRACE)?;
        step("gc.partials");
        // A pull's layers are not in its lease, which names blobs: while one runs, none goes.
        let before = if leased.is_empty() { now } else { now - GRACE };
        let removed_layers = self.layers().retain(&layers, before)?;
        step("gc.layers");
        self.remove_orphans()?;
        for temporary in self.dead_temporaries()? {
            temporary.remove()?;
        }
        let damaged = self.remove_damaged(now - KEPT)?;
        Ok(Collected { blobs: removed_blobs, layers: removed_layers, damaged })
    }

    /// Removes what killed commands left of containers, unless somebody is creating or collecting.
    pub(crate) fn sweep(&self) -> Result<()> {
        let path = self.layout().root().join("collect.lock");
        match Lock::try_exclusive(&path).map_err(Error::io("cannot lock", &path))? {
            Some(_alone) => self.remove_orphans(),
            None => Ok(()),
        }
    }

    /// Keeps everybody away who is about to rely on something unnamed.
    pub(crate) fn hold_collection_alone(&self) -> Result<Lock> {
        let path = self.layout().root().join("collect.lock");
        Lock::exclusive(&path).map_err(Error::io("cannot lock", &path))
    }

    /// Keeps the collector away while something that nothing refers to yet is being referred to.
    pub(crate) fn hold_collection(&self) -> Result<Lock> {
        let path = self.layout().root().join("collect.lock");
        Lock::shared(&path).map_err(Error::io("cannot lock", &path))
    }
}

impl Runtime {
    /// Removes folders that belong to no row of the database: what a create or remove left that was
    /// killed between its transaction and its folders. Rows come before folders and go before them, so
    /// that a folder which was there before the rows were read, and has none, is nobody's.
    ///
    /// The caller holds the collection's lock alone: a create that uses an id again waits for it.
    fn remove_orphans(&self) -> Result<()> {
        let mut found = folders(&self.layout().snapshots())?;
        let mut namespaces = Vec::new();
        for top in [self.layout().root(), self.layout().state()] {
            for namespace in folders(&top.join("containers"))? {
                found.extend(folders(&namespace)?);
                namespaces.push(namespace);
            }
        }
        let mut known = BTreeSet::new();
        for row in self.state().read(SnapshotRow::list)? {
            known.insert(self.snapshots().folder(&row));
        }
        for row in self.state().read(ContainerRow::list_all)? {
            known.insert(self.layout().container_data(&row.namespace, &row.id));
            known.insert(self.layout().container_state(&row.namespace, &row.id));
        }
        for path in found.iter().filter(|path| !known.contains(*path)) {
            match fs::remove_dir_all(path) {
                // Whoever was killed was not: it goes on removing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(Error::io("cannot remove", path))?,
            }
        }
        self.volumes().remove_orphans()?;
        for namespace in namespaces {
            // An empty one goes with its last container; a full one stays.
            fs::remove_dir(&namespace).ok();
        }
        Ok(())
    }
}

/// The folders in a folder; none where it is not there.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::io("cannot list", folder))?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io("cannot list", folder))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

/// Blobs that a running command relies on.
#[derive(Debug)]
pub struct Lease {
    path: PathBuf,
    _lock: Lock,
}

impl Lease {
    /// Takes a lease on `digests`, whether they are there yet or not.
    ///
    /// # Errors
    /// Its file can't be written.
    pub(crate) fn take(runtime: &Runtime, digests: &[Digest]) -> Result<Self> {
        let folder = folder(runtime);
        private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
        let path = folder.join(&crate::id::random()[..16]);
        let _not_now = runtime.hold_collection()?;
        let bytes = serde_json::to_vec(digests).expect("digests are JSON");
        atomic::write(&path, &bytes, 0o600, Durability::Process)
            .map_err(Error::io("cannot write", &path))?;
        step("lease.written");
        let lock = Lock::exclusive(&path).map_err(Error::io("cannot lock", &path))?;
        step("lease.taken");
        Ok(Self { path, _lock: lock })
    }

    /// Ends it: what it held is referred to now, or not wanted. Ending the process does so too.
    ///
    /// # Errors
    /// Its file can't be removed.
    pub(crate) fn release(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(Error::io("cannot remove", &self.path))?;
        step("lease.released");
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Of a command that failed; after a release it is not there any more.
        fs::remove_file(&self.path).ok();
    }
}

fn folder(runtime: &Runtime) -> PathBuf {
    runtime.layout().root().join("leases")
}

/// The blobs of every lease whose process lives; the others' files go.
fn leased(runtime: &Runtime) -> Result<BTreeSet<Digest>> {
    let folder = folder(runtime);
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        other => other.map_err(Error::io("cannot list", &folder))?,
    };
    let mut digests = BTreeSet::new();
    for entry in entries {
        let path = entry.map_err(Error::io("cannot list", &folder))?.path();
        if Lock::try_exclusive(&path).map_err(Error::io("cannot lock", &path))?.is_some() {
            fs::remove_file(&path).map_err(Error::io("cannot remove", &path))?;
            continue;
        }
        match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => {
                let bytes = other.map_err(Error::io("cannot read", &path))?;
                let held: Vec<Digest> = serde_json::from_slice(&bytes)
                    .map_err(|error| Error::Corrupt { path, detail: error.to_string() })?;
                digests.extend(held);
            }
        }
    }
    Ok(digests)
}

/// What images and containers need.
fn mark(
    runtime: &Runtime,
    blobs: &mut BTreeSet<Digest>,
    layers: &mut BTreeSet<LayerName>,
) -> Result<()> {
    for image in runtime.state().read(ImageRow::list)? {
        mark_image(runtime, &image, blobs, layers)?;
    }
    for row in runtime.state().read(ContainerRow::list_all)? {
        mark_container(runtime, &row.id, &Record::parse(&row)?, blobs, layers)?;
    }
    Ok(())
}

/// What an image needs on every platform of which it is there.
pub(crate) fn mark_image(
    runtime: &Runtime,
    image: &ImageRow,
    blobs: &mut BTreeSet<Digest>,
    layers: &mut BTreeSet<LayerName>,
) -> Result<()> {
    blobs.insert(image.target.digest.clone());
    let manifests = match read_document(runtime, &image.target, &image.name) {
        Ok(Document::Manifest(_)) => vec![image.target.clone()],
        Ok(Document::Index(index)) => index.manifests,
        // What is missing can't be collected; what it led to is not known.
        Err(Error::MissingBlob { .. }) => return Ok(()),
        // What can't be understood leads nowhere; it is kept itself.
        Err(Error::Document { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    for manifest in manifests {
        blobs.insert(manifest.digest.clone());
        mark_manifest(runtime, &manifest, &image.name, blobs, layers)?;
    }
    Ok(())
}

/// What a container needs, whatever became of its image's name.
pub(crate) fn mark_container(
    runtime: &Runtime,
    id: &str,
    record: &Record,
    blobs: &mut BTreeSet<Digest>,
    layers: &mut BTreeSet<LayerName>,
) -> Result<()> {
    layers.extend(record.layers.iter().cloned());
    if let Some(image) = &record.image {
        blobs.insert(image.target.clone());
        blobs.insert(image.manifest.digest.clone());
        mark_manifest(runtime, &image.manifest, id, blobs, layers)?;
    }
    for image in &record.images {
        layers.extend(image.layers.iter().cloned());
        blobs.insert(image.target.clone());
        blobs.insert(image.manifest.digest.clone());
        mark_manifest(runtime, &image.manifest, id, blobs, layers)?;
    }
    Ok(())
}

fn mark_manifest(
    runtime: &Runtime,
    manifest: &isopod_image::Descriptor,
    owner: &str,
    blobs: &mut BTreeSet<Digest>,
    layers: &mut BTreeSet<LayerName>,
) -> Result<()> {
    let document = match read_document(runtime, manifest, owner) {
        // Another platform's, not fetched.
        Err(Error::MissingBlob { .. } | Error::Document { .. }) => return Ok(()),
        other => other?,
    };
    let Document::Manifest(parsed) = document else { return Ok(()) };
    blobs.insert(parsed.config.digest.clone());
    blobs.extend(parsed.layers.iter().map(|layer| layer.digest.clone()));
    if !parsed.is_image() {
        return Ok(());
    }
    let details = match details_of(runtime, manifest, owner) {
        Err(Error::MissingBlob { .. } | Error::Config { .. }) => return Ok(()),
        other => other?,
    };
    let ids = details.config.rootfs.diff_ids.iter().zip(&details.chain_ids);
    layers.extend(ids.filter_map(|(diff_id, chain_id)| runtime.layers().find(diff_id, chain_id)));
    Ok(())
}
