//! Reading images from an archive: an OCI image layout, or what `docker save` writes, plain or
//! compressed. It is read once, front to back, so that it may come from a pipe.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read};

use isopod_image::document::{Document, MAX_MANIFEST, media_types};
use isopod_image::{Algorithm, Descriptor, Digest, Digester, Index, Manifest, Platform, Reference};
use isopod_layer::Compression;
use isopod_sys::step::step;
use serde::Deserialize;

use super::progress::NoProgress;
use super::{Image, Images};
use crate::state::{Durability, ImageRow, Labels};
use crate::{Error, Result};

/// How to name and unpack what an archive holds.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Gives names to those that only have a tag: `<base_name>:<tag>`.
    pub base_name: Option<String>,
    /// A name for the archive's index itself.
    pub index_name: Option<String>,
    /// Take in images that nothing gives a name to, and keep those that lose their last one to these;
    /// otherwise they are left out.
    pub keep_nameless: bool,
    /// Name every manifest `<base_name>@<digest>` too.
    pub digests: bool,
    /// The platform to unpack.
    pub platform: Platform,
    /// Whether to unpack at all.
    pub unpack: bool,
    /// Labels for the images.
    pub labels: Labels,
}

impl Images<'_> {
    /// Reads every image of an archive.
    ///
    /// # Errors
    /// It is no such archive, bytes are not what they are named by, something it refers to is missing,
    /// or an image has no name and the options give none.
    pub fn import(
        &self,
        reader: &mut (dyn Read + Send),
        options: &ImportOptions,
    ) -> Result<Vec<Image>> {
        let collection = self.runtime.hold_collection()?;
        let taken = self.take_in(reader, options);
        drop(collection);
        // What is named by now stays; of the rest nobody else would know that it may go.
        if !matches!(taken, Ok((_, Left::Nothing)))
            && let Err(error) = self.runtime.collect_garbage()
        {
            tracing::warn!(%error, "cannot remove what an archive has and no image needs");
        }
        let images = taken?.0;
        if options.unpack {
            for image in &images {
                let details = match self.details(image, &options.platform) {
                    // An archive may carry images for other machines; they are kept packed.
                    Err(Error::NoPlatform { .. }) => continue,
                    other => other?,
                };
                super::ensure(self.runtime, &details, &NoProgress)?;
            }
        }
        for image in &images {
            let id = self.shown_id(image);
            self.runtime.record_image("load", &id, &id);
        }
        Ok(images)
    }

    /// Stores what the archive has, and names its images. The caller keeps the collector away.
    fn take_in(
        &self,
        reader: &mut (dyn Read + Send),
        options: &ImportOptions,
    ) -> Result<(Vec<Image>, Left)> {
        let archive = Archive::read(self, reader)?;
        let (named, left) = archive.images(self, options)?;
        if named.is_empty() {
            return Err(invalid("it names no image; give a name with --base-name or --index-name"));
        }
        for (name, target) in &named {
            self.look_at(name, target, options)?;
        }
        step("import.stored");
        let state = self.runtime.state();
        let images = state.write(Durability::Power, |transaction| {
            let put = |(name, target): &(String, Descriptor)| {
                let put = if options.keep_nameless { ImageRow::put_keeping } else { ImageRow::put };
                put(transaction, name, target, &options.labels)
                    .map(Image::from)
                    .map_err(state.error())
            };
            named.iter().map(put).collect::<Result<Vec<_>>>()
        })?;
        step("import.named");
        self.write_index()?;
        Ok((images, left))
    }

    /// Refuses documents that nothing could be made of, before anything is named after them.
    fn look_at(&self, name: &str, target: &Descriptor, options: &ImportOptions) -> Result<()> {
        let now = chrono::Utc::now();
        let image = Image {
            name: name.to_owned(),
            target: target.clone(),
            created: now,
            updated: now,
            labels: Labels::new(),
        };
        let details = match self.details(&image, &options.platform) {
            Err(Error::NoPlatform { .. }) => return Ok(()),
            other => other?,
        };
        for blob in std::iter::once(&details.manifest.config).chain(&details.manifest.layers) {
            let Some(size) = self.runtime.content().size(&blob.digest)? else {
                return Err(invalid(format!("{} is not in it", blob.digest)));
            };
            if size != blob.size {
                let said = format!("{} has {size} bytes, not {}", blob.digest, blob.size);
                return Err(invalid(said));
            }
        }
        Ok(())
    }
}

fn invalid(detail: impl std::fmt::Display) -> Error {
    Error::Invalid(format!("the archive can't be imported: {detail}"))
}

fn unreadable(source: io::Error) -> Error {
    Error::System { action: "cannot read the archive", source }
}

/// Whether an archive has files in the content store now that none of its images needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    Something,
}

/// An archive whose files are in the content store, by their paths.
#[derive(Debug, Default)]
struct Archive {
    index: Option<Vec<u8>>,
    docker: Option<Vec<u8>>,
    /// Path in the archive → blob and whether it is gzip.
    files: BTreeMap<String, Stored>,
}

