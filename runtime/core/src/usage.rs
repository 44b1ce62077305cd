//! What images take of the disk, each and together: blobs as they were pulled, and unpacked layers.

use std::collections::{BTreeMap, BTreeSet};

use isopod_image::Digest;

use crate::collect::{mark_container, mark_image};
use crate::container::Record;
use crate::image::{Image, Images};
use crate::snapshot::LayerName;
use crate::state::{ContainerRow, ImageRow};
use crate::{Error, Result, Runtime};

/// All images.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImagesUsage {
    /// Each, under all its names.
    pub images: Vec<ImageUsage>,
    /// Bytes of all blobs and layers, whoever needs them; what several share counts once.
    pub size: u64,
    /// Bytes of those that no container needs.
    pub reclaimable: u64,
}

/// One image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageUsage {
    /// Its names; at least one.
    pub names: Vec<Image>,
    /// Bytes of everything that it needs.
    pub size: u64,
    /// Those of them that another image needs too.
    pub shared: u64,
    /// How many containers were made from it, of all namespaces.
    pub containers: usize,
}

/// Blobs and layers by name.
#[derive(Debug, Clone, Default)]
struct Parts {
    blobs: BTreeSet<Digest>,
    layers: BTreeSet<LayerName>,
}

impl Images<'_> {
    /// Counts them.
    ///
    /// # Errors
    /// A document, a layer's description or a container's record is damaged.
    pub fn usage(&self) -> Result<ImagesUsage> {
        let runtime = self.runtime();
        let mut by_target: BTreeMap<Digest, (Vec<Image>, Parts)> = BTreeMap::new();
        for row in runtime.state().read(ImageRow::list)? {
            let (names, parts) = by_target.entry(row.target.digest.clone()).or_default();
            if names.is_empty() {
                mark_image(runtime, &row, &mut parts.blobs, &mut parts.layers)?;
            }
            names.push(row.into());
        }
        let mut used = Parts::default();
        let mut containers: BTreeMap<Digest, usize> = BTreeMap::new();
        for row in runtime.state().read(ContainerRow::list_all)? {
            let record = Record::parse(&row)?;
            mark_container(runtime, &row.id, &record, &mut used.blobs, &mut used.layers)?;
            for target in record.targets().collect::<BTreeSet<_>>() {
                *containers.entry(target.clone()).or_default() += 1;
            }
        }
        for target in containers.keys() {
            // Its other platforms, too, stay for as long as its name does.
            let Some((_, parts)) = by_target.get(target) else { continue };
            used.blobs.extend(parts.blobs.iter().cloned());
            used.layers.extend(parts.layers.iter().cloned());
        }
        let sizes = Sizes::of(runtime)?;
        let shared = Parts::needed_twice(by_target.values().map(|(_, parts)| parts));
        let images = by_target.iter().map(|(target, (names, parts))| ImageUsage {
            names: names.clone(),
            size: sizes.sum(parts),
            shared: sizes.sum(&parts.common(&shared)),
            containers: containers.get(target).copied().unwrap_or_default(),
        });
        let size = sizes.all();
        Ok(ImagesUsage { images: images.collect(), size, reclaimable: size - sizes.sum(&used) })
    }
}

impl Parts {
    fn needed_twice<'p>(all: impl Iterator<Item = &'p Self>) -> Self {
        let (mut once, mut twice) = (Self::default(), Self::default());
        for parts in all {
            for blob in &parts.blobs {
                if !once.blobs.insert(blob.clone()) {
                    twice.blobs.insert(blob.clone());
                }
            }
            for layer in &parts.layers {
                if !once.layers.insert(layer.clone()) {
                    twice.layers.insert(layer.clone());
                }
            }
        }
        twice
    }

    fn common(&self, other: &Self) -> Self {
        Self {
            blobs: self.blobs.intersection(&other.blobs).cloned().collect(),
            layers: self.layers.intersection(&other.layers).cloned().collect(),
        }
    }
}

/// What is on the disk.
struct Sizes {
    blobs: BTreeMap<Digest, u64>,
    layers: BTreeMap<LayerName, u64>,
}

impl Sizes {
    fn of(runtime: &Runtime) -> Result<Self> {
        let blobs = runtime.content().list()?;
        let mut layers = BTreeMap::new();
        for name in runtime.layers().list()? {
            match runtime.layers().describe(&name) {
                // Collected since it was listed.
                Err(Error::NotFound { .. }) => continue,
                other => layers.insert(name, other?.size),
            };
        }
        Ok(Self { blobs: blobs.into_iter().map(|blob| (blob.digest, blob.size)).collect(), layers })
    }

    fn all(&self) -> u64 {
        self.blobs.values().sum::<u64>() + self.layers.values().sum::<u64>()
    }

    /// Of those that are there: an image need not be whole.
    fn sum(&self, parts: &Parts) -> u64 {
        let blobs = parts.blobs.iter().filter_map(|blob| self.blobs.get(blob));
        let layers = parts.layers.iter().filter_map(|layer| self.layers.get(layer));
        blobs.sum::<u64>() + layers.sum::<u64>()
    }
}
