//! A container's record in the database: what it was created from, whole.

use std::path::PathBuf;

use isopod_image::config::ContainerConfig;
use isopod_image::{Descriptor, Digest, Reference};
use serde::{Deserialize, Serialize};

use super::settings::{LogConfig, Settings};
use crate::config::CgroupManager;
use crate::snapshot::LayerName;
use crate::state::ContainerRow;
use crate::{Error, Result};

/// The version of [`Record`].
pub const VERSION: u32 = 1;

/// What a container consists of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// The image, unless it was made from a folder.
    pub image: Option<ImageUse>,
    /// The folder it was made from, if any.
    pub rootfs: Option<PathBuf>,
    /// The image's layers, topmost first.
    pub layers: Vec<LayerName>,
    /// Its writable snapshot.
    pub snapshot: Option<String>,
    /// What was asked for.
    pub settings: Settings,
    /// Its volumes, with the names that anonymous ones got.
    pub volumes: Vec<VolumeUse>,
    /// The images that are mounted in it.
    #[serde(default)]
    pub images: Vec<MountedImage>,
    /// Where output is kept.
    pub log: LogConfig,
    /// Whether it goes when it ends.
    pub auto_remove: bool,
    /// Who makes its cgroup.
    #[serde(default)]
    pub cgroup_manager: CgroupManager,
}

/// The image a container was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageUse {
    /// Its canonical name then.
    pub name: String,
    /// What that name pointed at.
    pub target: Digest,
    /// The manifest for the container's platform.
    pub manifest: Descriptor,
    /// What its config says about containers.
    pub config: ContainerConfig,
    /// The config's digest: docker's image id.
    pub id: Digest,
    /// What was asked for, as it was typed.
    #[serde(default)]
    pub asked: Option<String>,
}

/// A volume in a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeUse {
    /// The volume's name.
    pub name: String,
    /// Where it appears; absolute.
    pub destination: String,
    /// Options of mount(8).
    pub options: Vec<String>,
    /// Whether the image's content is copied in at the first use.
    pub copy: bool,
    /// Whether it was made for this container alone.
    pub anonymous: bool,
    /// A folder inside it; empty: all.
    #[serde(default)]
    pub subpath: String,
}

/// An image whose file system is mounted in a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MountedImage {
    /// Its canonical name when the container was created.
    pub name: String,
    /// What that name pointed at.
    pub target: Digest,
    /// The manifest for the container's platform.
    pub manifest: Descriptor,
    /// Its layers, topmost first; at least one.
    pub layers: Vec<LayerName>,
    /// Where it appears; absolute.
    pub destination: String,
    /// Options of mount(8).
    pub options: Vec<String>,
    /// A file or folder inside it; empty: all.
    pub subpath: String,
}

impl Record {
    /// What the images' names pointed at that it was made from and that are mounted in it.
    pub fn targets(&self) -> impl Iterator<Item = &Digest> {
        let own = self.image.iter().map(|image| &image.target);
        own.chain(self.images.iter().map(|image| &image.target))
    }

    /// The image's variables with the request's over them, `NAME=VALUE` each.
    #[must_use]
    pub fn environment(&self) -> Vec<String> {
        let image = self.image.as_ref();
        let mut all = image.map(|image| image.config.env.clone()).unwrap_or_default();
        for entry in &self.settings.env {
            let name = entry.split('=').next().unwrap_or_default();
            let is_it = |other: &String| other.split('=').next() == Some(name);
            match (all.iter().position(is_it), entry.contains('=')) {
                (Some(index), true) => all[index].clone_from(entry),
                (Some(index), false) => drop(all.remove(index)),
                (None, true) => all.push(entry.clone()),
                (None, false) => {}
            }
        }
        all
    }

    /// The image's name as it was asked for, or as people write its canonical one.
    #[must_use]
    pub fn image_as_asked(&self) -> String {
        let Some(image) = &self.image else { return String::new() };
        if let Some(asked) = &image.asked {
            return asked.clone();
        }
        match Reference::parse(&image.name) {
            // A digest alone would be read as a name.
            Ok(reference) if !image.name.starts_with("sha256:") => reference.familiar(),
            _ => image.name.clone(),
        }
    }

    /// Reads the record of a row.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Version`].
    pub fn parse(row: &ContainerRow) -> Result<Self> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let path = || PathBuf::from(format!("record of container {}/{}", row.namespace, row.id));
        let corrupt =
            |error: serde_json::Error| Error::Corrupt { path: path(), detail: error.to_string() };
        let Versioned { version } = serde_json::from_str(&row.record).map_err(corrupt)?;
        if version > VERSION {
            return Err(Error::Version { path: path(), found: version, known: VERSION });
        }
        serde_json::from_str(&row.record).map_err(corrupt)
    }

    /// What must be known to remove a container whose own record can't be read.
    pub(super) fn unreadable(row: &ContainerRow, volumes: Vec<VolumeUse>) -> Self {
        Self {
            version: VERSION,
            image: None,
            rootfs: None,
            layers: Vec::new(),
            snapshot: Some(format!("{}/{}", row.namespace, row.id)),
            settings: Settings::default(),
            volumes,
            images: Vec::new(),
            log: LogConfig::None,
            auto_remove: false,
            cgroup_manager: CgroupManager::Cgroupfs,
        }
    }

    /// As the database keeps it.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a record is JSON")
    }
}
