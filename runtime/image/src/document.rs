//! Manifests, indexes and their descriptors, of OCI and of Docker schema 2.
//!
//! Shapes: OCI image-spec, manifest.md, image-index.md and descriptor.md; docker's
//! manifest-v2-2. A document decides once what it is: one that could be read as both kinds,
//! or whose media type contradicts its header, is refused (OCI image-spec advisory
//! GHSA-77vh-xpmg-72qh).

mod media_type;
mod parse;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;
use crate::platform::Platform;

pub use media_type::{Compression, LayerMediaType, UnknownLayerMediaType};
pub use parse::ParseError;

/// Media types of documents and configurations; those of layers are [`LayerMediaType`]'s.
pub mod media_types {
    /// An OCI manifest.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An OCI index.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// An OCI image's configuration.
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// A Docker manifest, schema 2.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// A Docker manifest list.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// A Docker image's configuration.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// A Docker manifest, schema 1, which is refused.
    pub const DOCKER_SCHEMA1: &str = "application/vnd.docker.distribution.manifest.v1+json";
    /// The same, signed.
    pub const DOCKER_SCHEMA1_SIGNED: &str =
        "application/vnd.docker.distribution.manifest.v1+prettyjws";
    /// What a client accepts when it asks for a manifest, best first.
    pub const ACCEPTED: [&str; 4] = [OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST];
    /// An OCI layer, gzip.
    pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// An OCI layer, zstd.
    pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// An OCI layer, uncompressed.
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// A Docker layer, gzip.
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// A Docker layer, uncompressed.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
}

/// The largest manifest or index, in bytes; what distribution-spec asks registries to accept.
pub const MAX_MANIFEST: u64 = 4 << 20;
/// The largest configuration, in bytes.
pub const MAX_CONFIG: u64 = 8 << 20;
/// The most layers of one image: more than overlayfs could ever stack (its limit is 500).
pub const MAX_LAYERS: usize = 500;
/// The most entries of one index.
pub const MAX_ENTRIES: usize = 1000;

/// What a document says about other content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What kind of content it is.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// Where else it may be had; used only for foreign layers, and only where allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub urls: Vec<String>,
    /// Free-form notes.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// In an index: which machines it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The kind of artifact, where it is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The content itself in base64; read it by [`Self::embedded`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

impl Descriptor {
    /// Names content by media type, digest and size.
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
            data: None,
        }
    }

    /// Describes `bytes` by their SHA-256.
    #[must_use]
    pub fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::sha256(bytes), bytes.len() as u64)
    }

    /// Whether `bytes` are the content this describes.
    #[must_use]
    pub fn describes(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.size
            && Digest::compute(self.digest.algorithm(), bytes) == self.digest
    }

    /// The embedded content, if there is some and it is what the descriptor describes.
    #[must_use]
    pub fn embedded(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.data.as_deref()?).ok().filter(|bytes| self.describes(bytes))
    }

    /// Whether it names a manifest.
    #[must_use]
    pub fn is_manifest(&self) -> bool {
        matches!(self.media_type.as_str(), media_types::OCI_MANIFEST | media_types::DOCKER_MANIFEST)
    }

    /// Whether it names an index.
    #[must_use]
    pub fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), media_types::OCI_INDEX | media_types::DOCKER_INDEX)
    }
}

/// One image: its configuration and its layers, lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// Always 2.
    pub schema_version: u8,
    /// The media type it has, by its own word, its header or its content.
    pub media_type: String,
    /// The kind of artifact, where it is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Its configuration.
    pub config: Descriptor,
    /// Its layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// The manifest that this one says something about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free-form notes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// An OCI manifest.
    #[must_use]
    pub fn new(config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: media_types::OCI_MANIFEST.to_owned(),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Whether its configuration is an image's, and not an artifact's of another kind.
    #[must_use]
    pub fn is_image(&self) -> bool {
        matches!(
            self.config.media_type.as_str(),
            media_types::OCI_CONFIG | media_types::DOCKER_CONFIG
        )
    }
}

/// Several manifests, usually one a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always 2.
    pub schema_version: u8,
    /// The media type it has, by its own word, its header or its content.
    pub media_type: String,
    /// The kind of artifact, where it is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Its entries in the document's order.
    pub manifests: Vec<Descriptor>,
    /// The manifest that this one says something about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free-form notes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// An OCI index.
    #[must_use]
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: media_types::OCI_INDEX.to_owned(),
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The entry that fits `platform` best, the first of equals; where none names a fitting
    /// platform, the first that names no platform at all. It may itself be an index.
    #[must_use]
    pub fn select(&self, platform: &Platform) -> Option<&Descriptor> {
        let usable =
            || self.manifests.iter().filter(|entry| entry.is_manifest() || entry.is_index());
        let ranked = usable().filter_map(|entry| {
            let rank = platform.rank(entry.platform.as_ref()?)?;
            Some((rank, entry))
        });
        // `min_by_key` keeps the first of equals.
        ranked
            .min_by_key(|(rank, _)| *rank)
            .map(|(_, entry)| entry)
            .or_else(|| usable().find(|entry| entry.platform.is_none()))
    }

    /// The platforms its entries name, without the placeholders of attestations.
    pub fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.manifests
            .iter()
            .filter_map(|entry| entry.platform.as_ref())
            .filter(|platform| !platform.is_unknown())
    }
}

/// What a registry has under a tag or digest.
#[expect(
    clippy::large_enum_variant,
    reason = "one exists per pull, and a box would be in every match"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// Several.
    Index(Index),
}

impl Document {
    /// Reads a manifest or an index. `content_type` is the header it came with, or the media
    /// type of the descriptor that named it; parameters after `;` are ignored.
    ///
    /// # Errors
    /// The document is too large, malformed, ambiguous, of schema 1, or not what
    /// `content_type` says; see [`ParseError`].
    pub fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Self, ParseError> {
        parse::parse(bytes, content_type)
    }

    /// The media type it has.
    #[must_use]
    pub fn media_type(&self) -> &str {
        match self {
            Self::Manifest(manifest) => &manifest.media_type,
            Self::Index(index) => &index.media_type,
        }
    }
}

/// Go writes an absent list or map as `null`; both mean the same.
fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
