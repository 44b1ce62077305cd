//! What every check looks at: rows of one moment, and what follows from them.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use isopod_image::Digest;
use isopod_monitor_protocol::state;
use isopod_sys::lock::Lock;

use super::Options;
use super::thorough::Verdicts;
use crate::collect::mark_image;
use crate::container::Record;
use crate::state::{ContainerRow, Rows};
use crate::{Error, Result, Runtime};

/// How old something unnamed is that nobody works on any more; as the collector has it.
const GRACE: TimeDelta = TimeDelta::hours(1);

/// A blob as it was when it was read: digest, inode, bytes, and nanoseconds of the last writing and of the last change.
type Seen = (Digest, u64, u64, i64, i64);

/// What was read once and need not be read again, as long as it does not change.
#[derive(Default)]
pub(super) struct Verified {
    /// Blobs that are whole.
    blobs: RefCell<BTreeSet<Seen>>,
    /// Layers that were compared with their blobs; emptied before what a repair did is looked at.
    pub layers: RefCell<Verdicts>,
}

/// See the module.
pub(super) struct Look<'a> {
    pub runtime: &'a Runtime,
    pub options: Options,
    pub rows: Rows,
    /// Each container's record, where it can be read.
    pub containers: Vec<(ContainerRow, Result<Record>)>,
    pub verified: &'a Verified,
    owners: OnceCell<BTreeMap<Digest, BTreeSet<String>>>,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        runtime: &'a Runtime,
        options: Options,
        verified: &'a Verified,
    ) -> Result<Self> {
        let rows = runtime.state().read(Rows::read)?;
        let parsed = rows.containers.iter().map(|row| (row.clone(), Record::parse(row)));
        let containers = parsed.collect();
        Ok(Self { runtime, options, rows, containers, verified, owners: OnceCell::new() })
    }

    /// The names of the images that need a blob.
    pub(super) fn owners(&self, digest: &Digest) -> Vec<&str> {
        let owners = self.owners.get_or_init(|| {
            let mut owners: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
            for image in &self.rows.images {
                let (mut blobs, mut layers) = (BTreeSet::new(), BTreeSet::new());
                // What can't be read leads nowhere; it is a finding of its own.
                mark_image(self.runtime, image, &mut blobs, &mut layers).ok();
                for blob in blobs {
                    owners.entry(blob).or_default().insert(image.name.clone());
                }
            }
            owners
        });
        owners.get(digest).into_iter().flatten().map(String::as_str).collect()
    }

    /// Whether a blob's bytes are what its name says; read once a process as long as it does not change.
    pub(super) fn is_whole(&self, digest: &Digest, metadata: &Metadata) -> Result<bool> {
        let key = (
            digest.clone(),
            metadata.ino(),
            metadata.len(),
            metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec(),
            metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec(),
        );
        if self.verified.blobs.borrow().contains(&key) {
            return Ok(true);
        }
        let is_whole = self.runtime.content().is_whole(digest)?;
        if is_whole {
            self.verified.blobs.borrow_mut().insert(key);
        }
        Ok(is_whole)
    }

    /// Whether a container's monitor lives.
    pub(super) fn lives(&self, namespace: &str, id: &str) -> Result<bool> {
        lives(self.runtime, namespace, id)
    }
}

/// As [`Look::lives`].
pub(super) fn lives(runtime: &Runtime, namespace: &str, id: &str) -> Result<bool> {
    let path = runtime.layout().container_state(namespace, id).join(state::LOCK);
    Lock::is_held(&path).map_err(Error::io("cannot lock", &path))
}

/// How a person knows a container: by namespace where that is not the usual one, and name.
pub(super) fn named(row: &ContainerRow) -> String {
    let name = row.name.as_deref().unwrap_or(&row.id);
    match row.namespace.as_str() {
        "default" => format!("container {name}"),
        other => format!("container {other}/{name}"),
    }
}

/// How a person removes a container.
pub(super) fn removal(row: &ContainerRow) -> String {
    let name = row.name.as_deref().unwrap_or(&row.id);
    match row.namespace.as_str() {
        "default" => format!("isopod rm -f {name}"),
        other => format!("isopod --namespace {other} rm -f {name}"),
    }
}

/// What is in a folder, by name; nothing where it is not there.
pub(super) fn entries(folder: &Path) -> Result<Vec<(PathBuf, OsString, Metadata)>> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::io("cannot list", folder))?,
    };
    let mut found = Vec::new();
    for entry in listed {
        let entry = entry.map_err(Error::io("cannot list", folder))?;
        match entry.metadata() {
            Ok(metadata) => found.push((entry.path(), entry.file_name(), metadata)),
            // Removed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("cannot look at", &entry.path())(error)),
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    Ok(found)
}

/// Whether nobody can be working on it any more.
pub(super) fn is_old(metadata: &Metadata) -> bool {
    metadata.modified().is_ok_and(|at| DateTime::<Utc>::from(at) < Utc::now() - GRACE)
}
