//! What an image's documents say: from its name's target over an index to the manifest and config
//! of one platform, all read from the store.

use isopod_image::document::{Document, MAX_CONFIG, MAX_MANIFEST};
use isopod_image::{Descriptor, Digest, ImageConfig, Index, Manifest, Platform, chain_ids};

use super::{Image, Images};
use crate::snapshot::LayerName;
use crate::{Error, Result, Runtime};

/// One platform of an image.
#[derive(Debug, Clone)]
pub struct ImageDetails {
    /// Its manifest.
    pub manifest: Manifest,
    /// Where that lies.
    pub manifest_descriptor: Descriptor,
    /// Its config.
    pub config: ImageConfig,
    /// The config as it was written, for what the parsed form leaves out.
    pub config_bytes: Vec<u8>,
    /// The chain ids of its layers, bottom first.
    pub chain_ids: Vec<Digest>,
}

impl ImageDetails {
    /// What docker calls the image's id: the config's digest.
    #[must_use]
    pub fn id(&self) -> &Digest {
        &self.manifest.config.digest
    }

    /// Bytes of manifest, config and layers as transferred.
    #[must_use]
    pub fn content_size(&self) -> u64 {
        let layers: u64 = self.manifest.layers.iter().map(|layer| layer.size).sum();
        self.manifest_descriptor.size + self.manifest.config.size + layers
    }

    /// The chain id of the topmost layer; empty for an image without layers.
    #[must_use]
    pub fn top_chain_id(&self) -> String {
        self.chain_ids.last().map(ToString::to_string).unwrap_or_default()
    }
}

impl Images<'_> {
    /// What `image` is on `platform`.
    ///
    /// # Errors
    /// [`Error::NoPlatform`]; documents are missing or damaged.
    pub fn details(&self, image: &Image, platform: &Platform) -> Result<ImageDetails> {
        let descriptor = manifest_for(self.runtime, image, platform)?;
        details_of(self.runtime, &descriptor, &image.name)
    }

    /// Bytes of each layer, bottom first: unpacked, or as transferred where it is not unpacked.
    ///
    /// # Errors
    /// What is known of an unpacked layer can't be read.
    pub fn layer_sizes(&self, details: &ImageDetails) -> Result<Vec<u64>> {
        let layers = self.runtime.layers();
        let ids = details.config.rootfs.diff_ids.iter().zip(&details.chain_ids);
        ids.zip(&details.manifest.layers)
            .map(|((diff_id, chain_id), descriptor)| match layers.find(diff_id, chain_id) {
                Some(name) => Ok(layers.describe(&name)?.size),
                None => Ok(descriptor.size),
            })
            .collect()
    }

    /// Bytes of its unpacked layers on `platform`; `None` where they are not all unpacked.
    ///
    /// # Errors
    /// Documents are missing or damaged.
    pub fn unpacked_size(&self, details: &ImageDetails) -> Result<Option<u64>> {
        let layers = self.runtime.layers();
        let mut size = 0;
        for (diff_id, chain_id) in details.config.rootfs.diff_ids.iter().zip(&details.chain_ids) {
            match layers.find(diff_id, chain_id) {
                Some(name) => size += layers.describe(&name)?.size,
                None => return Ok(None),
            }
        }
        Ok(Some(size))
    }
}

/// The folders of its layers, topmost first; `None` where they are not all unpacked.
pub(crate) fn layer_names(runtime: &Runtime, details: &ImageDetails) -> Option<Vec<LayerName>> {
    let pairs = details.config.rootfs.diff_ids.iter().zip(&details.chain_ids);
    pairs.rev().map(|(diff_id, chain_id)| runtime.layers().find(diff_id, chain_id)).collect()
}

/// The manifest of `image` for `platform`.
pub(crate) fn manifest_for(
    runtime: &Runtime,
    image: &Image,
    platform: &Platform,
) -> Result<Descriptor> {
    match read_document(runtime, &image.target, &image.name)? {
        Document::Manifest(_) => Ok(image.target.clone()),
        Document::Index(index) => select(&index, platform, &image.name).cloned(),
    }
}

/// The entry of an index for `platform`.
pub(crate) fn select<'i>(
    index: &'i Index,
    platform: &Platform,
    image: &str,
) -> Result<&'i Descriptor> {
    index.select(platform).ok_or_else(|| {
        let available: Vec<_> = index.platforms().map(ToString::to_string).collect();
        Error::NoPlatform {
            image: image.to_owned(),
            platform: platform.to_string(),
            available: if available.is_empty() { "none".to_owned() } else { available.join(", ") },
        }
    })
}

/// Reads a manifest or index from the store.
pub(crate) fn read_document(
    runtime: &Runtime,
    descriptor: &Descriptor,
    owner: &str,
) -> Result<Document> {
    let bytes = runtime.content().document(&descriptor.digest, MAX_MANIFEST, owner)?;
    parse_document(&bytes, descriptor)
}

/// Parses a manifest or index whose digest was verified.
pub(crate) fn parse_document(bytes: &[u8], descriptor: &Descriptor) -> Result<Document> {
    Document::parse(bytes, Some(&descriptor.media_type)).map_err(|source| Error::Document {
        what: "manifest",
        digest: descriptor.digest.clone(),
        source,
    })
}

/// Reads manifest and config from the store.
pub(crate) fn details_of(
    runtime: &Runtime,
    descriptor: &Descriptor,
    owner: &str,
) -> Result<ImageDetails> {
    let Document::Manifest(manifest) = read_document(runtime, descriptor, owner)? else {
        return Err(Error::Invalid(format!(
            "{owner} points at an index inside an index, which names no platform"
        )));
    };
    let config_bytes = runtime.content().document(&manifest.config.digest, MAX_CONFIG, owner)?;
    let config = parse_config(&config_bytes, &manifest)?;
    let chain_ids = chain_ids(&config.rootfs.diff_ids);
    Ok(ImageDetails {
        manifest,
        manifest_descriptor: descriptor.clone(),
        config,
        config_bytes,
        chain_ids,
    })
}

/// Parses a config and holds it against its manifest.
pub(crate) fn parse_config(bytes: &[u8], manifest: &Manifest) -> Result<ImageConfig> {
    let config = ImageConfig::parse(bytes).and_then(|config| {
        config.check(manifest)?;
        Ok(config)
    });
    config.map_err(|source| Error::Config { digest: manifest.config.digest.clone(), source })
}
