//! Making an image out of what is here: a layer's tar becomes a blob, and a config and a manifest are
//! written over it.

use std::io::{self, Write};

use flate2::write::GzEncoder;
use isopod_image::document::media_types;
use isopod_image::{Algorithm, Descriptor, Digest, Digester, ImageConfig, Manifest, Reference};

use super::documents::ImageDetails;
use super::{Image, Images};
use crate::content::ingest::Spool;
use crate::state::{Durability, ImageRow, Labels};
use crate::{Error, Result};

/// The digest of a tar without entries: two empty records (POSIX.1-1988).
const EMPTY_TAR: [u8; 1024] = [0; 1024];

impl Image {
    /// Whether it was made without a name, or lost it; its `name` then only tells it from others.
    #[must_use]
    pub fn is_nameless(&self) -> bool {
        ImageRow::is_nameless(&self.name)
    }
}

/// A layer whose blob is in the store.
pub(super) struct NewLayer {
    pub diff_id: Digest,
    digest: Digest,
    size: u64,
}

impl NewLayer {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.diff_id == Digest::sha256(&EMPTY_TAR)
    }
}

/// Takes the bytes of a tar, compresses them and learns both digests.
pub(super) struct LayerWriter {
    encoder: GzEncoder<Blob>,
    diff: Digester,
}

/// Compressed bytes on their way to a file.
struct Blob {
    spool: Spool,
    digester: Digester,
    size: u64,
    /// Why they can't be written, which `io::Error` can't carry whole.
    failure: Option<Error>,
}

impl LayerWriter {
    /// # Errors
    /// The store can't be written.
    pub fn new(images: &Images<'_>) -> Result<Self> {
        let digester = || Digester::new(Algorithm::Sha256);
        let spool = images.runtime.content().spool()?;
        let blob = Blob { spool, digester: digester(), size: 0, failure: None };
        // Without a name and a time, the same tar gives the same blob.
        let encoder = GzEncoder::new(blob, flate2::Compression::default());
        Ok(Self { encoder, diff: digester() })
    }

    /// Puts the blob in its place. The caller keeps the collector away.
    ///
    /// # Errors
    /// The store can't be written.
    pub fn finish(self) -> Result<NewLayer> {
        let failed = |source| Error::System { action: "cannot compress the layer", source };
        let Blob { spool, digester, size, failure } = self.encoder.finish().map_err(failed)?;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let digest = digester.finish();
        spool.commit(&digest)?;
        Ok(NewLayer { diff_id: self.diff.finish(), digest, size })
    }

    /// The reason behind an error of writing, where it was the store's.
    pub fn into_failure(mut self) -> Option<Error> {
        self.encoder.get_mut().failure.take()
    }
}

impl Write for LayerWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.encoder.write_all(bytes)?;
        self.diff.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.encoder.flush()
    }
}

impl Write for Blob {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.spool.append(bytes) {
            let text = error.to_string();
            self.failure = Some(error);
            return Err(io::Error::other(text));
        }
        self.digester.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Images<'_> {
    /// Writes config and manifest: the layers of `base`, and `layer` over them. The caller keeps the
    /// collector away until the result has a name.
    pub(super) fn compose(
        &self,
        base: Option<&ImageDetails>,
        layer: Option<&NewLayer>,
        mut config: ImageConfig,
    ) -> Result<Descriptor> {
        // A manifest and all that it names are of one family.
        let is_dockers = base.is_some_and(|base| {
            base.manifest_descriptor.media_type == media_types::DOCKER_MANIFEST
        });
        let (manifest_type, config_type, layer_type) = match is_dockers {
            true => (
                media_types::DOCKER_MANIFEST,
                media_types::DOCKER_CONFIG,
                media_types::DOCKER_LAYER_GZIP,
            ),
            false => {
                (media_types::OCI_MANIFEST, media_types::OCI_CONFIG, media_types::OCI_LAYER_GZIP)
            }
        };
        let mut layers = base.map(|base| base.manifest.layers.clone()).unwrap_or_default();
        if let Some(NewLayer { diff_id, digest, size }) = layer {
            config.rootfs.diff_ids.push(diff_id.clone());
            layers.push(Descriptor::new(layer_type, digest.clone(), *size));
        }
        let config = serde_json::to_vec(&config).expect("a config is JSON");
        let config_descriptor = Descriptor::of(config_type, &config);
        self.runtime.content().store(&config_descriptor.digest, &config)?;
        let manifest = Manifest {
            media_type: manifest_type.to_owned(),
            ..Manifest::new(config_descriptor, layers)
        };
        let manifest = serde_json::to_vec(&manifest).expect("a manifest is JSON");
        let descriptor = Descriptor::of(manifest_type, &manifest);
        self.runtime.content().store(&descriptor.digest, &manifest)?;
        Ok(descriptor)
    }

    /// Names what was composed, or keeps it without a name.
    pub(super) fn name(&self, target: &Descriptor, name: Option<&Reference>) -> Result<Image> {
        let name = match name {
            Some(name) => name.to_string(),
            None => ImageRow::nameless(&target.digest),
        };
        let state = self.runtime.state();
        let row = state.write(Durability::Power, |transaction| {
            ImageRow::put_keeping(transaction, &name, target, &Labels::new()).map_err(state.error())
        })?;
        self.write_index()?;
        Ok(row.into())
    }
}
