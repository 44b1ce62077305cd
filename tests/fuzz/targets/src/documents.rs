//! Manifests and indexes: what is accepted is one thing, within its bounds, and says the same when written again.

use isopod_image::document::{MAX_ENTRIES, MAX_LAYERS};
use isopod_image::{Descriptor, Digest, Document, LayerMediaType, Platform};

/// A document as a registry or an archive has it; before a line `--` the header that it came with.
pub fn document(data: &[u8]) {
    let (header, body) = match data.windows(4).position(|window| window == b"\n--\n") {
        Some(at) => (std::str::from_utf8(&data[..at]).ok(), &data[at + 4..]),
        None => (None, data),
    };
    let Ok(document) = Document::parse(body, header) else { return };
    if let Some(header) = header {
        let bare = header.split(';').next().unwrap().trim();
        let kinds = ["application/json", "text/plain", "application/octet-stream"];
        let is_of_kind = document.media_type().eq_ignore_ascii_case(bare);
        let says_nothing = bare.is_empty() || kinds.iter().any(|k| k.eq_ignore_ascii_case(bare));
        assert!(is_of_kind || says_nothing, "{header:?} became {:?}", document.media_type());
    }
    let written = match &document {
        Document::Manifest(manifest) => {
            assert!(manifest.layers.len() <= MAX_LAYERS);
            manifest.layers.iter().for_each(|layer| drop(LayerMediaType::of(layer)));
            manifest.layers.iter().chain([&manifest.config]).for_each(descriptor);
            serde_json::to_vec(manifest)
        }
        Document::Index(index) => {
            assert!(index.manifests.len() <= MAX_ENTRIES);
            index.manifests.iter().for_each(descriptor);
            if let Some(chosen) = index.select(&Platform::new("linux", "amd64")) {
                assert!(index.manifests.contains(chosen));
            }
            serde_json::to_vec(index)
        }
    };
    let again = Document::parse(&written.unwrap(), Some(document.media_type()));
    assert_eq!(again.as_ref().ok(), Some(&document), "written again it is another: {again:?}");
}

fn descriptor(descriptor: &Descriptor) {
    let text = descriptor.digest.to_string();
    assert_eq!(text.parse::<Digest>().as_ref(), Ok(&descriptor.digest));
    let (algorithm, hex) = text.split_once(':').unwrap();
    assert!(matches!((algorithm, hex.len()), ("sha256", 64) | ("sha384", 96) | ("sha512", 128)));
    assert!(hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
    if let Some(embedded) = descriptor.embedded() {
        assert_eq!(embedded.len() as u64, descriptor.size);
        assert_eq!(Digest::compute(descriptor.digest.algorithm(), &embedded), descriptor.digest);
    }
}
