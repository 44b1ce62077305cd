//! What a collection would remove, and why the rest stays; nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use isopod_image::Digest;
use isopod_sys::lock::Lock;
use serde::Serialize;

use super::{GRACE, KEPT, folder, folders, mark_container, mark_image};
use crate::container::Record;
use crate::snapshot::{LayerName, Usage};
use crate::state::{ContainerRow, ImageRow, SnapshotRow, VolumeRow};
use crate::volume::TRASH;
use crate::{Error, Result, Runtime};

/// Something that takes room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// `blob`, `layer`, `partial blob`, `snapshot`, `container`, `volume`, `temporary file`, `damaged`.
    pub kind: &'static str,
    /// A digest, a folder's name or a path.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// Whether a collection removes it.
    pub goes: bool,
    /// Why it goes, or everything that it stays for.
    pub why: Vec<String>,
}

/// Who needs what.
#[derive(Default)]
struct Holders {
    blobs: BTreeMap<Digest, Vec<String>>,
    layers: BTreeMap<LayerName, Vec<String>>,
}

impl Holders {
    fn add(&mut self, who: &str, blobs: BTreeSet<Digest>, layers: BTreeSet<LayerName>) {
        for blob in blobs {
            self.blobs.entry(blob).or_default().push(who.to_owned());
        }
        for layer in layers {
            self.layers.entry(layer).or_default().push(who.to_owned());
        }
    }
}

impl Runtime {
    /// What [`Runtime::collect_garbage`] would remove now, and why the rest stays.
    ///
    /// # Errors
    /// As for that: what is damaged stops it, since what it refers to isn't known.
    pub fn explain_garbage(&self) -> Result<Vec<Item>> {
        let _not_now = self.hold_collection()?;
        let mut holders = Holders::default();
        for image in self.state().read(ImageRow::list)? {
            let (mut blobs, mut layers) = Default::default();
            mark_image(self, &image, &mut blobs, &mut layers)?;
            holders.add(&format!("image {}", image.name), blobs, layers);
        }
        for row in self.state().read(ContainerRow::list_all)? {
            let (mut blobs, mut layers) = Default::default();
            mark_container(self, &row.id, &Record::parse(&row)?, &mut blobs, &mut layers)?;
            let name = row.name.as_deref().unwrap_or(&row.id);
            let who = match row.namespace.as_str() {
                "default" => format!("container {name}"),
                other => format!("container {other}/{name}"),
            };
            holders.add(&who, blobs, layers);
        }
        let leased = self.leased_now()?;
        let is_pulling = !leased.is_empty();
        holders.add("a command that runs", leased, BTreeSet::new());
        let mut items = Vec::new();
        for blob in self.content().list()? {
            let why = holders.blobs.remove(&blob.digest);
            items.push(item("blob", blob.digest.to_string(), blob.size, why));
        }
        self.explain_layers(&mut holders, is_pulling, &mut items)?;
        self.explain_partials(&mut items)?;
        self.explain_orphans(&mut items)?;
        self.explain_temporaries(&mut items)?;
        self.explain_damaged(Utc::now(), &mut items)?;
        Ok(items)
    }

    fn explain_layers(
        &self,
        holders: &mut Holders,
        is_pulling: bool,
        items: &mut Vec<Item>,
    ) -> Result<()> {
        for layer in self.layers().list()? {
            let size = self.layers().describe(&layer).map_or(0, |description| description.size);
            let mut why = holders.layers.remove(&layer);
            let path = self.layout().layers().join(layer.as_str());
            if why.is_none() && is_pulling && !is_old(&path) {
                let reason =
                    "a command that runs may have unpacked it, and it is younger than an hour";
                why = Some(vec![reason.to_owned()]);
            }
            items.push(item("layer", layer.as_str().to_owned(), size, why));
        }
        Ok(())
    }

    fn explain_partials(&self, items: &mut Vec<Item>) -> Result<()> {
        for partial in self.content().partials()? {
            let goes = partial.updated < Utc::now() - GRACE;
            let why = match goes {
                true => "nobody has gone on with it for an hour",
                false => "the next pull goes on with it, for an hour after it last grew",
            };
            items.push(Item {
                kind: "partial blob",
                name: partial.digest.to_string(),
                size: partial.size,
                goes,
                why: vec![why.to_owned()],
            });
        }
        Ok(())
    }

