//! Fixtures have the shape of image-spec's examples (manifest.md, image-index.md).

use super::*;
use proptest::prelude::*;

fn descriptor(media_type: &str, size: u64) -> serde_json::Value {
    serde_json::json!({
        "mediaType": media_type,
        "digest": Digest::sha256(&size.to_be_bytes()),
        "size": size,
    })
}

fn manifest() -> serde_json::Value {
    serde_json::json!({
        "schemaVersion": 2,
        "mediaType": media_types::OCI_MANIFEST,
        "config": descriptor(media_types::OCI_CONFIG, 7023),
        "layers": [descriptor(media_types::OCI_LAYER_GZIP, 32654), descriptor(media_types::OCI_LAYER_GZIP, 16724)],
        "annotations": {"com.example.key1": "value1"},
    })
}

fn index(platforms: &[Option<&str>]) -> serde_json::Value {
    let entries: Vec<_> = platforms
        .iter()
        .enumerate()
        .map(|(place, platform)| {
            let mut entry = descriptor(media_types::OCI_MANIFEST, place as u64);
            if let Some(platform) = platform {
                let platform: Platform = platform.parse().unwrap();
                entry["platform"] = serde_json::to_value(platform).unwrap();
            }
            entry
        })
        .collect();
    serde_json::json!({"schemaVersion": 2, "mediaType": media_types::OCI_INDEX, "manifests": entries})
}

fn parse(value: &serde_json::Value, header: Option<&str>) -> Result<Document, ParseError> {
    Document::parse(value.to_string().as_bytes(), header)
}

fn with(mut value: serde_json::Value, key: &str, part: serde_json::Value) -> serde_json::Value {
    value[key] = part;
    value
}

#[test]
fn a_manifest_is_read_and_written() {
    let Document::Manifest(read) = parse(&manifest(), Some(media_types::OCI_MANIFEST)).unwrap()
    else {
        panic!("not a manifest")
    };
    assert_eq!(read.layers.len(), 2);
    assert_eq!(read.config.size, 7023);
    assert!(read.is_image());
    assert_eq!(read.annotations["com.example.key1"], "value1");
    let written = serde_json::to_vec(&read).unwrap();
    assert_eq!(Document::parse(&written, None).unwrap(), Document::Manifest(read));
}

#[test]
fn the_header_may_carry_parameters_and_stand_in_for_a_missing_media_type() {
    let mut plain = manifest();
    plain.as_object_mut().unwrap().remove("mediaType");
    assert_eq!(parse(&plain, None).unwrap().media_type(), media_types::OCI_MANIFEST);
    let header = format!("{}; charset=utf-8", media_types::DOCKER_MANIFEST);
    assert_eq!(parse(&plain, Some(&header)).unwrap().media_type(), media_types::DOCKER_MANIFEST);
}

#[test]
fn a_document_that_is_both_an_index_and_a_manifest_is_refused() {
    let entries = index(&[Some("linux/amd64")])["manifests"].clone();
    let both = with(manifest(), "manifests", entries.clone());
    for header in [None, Some(media_types::OCI_MANIFEST), Some(media_types::OCI_INDEX)] {
        assert!(matches!(parse(&both, header), Err(ParseError::Hybrid)), "{header:?}");
    }
    let layers = manifest()["layers"].clone();
    let config = manifest()["config"].clone();
    for (key, part) in [("layers", layers), ("config", config), ("layers", serde_json::Value::Null)]
    {
        let both = with(index(&[None]), key, part);
        assert!(matches!(parse(&both, None), Err(ParseError::Hybrid)), "{key}");
    }
    let with_schema1 = with(manifest(), "fsLayers", serde_json::json!([]));
    assert!(matches!(parse(&with_schema1, None), Err(ParseError::Hybrid)));
}

