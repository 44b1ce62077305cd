//! The one door through which bytes become a [`Document`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{
    Descriptor, Document, Index, MAX_CONFIG, MAX_ENTRIES, MAX_LAYERS, MAX_MANIFEST, Manifest,
    media_types,
};

/// Why bytes are no manifest or index to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Larger than [`MAX_MANIFEST`].
    #[error("document of {size} bytes is larger than the {MAX_MANIFEST} allowed")]
    TooLarge {
        /// Its length in bytes.
        size: u64,
    },
    /// No JSON object of the expected shape; equal keys are refused here too.
    #[error("document is malformed")]
    Malformed(#[source] serde_json::Error),
    /// Two keys that readers could take for the same one.
    #[error("document has the ambiguous key {0:?}")]
    AmbiguousKey(String),
    /// It has parts of a manifest and parts of an index.
    #[error("document is both an index and a manifest")]
    Hybrid,
    /// It has the parts of neither.
    #[error("document is neither an index nor a manifest")]
    Neither,
    /// Schema 1, which has no verifiable configuration.
    #[error("document is a manifest of the obsolete schema 1")]
    Schema1,
    /// `schemaVersion` is not 2.
    #[error("document has no schemaVersion 2")]
    SchemaVersion,
    /// Its `mediaType` is not what its header or descriptor says.
    #[error("document says it is {document:?} but came as {header:?}")]
    MediaTypeMismatch {
        /// The document's own word.
        document: String,
        /// The header's or descriptor's.
        header: String,
    },
    /// The media type is that of an index and the content a manifest, or the other way round.
    #[error("document came as {media_type:?} but its content is of another kind")]
    KindMismatch {
        /// The document's or header's word.
        media_type: String,
    },
    /// The media type is of no document this program knows.
    #[error("document has the unsupported media type {0:?}")]
    UnsupportedMediaType(String),
    /// More layers than [`MAX_LAYERS`].
    #[error("manifest has {0} layers, more than the {MAX_LAYERS} allowed")]
    TooManyLayers(usize),
    /// More entries than [`MAX_ENTRIES`].
    #[error("index has {0} entries, more than the {MAX_ENTRIES} allowed")]
    TooManyEntries(usize),
    /// The configuration is larger than [`MAX_CONFIG`].
    #[error("manifest names a configuration of {0} bytes, more than the {MAX_CONFIG} allowed")]
    ConfigTooLarge(u64),
}