    /// Folders whose rows are gone.
    fn explain_orphans(&self, items: &mut Vec<Item>) -> Result<()> {
        let mut known = BTreeSet::new();
        for row in self.state().read(SnapshotRow::list)? {
            known.insert(self.snapshots().folder(&row));
        }
        for row in self.state().read(ContainerRow::list_all)? {
            known.insert(self.layout().container_data(&row.namespace, &row.id));
        }
        for row in self.state().read(VolumeRow::list)? {
            known.insert(self.layout().volumes().join(&row.name));
        }
        let mut found = Vec::new();
        for (kind, top) in
            [("snapshot", self.layout().snapshots()), ("volume", self.layout().volumes())]
        {
            found.extend(folders(&top)?.into_iter().map(|path| (kind, path)));
        }
        for namespace in folders(&self.layout().root().join("containers"))? {
            found.extend(folders(&namespace)?.into_iter().map(|path| ("container", path)));
        }
        for (kind, path) in found.into_iter().filter(|(_, path)| !known.contains(path)) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let goes =
                kind != "volume" || name.starts_with(TRASH) || self.volumes().is_leaving(&name);
            let why = match goes {
                true => "a removal was killed: it belongs to nothing any more",
                false => {
                    "no volume of this name is known: its row may be lost, and system fsck --repair moves it to damaged/"
                }
            };
            items.push(Item {
                kind,
                name: path.display().to_string(),
                // It may go while it is measured.
                size: Usage::bytes_of_files(&path).unwrap_or(0),
                goes,
                why: vec![why.to_owned()],
            });
        }
        Ok(())
    }

    fn explain_temporaries(&self, items: &mut Vec<Item>) -> Result<()> {
        items.extend(self.dead_temporaries()?.into_iter().map(|temporary| Item {
            kind: "temporary file",
            name: temporary.path.display().to_string(),
            size: temporary.size,
            goes: true,
            why: vec!["whoever wrote it was killed".to_owned()],
        }));
        Ok(())
    }

    fn explain_damaged(&self, now: DateTime<Utc>, items: &mut Vec<Item>) -> Result<()> {
        for aside in self.damaged()? {
            let goes = aside.since < now - KEPT;
            let day = aside.since.format("%Y-%m-%d");
            let why = match goes {
                true => format!("a repair moved it aside on {day}, more than 30 days ago"),
                false => format!(
                    "a repair moved it aside on {day}: it is kept for 30 days, or until system gc --damaged"
                ),
            };
            items.push(Item {
                kind: "damaged",
                name: aside.path.display().to_string(),
                size: aside.size,
                goes,
                why: vec![why],
            });
        }
        Ok(())
    }

    /// The blobs of every lease whose process lives.
    fn leased_now(&self) -> Result<BTreeSet<Digest>> {
        let folder = folder(self);
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(BTreeSet::new());
            }
            other => other.map_err(Error::io("cannot list", &folder))?,
        };
        let mut digests = BTreeSet::new();
        for entry in entries {
            let path = entry.map_err(Error::io("cannot list", &folder))?.path();
            if !Lock::is_held(&path).map_err(Error::io("cannot lock", &path))? {
                continue;
            }
            // It may end meanwhile; one that can't be read is what stops a collection.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let held: Vec<Digest> = serde_json::from_slice(&bytes)
                .map_err(|error| Error::Corrupt { path, detail: error.to_string() })?;
            digests.extend(held);
        }
        Ok(digests)
    }
}

fn item(kind: &'static str, name: String, size: u64, holders: Option<Vec<String>>) -> Item {
    let goes = holders.is_none();
    let why = holders.unwrap_or_else(|| {
        vec!["no image, no container and no command that runs needs it".to_owned()]
    });
    Item { kind, name, size, goes, why }
}

fn is_old(path: &Path) -> bool {
    std::fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .is_ok_and(|modified| DateTime::<Utc>::from(modified) < Utc::now() - GRACE)
}