#[test]
fn a_key_that_some_readers_take_for_another_is_refused() {
    let entries = index(&[None])["manifests"].clone();
    for key in ["Manifests", "MANIFESTS", "mediatype", "SchemaVersion"] {
        let hidden = with(manifest(), key, entries.clone());
        assert!(matches!(parse(&hidden, None), Err(ParseError::AmbiguousKey(_))), "{key}");
    }
    let text = manifest().to_string();
    let twice = format!("{},\"layers\":[]}}", &text[..text.len() - 1]);
    assert!(matches!(
        Document::parse(twice.as_bytes(), None),
        Err(ParseError::AmbiguousKey(key)) if key == "layers"
    ));
    let nested = text.replacen("\"size\":7023", "\"size\":7023,\"size\":1", 1);
    assert_ne!(nested, text);
    assert!(matches!(Document::parse(nested.as_bytes(), None), Err(ParseError::Malformed(_))));
}

#[test]
fn a_document_whose_media_type_differs_from_its_header_is_refused() {
    for header in
        [media_types::DOCKER_MANIFEST, media_types::OCI_INDEX, "application/json", "text/html"]
    {
        assert!(
            matches!(parse(&manifest(), Some(header)), Err(ParseError::MediaTypeMismatch { .. })),
            "{header}"
        );
    }
    let lying = with(manifest(), "mediaType", media_types::OCI_INDEX.into());
    assert!(matches!(parse(&lying, None), Err(ParseError::KindMismatch { .. })));
    let mut plain = manifest();
    plain.as_object_mut().unwrap().remove("mediaType");
    for header in [media_types::OCI_INDEX, media_types::DOCKER_INDEX] {
        assert!(matches!(parse(&plain, Some(header)), Err(ParseError::KindMismatch { .. })));
    }
    assert!(matches!(
        parse(&plain, Some("application/json")),
        Err(ParseError::UnsupportedMediaType(_))
    ));
}

#[test]
fn schema_1_is_refused_by_name() {
    let old = serde_json::json!({"schemaVersion": 1, "name": "x", "fsLayers": [], "history": []});
    assert!(matches!(parse(&old, None), Err(ParseError::Schema1)));
    let claimed = with(manifest(), "schemaVersion", 1.into());
    assert!(matches!(parse(&claimed, None), Err(ParseError::Schema1)));
    let mut plain = manifest();
    plain.as_object_mut().unwrap().remove("mediaType");
    assert!(matches!(
        parse(&plain, Some(media_types::DOCKER_SCHEMA1_SIGNED)),
        Err(ParseError::Schema1)
    ));
    let none = with(manifest(), "schemaVersion", serde_json::Value::Null);
    assert!(matches!(parse(&none, None), Err(ParseError::SchemaVersion)));
}

#[test]
fn what_exceeds_a_cap_is_refused() {
    let padded = with(manifest(), "annotations", serde_json::json!({"x": "y".repeat(4 << 20)}));
    assert!(matches!(parse(&padded, None), Err(ParseError::TooLarge { .. })));
    let layer = descriptor(media_types::OCI_LAYER, 1);
    let many = |count: usize| serde_json::Value::Array(vec![layer.clone(); count]);
    assert!(parse(&with(manifest(), "layers", many(MAX_LAYERS)), None).is_ok());
    assert!(matches!(
        parse(&with(manifest(), "layers", many(MAX_LAYERS + 1)), None),
        Err(ParseError::TooManyLayers(501))
    ));
    let entries = vec![None; MAX_ENTRIES + 1];
    assert!(matches!(parse(&index(&entries), None), Err(ParseError::TooManyEntries(1001))));
    let config = descriptor(media_types::OCI_CONFIG, MAX_CONFIG + 1);
    assert!(matches!(
        parse(&with(manifest(), "config", config), None),
        Err(ParseError::ConfigTooLarge(_))
    ));
}

#[test]
fn what_is_no_document_is_refused() {
    let bad_digest = manifest().to_string().replace("sha256:", "sha256:../");
    let negative = manifest().to_string().replace("7023", "-1");
    for text in ["", "[]", "{}", "null", "{", "{\"schemaVersion\":2}", &bad_digest, &negative] {
        assert!(Document::parse(text.as_bytes(), None).is_err(), "{text}");
    }
    let deep = format!("{{\"config\":{}", "[".repeat(100_000));
    assert!(Document::parse(deep.as_bytes(), None).is_err());
}

