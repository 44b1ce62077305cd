//! Writing images to an archive: an OCI image layout that carries docker's `manifest.json` too, so
//! that `ctr images import`, `docker load`, `podman load` and skopeo all read it.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use isopod_image::document::{Document, media_types};
use isopod_image::{Descriptor, Digest, Platform, Reference};
use serde_json::json;

use super::documents::{details_of, manifest_for, read_document};
use super::{Image, Images};
use crate::{Error, Result};

/// What to write.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// Only this platform; `None`: all that are in the store.
    pub platform: Option<Platform>,
    /// Leave docker's `manifest.json` out.
    pub skip_manifest_json: bool,
}

impl Images<'_> {
    /// Writes the images called `names` as one tar.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::MissingBlob`], before anything is written; `writer` failed.
    pub fn export(
        &self,
        writer: &mut dyn Write,
        names: &[String],
        options: &ExportOptions,
    ) -> Result<()> {
        let mut export = Export { images: *self, options, blobs: BTreeSet::new() };
        let mut index = Vec::new();
        let mut docker = Vec::new();
        let mut ids = Vec::new();
        for name in names {
            let image = match self.get(name) {
                Err(Error::NotFound { .. }) => self.find(name)?,
                other => other?,
            };
            ids.push(self.shown_id(&image));
            let (descriptor, entries) = export.plan(&image)?;
            index.push(match image.is_nameless() {
                true => descriptor,
                false => named(&descriptor, &image.name),
            });
            docker.extend(entries);
        }
        export.check_all_present()?;
        export.write(writer, &index, &docker)?;
        ids.iter().for_each(|id| self.runtime.record_image("save", id, id));
        Ok(())
    }
}

struct Export<'a> {
    images: Images<'a>,
    options: &'a ExportOptions,
    blobs: BTreeSet<Digest>,
}

impl Export<'_> {
    /// Collects an image's blobs; returns what the index points at and docker's entries.
    fn plan(&mut self, image: &Image) -> Result<(Descriptor, Vec<serde_json::Value>)> {
        let runtime = self.images.runtime;
        let top = match &self.options.platform {
            Some(platform) => manifest_for(runtime, image, platform)?,
            None => image.target.clone(),
        };
        self.blobs.insert(top.digest.clone());
        let manifests = match read_document(runtime, &top, &image.name)? {
            Document::Manifest(_) => vec![top.clone()],
            Document::Index(index) => index.manifests,
        };
        let mut entries = Vec::new();
        for manifest in manifests {
            if manifest.digest != top.digest && runtime.content().size(&manifest.digest)?.is_none()
            {
                continue; // Another platform's, not fetched: an index may be sparse.
            }
            self.blobs.insert(manifest.digest.clone());
            let Document::Manifest(parsed) = read_document(runtime, &manifest, &image.name)? else {
                continue;
            };
            self.blobs.insert(parsed.config.digest.clone());
            self.blobs.extend(parsed.layers.iter().map(|layer| layer.digest.clone()));
            let here = Platform::host();
            if parsed.is_image()
                && (self.options.platform.is_some()
                    || manifest.digest == top.digest
                    || here
                        .matches(&details_of(runtime, &manifest, &image.name)?.config.platform()))
            {
                let familiar =
                    image.name.parse::<Reference>().map_or(image.name.clone(), |r| r.familiar());
                entries.push(json!({
                    "Config": blob_path(&parsed.config.digest),
                    "RepoTags": (!image.is_nameless()).then_some([familiar]),
                    "Layers": parsed.layers.iter().map(|l| blob_path(&l.digest)).collect::<Vec<_>>(),
                }));
            }
        }
        Ok((top, entries))
    }

    fn check_all_present(&self) -> Result<()> {
        for digest in &self.blobs {
            if self.images.runtime.content().size(digest)?.is_none() {
                let owner = "an image to export".to_owned();
                return Err(Error::MissingBlob { digest: digest.clone(), owner });
            }
        }
        Ok(())
    }

    fn write(
        &self,
        writer: &mut dyn Write,
        index: &[Descriptor],
        docker: &[serde_json::Value],
    ) -> Result<()> {
        let index = json!({
            "schemaVersion": 2,
            "mediaType": media_types::OCI_INDEX,
            "manifests": index,
        });
        let mut tar = tar::Builder::new(writer);
        let failed = |source| Error::System { action: "cannot write the archive", source };
        add(&mut tar, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#).map_err(failed)?;
        add(&mut tar, "index.json", index.to_string().as_bytes()).map_err(failed)?;
        if !self.options.skip_manifest_json && !docker.is_empty() {
            let text = serde_json::to_string(docker).expect("a list is JSON");
            add(&mut tar, "manifest.json", text.as_bytes()).map_err(failed)?;
        }
        for digest in &self.blobs {
            let file = self.images.runtime.content().open(digest)?;
            let size = file.metadata().map_err(failed)?.len();
            add_from(&mut tar, &blob_path(digest), size, file).map_err(failed)?;
        }
        tar.into_inner().and_then(Write::flush).map_err(failed)
    }
}

fn named(descriptor: &Descriptor, name: &str) -> Descriptor {
    let mut descriptor = descriptor.clone();
    descriptor.annotations.insert("io.containerd.image.name".to_owned(), name.to_owned());
    if let Some(tag) = name.parse::<Reference>().ok().and_then(|r| r.tag().map(str::to_owned)) {
        descriptor.annotations.insert("org.opencontainers.image.ref.name".to_owned(), tag);
    }
    descriptor
}

fn blob_path(digest: &Digest) -> String {
    format!("blobs/{}/{}", digest.algorithm().as_str(), digest.hex())
}

fn add(tar: &mut tar::Builder<&mut dyn Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    add_from(tar, path, bytes.len() as u64, bytes)
}

fn add_from(
    tar: &mut tar::Builder<&mut dyn Write>,
    path: &str,
    size: u64,
    reader: impl Read,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_entry_type(tar::EntryType::Regular);
    tar.append_data(&mut header, path, reader)
}