#[derive(Debug, Clone)]
struct Stored {
    digest: Digest,
    size: u64,
    compression: Compression,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Archive {
    fn read(images: &Images<'_>, reader: &mut (dyn Read + Send)) -> Result<Self> {
        let mut buffered = BufReader::new(reader);
        let first = io::BufRead::fill_buf(&mut buffered).map_err(unreadable)?;
        let compression = Compression::detect(first);
        let plain: Box<dyn Read + '_> = compression.decoder(buffered).map_err(unreadable)?;
        let mut tar = tar::Archive::new(plain);
        let mut archive = Self::default();
        let mut links = Vec::new();
        for entry in tar.entries().map_err(unreadable)? {
            let mut entry = entry.map_err(unreadable)?;
            let path = normal(&entry.path_bytes());
            match entry.header().entry_type() {
                tar::EntryType::Regular => archive.add(images, &path, &mut entry)?,
                tar::EntryType::Symlink | tar::EntryType::Link => {
                    let target = entry.link_name_bytes().map(std::borrow::Cow::into_owned);
                    if let Some(target) = target {
                        let hard = entry.header().entry_type() == tar::EntryType::Link;
                        links.push((path, String::from_utf8_lossy(&target).into_owned(), hard));
                    }
                }
                _ => {}
            }
        }
        // Older docker writes a layer that repeats as a link to its first place.
        for (path, target, hard) in links {
            let target = if hard { normal(target.as_bytes()) } else { resolve(&path, &target) };
            if let Some(stored) = archive.files.get(&target).cloned() {
                archive.files.insert(path, stored);
            }
        }
        Ok(archive)
    }

    fn add(&mut self, images: &Images<'_>, path: &str, entry: &mut impl Read) -> Result<()> {
        match path {
            "oci-layout" | "repositories" => {}
            "index.json" => self.index = Some(small(path, entry)?),
            "manifest.json" => self.docker = Some(small(path, entry)?),
            _ => {
                let expected = match path.strip_prefix("blobs/") {
                    Some(rest) => Some(
                        rest.replacen('/', ":", 1)
                            .parse::<Digest>()
                            .map_err(|error| invalid(format!("{path}: {error}")))?,
                    ),
                    None => None,
                };
                let stored = store(images, path, expected.as_ref(), entry)?;
                self.files.insert(path.to_owned(), stored);
            }
        }
        Ok(())
    }

    /// The names to make and what each points at.
    fn images(
        &self,
        images: &Images<'_>,
        options: &ImportOptions,
    ) -> Result<(Vec<(String, Descriptor)>, Left)> {
        match (&self.index, &self.docker) {
            (Some(index), _) => oci_images(images, index, options),
            (None, Some(docker)) => self.docker_images(images, docker, options),
            (None, None) => Err(invalid("it has neither index.json nor manifest.json")),
        }
    }

    fn docker_images(
        &self,
        images: &Images<'_>,
        bytes: &[u8],
        options: &ImportOptions,
    ) -> Result<(Vec<(String, Descriptor)>, Left)> {
        let mut unused: BTreeSet<&Digest> = self.files.values().map(|file| &file.digest).collect();
        let entries: Vec<DockerEntry> = serde_json::from_slice(bytes)
            .map_err(|error| invalid(format!("manifest.json: {error}")))?;
        let mut named = Vec::new();
        for entry in entries {
            let config = self.file(&entry.config)?;
            let layers = entry.layers.iter().map(|layer| self.file(layer));
            let layers = layers.collect::<Result<Vec<_>>>()?;
            let descriptor = images.assemble(config, &layers)?;
            for file in layers.iter().chain([&config]) {
                unused.remove(&file.digest);
            }
            let tags = entry.repo_tags.unwrap_or_default();
            for tag in &tags {
                let reference = Reference::parse(tag).map_err(invalid)?;
                named.push((reference.to_string(), descriptor.clone()));
            }
            match &options.base_name {
                Some(base) if options.digests || tags.is_empty() => {
                    named.push((format!("{base}@{}", descriptor.digest), descriptor));
                }
                None if tags.is_empty() && options.keep_nameless => {
                    named.push((ImageRow::nameless(&descriptor.digest), descriptor));
                }
                _ => {}
            }
        }
        // `VERSION` and `json` of old docker's, a folder for each layer.
        let left = if unused.is_empty() { Left::Nothing } else { Left::Something };
        Ok((named, left))
    }

    fn file(&self, path: &str) -> Result<&Stored> {
        self.files
            .get(&normal(path.as_bytes()))
            .ok_or_else(|| invalid(format!("manifest.json names {path}, which is not in it")))
    }
}

fn oci_images(
    images: &Images<'_>,
    bytes: &[u8],
    options: &ImportOptions,
) -> Result<(Vec<(String, Descriptor)>, Left)> {
    let document = Document::parse(bytes, Some(media_types::OCI_INDEX))
        .map_err(|error| invalid(format!("index.json: {error}")))?;
    let Document::Index(index) = document else {
        return Err(invalid("index.json is no index"));
    };
    let mut named = Vec::new();
    let mut left = Left::Nothing;
    for descriptor in &index.manifests {
        if images.runtime.content().size(&descriptor.digest)?.is_none() {
            return Err(invalid(format!("{} is not in it", descriptor.digest)));
        }
        let plain =
            Descriptor::new(&descriptor.media_type, descriptor.digest.clone(), descriptor.size);
        match name_of(descriptor, options)? {
            Some(name) => named.push((name, plain.clone())),
            None if options.keep_nameless => {
                named.push((ImageRow::nameless(&plain.digest), plain.clone()));
            }
            None => left = Left::Something,
        }
        if let (true, Some(base)) = (options.digests, &options.base_name) {
            named.push((format!("{base}@{}", plain.digest), plain));
        }
    }
    if let Some(name) = &options.index_name {
        named.push((name.clone(), images.store_index(&index)?));
    }
    Ok((named, left))
}

/// containerd's annotation has the whole name; OCI's has a tag, or a whole name too.
fn name_of(descriptor: &Descriptor, options: &ImportOptions) -> Result<Option<String>> {
    if let Some(name) = descriptor.annotations.get("io.containerd.image.name") {
        return Reference::parse(name).map(|r| Some(r.to_string())).map_err(invalid);
    }
    let Some(text) = descriptor.annotations.get("org.opencontainers.image.ref.name") else {
        return Ok(None);
    };
    let is_tag = !text.contains(['/', ':', '@']);
    match (&options.base_name, is_tag) {
        (Some(base), true) => Ok(Some(format!("{base}:{text}"))),
        (None, true) => Ok(None),
        (_, false) => Reference::parse(text).map(|r| Some(r.to_string())).map_err(invalid),
    }
}

impl Images<'_> {
    /// A manifest over the files of a docker archive, which has none.
    fn assemble(&self, config: &Stored, layers: &[&Stored]) -> Result<Descriptor> {
        let layers = layers.iter().map(|layer| {
            let media_type = match layer.compression {
                Compression::None => media_types::OCI_LAYER,
                Compression::Gzip => media_types::OCI_LAYER_GZIP,
                Compression::Zstd => media_types::OCI_LAYER_ZSTD,
            };
            Descriptor::new(media_type, layer.digest.clone(), layer.size)
        });
        let config = Descriptor::new(media_types::OCI_CONFIG, config.digest.clone(), config.size);
        let manifest = Manifest::new(config, layers.collect());
        let bytes = serde_json::to_vec(&manifest).expect("a manifest is JSON");
        let descriptor = Descriptor::of(media_types::OCI_MANIFEST, &bytes);
        self.runtime.content().store(&descriptor.digest, &bytes)?;
        Ok(descriptor)
    }