#[test]
fn the_best_fitting_entry_is_selected() {
    let select = |platforms: &[Option<&str>], host: &str| {
        let Document::Index(index) = parse(&index(platforms), None).unwrap() else { panic!() };
        index.select(&host.parse().unwrap()).map(|entry| entry.size)
    };
    let common = [
        Some("unknown/unknown"),
        Some("linux/386"),
        Some("linux/arm/v5"),
        Some("linux/arm/v7"),
        Some("linux/amd64"),
        Some("linux/arm64/v8"),
        Some("linux/amd64"),
    ];
    assert_eq!(select(&common, "linux/amd64"), Some(4));
    assert_eq!(select(&common, "linux/arm64"), Some(5));
    assert_eq!(select(&common, "linux/arm/v6"), Some(2));
    assert_eq!(select(&common, "linux/arm/v8"), Some(3));
    assert_eq!(select(&common, "linux/386"), Some(1));
    assert_eq!(select(&common, "linux/s390x"), None);
    assert_eq!(select(&[Some("linux/386")], "linux/amd64"), Some(0));
    assert_eq!(select(&[Some("linux/arm64"), None, None], "linux/amd64"), Some(1));
    assert_eq!(select(&[None, Some("linux/amd64")], "linux/amd64"), Some(1));
    assert_eq!(select(&[], "linux/amd64"), None);
}

#[test]
fn layer_media_types_say_compression_and_origin() {
    use Compression::{Gzip, None, Zstd};
    for (text, compression, foreign) in [
        ("application/vnd.oci.image.layer.v1.tar", None, false),
        ("application/vnd.oci.image.layer.v1.tar+gzip", Gzip, false),
        ("application/vnd.oci.image.layer.v1.tar+zstd", Zstd, false),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar", None, true),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", Gzip, true),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", Zstd, true),
        ("application/vnd.docker.image.rootfs.diff.tar", None, false),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", Gzip, false),
        ("application/vnd.docker.image.rootfs.diff.tar.zstd", Zstd, false),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", Gzip, true),
    ] {
        assert_eq!(
            LayerMediaType::parse(text),
            Some(LayerMediaType { compression, foreign }),
            "{text}"
        );
    }
    for other in [
        "",
        "application/octet-stream",
        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
        media_types::OCI_CONFIG,
    ] {
        assert_eq!(LayerMediaType::parse(other), Option::None, "{other}");
    }
    let odd = Descriptor::of("application/x-odd", b"");
    assert!(LayerMediaType::of(&odd).unwrap_err().to_string().contains("application/x-odd"));
}

#[test]
fn embedded_content_counts_only_if_it_is_what_the_descriptor_describes() {
    let mut descriptor = Descriptor::of(media_types::OCI_CONFIG, b"{}");
    assert_eq!(descriptor.embedded(), None);
    descriptor.data = Some("e30=".to_owned());
    assert_eq!(descriptor.embedded().as_deref(), Some(&b"{}"[..]));
    descriptor.data = Some("e31=".to_owned());
    assert_eq!(descriptor.embedded(), None);
    descriptor.data = Some("not base64".to_owned());
    assert_eq!(descriptor.embedded(), None);
}

proptest! {
    #[test]
    fn no_bytes_make_parsing_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), header in "\\PC{0,30}") {
        let _ = Document::parse(&bytes, Some(&header));
    }

    #[test]
    fn a_flipped_byte_never_yields_a_document_of_another_kind(place in 0usize..600, bit in 0u8..8) {
        let mut bytes = manifest().to_string().into_bytes();
        let place = place % bytes.len();
        bytes[place] ^= 1 << bit;
        if let Ok(document) = Document::parse(&bytes, Some(media_types::OCI_MANIFEST)) {
            prop_assert!(matches!(document, Document::Manifest(_)));
        }
    }
}
