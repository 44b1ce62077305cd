//! Media types of layers.
//!
//! OCI image-spec, media-types.md and layer.md; Docker's manifest-v2-2 and the names that
//! containerd and BuildKit use for zstd beside them.

use super::Descriptor;

/// How a layer's tar stream is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// Not at all.
    None,
}

/// What a layer's media type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LayerMediaType {
    /// How it is compressed.
    pub compression: Compression,
    /// Registries may not have it: it is to be fetched from its descriptor's `urls`.
    pub foreign: bool,
}

/// No layer this program can unpack (an encrypted one, or an artifact of another kind).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {digest} has the unsupported media type {media_type:?}")]
pub struct UnknownLayerMediaType {
    digest: String,
    media_type: String,
}

impl LayerMediaType {
    /// Reads a media type; `None` where it is no layer's.
    #[must_use]
    pub fn parse(media_type: &str) -> Option<Self> {
        const OCI: &str = "application/vnd.oci.image.layer.v1.tar";
        const OCI_FOREIGN: &str = "application/vnd.oci.image.layer.nondistributable.v1.tar";
        const DOCKER: &str = "application/vnd.docker.image.rootfs.diff.tar";
        const DOCKER_FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar";
        [(OCI, false), (OCI_FOREIGN, true), (DOCKER, false), (DOCKER_FOREIGN, true)]
            .into_iter()
            .find_map(|(prefix, foreign)| {
                let compression = match media_type.strip_prefix(prefix)? {
                    "" => Compression::None,
                    "+gzip" | ".gzip" => Compression::Gzip,
                    "+zstd" | ".zstd" => Compression::Zstd,
                    _ => return None,
                };
                Some(Self { compression, foreign })
            })
    }

    /// [`Self::parse`] of a layer's descriptor.
    ///
    /// # Errors
    /// It is no layer's, or one that cannot be unpacked.
    pub fn of(layer: &Descriptor) -> Result<Self, UnknownLayerMediaType> {
        Self::parse(&layer.media_type).ok_or_else(|| UnknownLayerMediaType {
            digest: layer.digest.to_string(),
            media_type: layer.media_type.clone(),
        })
    }
}
