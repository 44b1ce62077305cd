//! `index.json`: the images by name, written anew from the database whenever it changes, so that
//! `skopeo inspect oci:<root>/content:<name>` and its kin work. Nothing of ours reads it.

use std::collections::BTreeMap;

use isopod_image::document::{Descriptor, media_types};
use isopod_sys::atomic::{self, Durability};
use serde::Serialize;

use super::Content;
use crate::state::ImageRow;
use crate::{Error, Result};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IndexFile {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
}

impl Content {
    /// Writes `index.json` for `images`.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn write_index(&self, images: &[ImageRow]) -> Result<()> {
        let bytes = self.index_of(images);
        let path = self.folder().join("index.json");
        atomic::write(&path, &bytes, 0o600, Durability::Process)
            .map_err(Error::io("cannot write", &path))
    }

    /// What `index.json` holds for `images`.
    pub(crate) fn index_of(&self, images: &[ImageRow]) -> Vec<u8> {
        let manifests = images.iter().map(named).collect();
        let index = IndexFile { schema_version: 2, media_type: media_types::OCI_INDEX, manifests };
        serde_json::to_vec(&index).expect("descriptors are JSON")
    }
}

fn named(image: &ImageRow) -> Descriptor {
    let mut descriptor = image.target.clone();
    let annotations: &mut BTreeMap<String, String> = &mut descriptor.annotations;
    annotations.insert("org.opencontainers.image.ref.name".to_owned(), image.name.clone());
    descriptor
}