    fn store_index(&self, index: &Index) -> Result<Descriptor> {
        let bytes = serde_json::to_vec(index).expect("an index is JSON");
        let descriptor = Descriptor::of(media_types::OCI_INDEX, &bytes);
        self.runtime.content().store(&descriptor.digest, &bytes)?;
        Ok(descriptor)
    }
}

/// Brings one file into the content store. Where its name says its digest, its bytes must agree;
/// otherwise they are digested first and named afterwards.
fn store(
    images: &Images<'_>,
    path: &str,
    expected: Option<&Digest>,
    reader: &mut impl Read,
) -> Result<Stored> {
    let content = images.runtime.content();
    let algorithm = expected.map_or(Algorithm::Sha256, Digest::algorithm);
    let mut spool = content.spool()?;
    let mut digester = Digester::new(algorithm);
    let mut buffer = vec![0; 256 << 10];
    let (mut size, mut compression) = (0, None);
    loop {
        let read = reader.read(&mut buffer).map_err(unreadable)?;
        if read == 0 {
            break;
        }
        compression.get_or_insert_with(|| Compression::detect(&buffer[..read]));
        digester.update(&buffer[..read]);
        spool.append(&buffer[..read])?;
        size += read as u64;
    }
    let digest = digester.finish();
    if let Some(expected) = expected.filter(|expected| **expected != digest) {
        return Err(Error::Digest {
            what: "a blob of the archive",
            expected: expected.clone(),
            actual: digest,
        });
    }
    tracing::debug!(path, %digest, size, "stored a file of the archive");
    spool.commit(&digest)?;
    Ok(Stored { digest, size, compression: compression.unwrap_or(Compression::None) })
}

fn small(path: &str, reader: &mut impl Read) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_MANIFEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_MANIFEST {
        return Err(invalid(format!("{path} has more than {MAX_MANIFEST} bytes")));
    }
    Ok(bytes)
}

/// A path of the archive without `./` and `//`; only ever compared, never opened.
fn normal(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    let parts = text.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

/// The path that a symlink at `path` leads to.
fn resolve(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}