/// Every key that tells one kind of document from the other, or that is read at all.
const KEYS: [&str; 12] = [
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "fsLayers",
    "history",
    "signatures",
    "name",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Manifest,
    Index,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

pub(super) fn parse(bytes: &[u8], content_type: Option<&str>) -> Result<Document, ParseError> {
    let size = bytes.len() as u64;
    if size > MAX_MANIFEST {
        return Err(ParseError::TooLarge { size });
    }
    let keys: Keys = serde_json::from_slice(bytes).map_err(ParseError::Malformed)?;
    keys.check_unambiguous()?;
    let kind = keys.kind()?;
    let wire: Wire = serde_json::from_slice(bytes).map_err(ParseError::Malformed)?;
    let media_type = effective_media_type(kind, wire.media_type.as_deref(), content_type)?;
    match wire.schema_version {
        Some(2) => {}
        Some(1) => return Err(ParseError::Schema1),
        _ => return Err(ParseError::SchemaVersion),
    }
    match kind {
        Kind::Manifest => manifest(wire, media_type).map(Document::Manifest),
        Kind::Index => index(wire, media_type).map(Document::Index),
    }
}

fn manifest(wire: Wire, media_type: String) -> Result<Manifest, ParseError> {
    let config = wire.config.ok_or(ParseError::Neither)?;
    let layers = wire.layers.unwrap_or_default();
    if layers.len() > MAX_LAYERS {
        return Err(ParseError::TooManyLayers(layers.len()));
    }
    if config.size > MAX_CONFIG {
        return Err(ParseError::ConfigTooLarge(config.size));
    }
    Ok(Manifest {
        schema_version: 2,
        media_type,
        artifact_type: wire.artifact_type,
        config,
        layers,
        subject: wire.subject,
        annotations: wire.annotations.unwrap_or_default(),
    })
}

fn index(wire: Wire, media_type: String) -> Result<Index, ParseError> {
    let manifests = wire.manifests.unwrap_or_default();
    if manifests.len() > MAX_ENTRIES {
        return Err(ParseError::TooManyEntries(manifests.len()));
    }
    Ok(Index {
        schema_version: 2,
        media_type,
        artifact_type: wire.artifact_type,
        manifests,
        subject: wire.subject,
        annotations: wire.annotations.unwrap_or_default(),
    })
}

/// The one media type that the document, its header and its content agree on.
fn effective_media_type(
    kind: Kind,
    document: Option<&str>,
    header: Option<&str>,
) -> Result<String, ParseError> {
    let document = document.filter(|text| !text.is_empty());
    let header = header.map(essence).filter(|text| !text.is_empty());
    if let (Some(document), Some(header)) = (document, &header)
        && document != header
    {
        return Err(ParseError::MediaTypeMismatch {
            document: document.to_owned(),
            header: header.clone(),
        });
    }
    let Some(media_type) = document.map(str::to_owned).or(header) else {
        return Ok(match kind {
            Kind::Manifest => media_types::OCI_MANIFEST.to_owned(),
            Kind::Index => media_types::OCI_INDEX.to_owned(),
        });
    };
    let said = match media_type.as_str() {
        media_types::OCI_MANIFEST | media_types::DOCKER_MANIFEST => Kind::Manifest,
        media_types::OCI_INDEX | media_types::DOCKER_INDEX => Kind::Index,
        media_types::DOCKER_SCHEMA1 | media_types::DOCKER_SCHEMA1_SIGNED => {
            return Err(ParseError::Schema1);
        }
        _ => return Err(ParseError::UnsupportedMediaType(media_type)),
    };
    if said != kind {
        return Err(ParseError::KindMismatch { media_type });
    }
    Ok(media_type)
}

/// A media type without its parameters, in lower case (RFC 9110, 8.3.1).
fn essence(header: &str) -> String {
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The top-level keys of a document, in order, with repetitions.
struct Keys(Vec<String>);

impl Keys {
    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|other| other == key)
    }

    /// Some readers (Go's among them) match keys without regard to case, and readers differ
    /// on which of two equal keys counts. What one of them could read otherwise is refused.
    fn check_unambiguous(&self) -> Result<(), ParseError> {
        for (place, key) in self.0.iter().enumerate() {
            let known = KEYS.iter().find(|known| known.eq_ignore_ascii_case(key));
            let repeated = self.0[..place].contains(key);
            if repeated || known.is_some_and(|known| known != key) {
                return Err(ParseError::AmbiguousKey(key.clone()));
            }
        }
        Ok(())
    }

    /// What the document's parts make it, whatever it calls itself.
    fn kind(&self) -> Result<Kind, ParseError> {
        let schema1 = self.has("fsLayers") || self.has("signatures");
        let manifest = self.has("config") || self.has("layers");
        match (manifest, self.has("manifests"), schema1) {
            (true, false, false) => Ok(Kind::Manifest),
            (false, true, false) => Ok(Kind::Index),
            (false, false, true) => Err(ParseError::Schema1),
            (false, false, false) => Err(ParseError::Neither),
            _ => Err(ParseError::Hybrid),
        }
    }
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor;
        impl<'de> Visitor<'de> for KeysVisitor {
            type Value = Keys;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                    // Quadratic checks follow; a real document has a handful.
                    if keys.len() == 256 {
                        return Err(serde::de::Error::custom("more than 256 keys"));
                    }
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(KeysVisitor)
    }
}
