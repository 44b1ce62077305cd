//! Pushing: everything that a name needs goes to one server, blobs side by side, then the manifests,
//! and the name last, so that nobody who pulls it meanwhile finds something missing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use isopod_image::document::{Document, MAX_MANIFEST};
use isopod_image::{Descriptor, Digest, LayerMediaType, Platform, Reference};
use isopod_registry::{BlobSource, Client, Pushed, Pusher};
use isopod_sys::step::step;

use super::documents::{parse_document, select};
use super::progress::{LayerState, PullEvent, PullProgress};
use super::pull::{network, run_all};
use super::{Image, Images};
use crate::collect::Lease;
use crate::{Error, Result};

/// Indexes inside of indexes are followed this far.
const MAX_DEPTH: usize = 4;

/// What of an image is pushed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PushedPlatforms {
    /// All of it; where an index names platforms that are not here, only this machine's manifest.
    #[default]
    Here,
    /// All of it, or nothing.
    All,
    /// One platform's manifest, without the index.
    One(Platform),
}

/// What to push and how. It holds credentials, so it has no `Debug`.
#[derive(Clone)]
pub struct PushOptions {
    /// Which platforms.
    pub platforms: PushedPlatforms,
    /// Blobs at a time.
    pub max_concurrent: usize,
    /// Registries and credentials.
    pub registry: isopod_registry::Config,
}

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// What the name means at the registry now.
    pub target: Descriptor,
    /// The index that stayed behind, as it names manifests that are not here.
    pub instead_of: Option<Descriptor>,
}

impl Images<'_> {
    /// Sends `image` to the registry of `to`, under its name there.
    ///
    /// # Errors
    /// [`Error::MissingBlob`] before anything is sent; [`Error::Registry`], also where a blob turns out
    /// to be damaged: the name at the registry then stays as it was.
    pub fn push(
        &self,
        image: &Image,
        to: &Reference,
        options: &PushOptions,
        progress: &dyn PullProgress,
    ) -> Result<Push> {
        let target = self.what_to_push(image, &options.platforms)?;
        let mut parts = Parts::default();
        self.gather(&target, &image.name, &mut parts, 0)?;
        for digest in parts.blobs.keys() {
            if self.runtime.content().size(digest)?.is_none() {
                let owner = image.name.clone();
                return Err(Error::MissingBlob { digest: digest.clone(), owner });
            }
        }
        let lease = Lease::take(self.runtime, &parts.digests())?;
        let network = network()?;
        let pusher = Client::new(options.registry.clone()).pusher(to)?;
        let push = Sending {
            images: *self,
            pusher: &pusher,
            network: network.handle(),
            progress,
            neighbours: self.neighbours(to, &parts),
        };
        push.blobs(&parts, options.max_concurrent)?;
        push.manifests(&parts, to)?;
        network.shutdown_background();
        step("push.named");
        lease.release()?;
        self.runtime.record_transfer("push", to);
        let instead_of = (target != image.target && options.platforms == PushedPlatforms::Here)
            .then(|| image.target.clone());
        Ok(Push { target, instead_of })
    }

    /// The image's own document, or one of its manifests.
    fn what_to_push(&self, image: &Image, platforms: &PushedPlatforms) -> Result<Descriptor> {
        let bytes =
            self.runtime.content().document(&image.target.digest, MAX_MANIFEST, &image.name)?;
        let Document::Index(index) = parse_document(&bytes, &image.target)? else {
            if let PushedPlatforms::One(platform) = platforms {
                // Refuses an image for another one.
                let config = self.details(image, platform)?.config.platform();
                if !platform.matches(&config) {
                    return Err(Error::NoPlatform {
                        image: image.name.clone(),
                        platform: platform.to_string(),
                        available: config.to_string(),
                    });
                }
            }
            return Ok(image.target.clone());
        };
        match platforms {
            PushedPlatforms::All => Ok(image.target.clone()),
            PushedPlatforms::One(platform) => select(&index, platform, &image.name).cloned(),
            PushedPlatforms::Here => {
                let mut parts = Parts::default();
                let is_whole = self.gather(&image.target, &image.name, &mut parts, 0).is_ok()
                    && parts.blobs.keys().all(|digest| {
                        self.runtime.content().size(digest).is_ok_and(|size| size.is_some())
                    });
                if is_whole {
                    return Ok(image.target.clone());
                }
                select(&index, &Platform::host(), &image.name).cloned()
            }
        }
    }

    /// Everything below `descriptor`, what is pointed at before what points at it.
    fn gather(
        &self,
        descriptor: &Descriptor,
        owner: &str,
        parts: &mut Parts,
        depth: usize,
    ) -> Result<()> {
        if depth > MAX_DEPTH {
            return Err(Error::Invalid(format!(
                "{owner} has more than {MAX_DEPTH} indexes inside of each other"
            )));
        }
        if parts.manifests.iter().any(|(known, _)| known.digest == descriptor.digest) {
            return Ok(());
        }
        let bytes = self.runtime.content().document(&descriptor.digest, MAX_MANIFEST, owner)?;
        match parse_document(&bytes, descriptor)? {
            Document::Index(index) => {
                for entry in &index.manifests {
                    self.gather(entry, owner, parts, depth + 1)?;
                }
            }
            Document::Manifest(manifest) => {
                parts.blobs.entry(manifest.config.digest.clone()).or_insert(manifest.config);
                // What may not be distributed has URLs of its own.
                let ours = manifest.layers.into_iter().filter(|layer| {
                    LayerMediaType::parse(&layer.media_type).is_none_or(|kind| !kind.foreign)
                });
                for layer in ours {
                    parts.layers.insert(layer.digest.clone());
                    parts.blobs.entry(layer.digest.clone()).or_insert(layer);
                }
            }
        }
        // An entry of an index may say more than belongs to the document itself.
        let plain =
            Descriptor::new(&descriptor.media_type, descriptor.digest.clone(), bytes.len() as u64);
        parts.manifests.push((plain, bytes));
        Ok(())
    }

    /// Other repositories of the registry that have some of the blobs: those whose images are here.
    fn neighbours(&self, to: &Reference, parts: &Parts) -> BTreeMap<Digest, String> {
        let mut found = BTreeMap::new();
        for image in self.list().unwrap_or_default() {
            let Ok(reference) = Reference::parse(&image.name) else { continue };
            if reference.registry() != to.registry() || reference.repository() == to.repository() {
                continue;
            }
            let Ok(details) = self.details(&image, &Platform::host()) else { continue };
            for layer in details.manifest.layers {
                if parts.blobs.contains_key(&layer.digest) {
                    found.entry(layer.digest).or_insert_with(|| reference.repository().to_owned());
                }
            }
        }
        found
    }
}

/// What is to be sent.
#[derive(Default)]
struct Parts {
    blobs: BTreeMap<Digest, Descriptor>,
    /// Those of them that are layers.
    layers: BTreeSet<Digest>,
    /// What is named last is last.
    manifests: Vec<(Descriptor, Vec<u8>)>,
}

impl Parts {
    fn digests(&self) -> Vec<Digest> {
        let manifests = self.manifests.iter().map(|(descriptor, _)| descriptor.digest.clone());
        self.blobs.keys().cloned().chain(manifests).collect()
    }
}

/// A blob's file.
struct Stored(PathBuf);

impl BlobSource for Stored {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(File::open(&self.0)?))
    }
}

struct Sending<'a> {
    images: Images<'a>,
    pusher: &'a Pusher,
    network: &'a tokio::runtime::Handle,
    progress: &'a dyn PullProgress,
    neighbours: BTreeMap<Digest, String>,
}

impl Sending<'_> {
    fn blobs(&self, parts: &Parts, limit: usize) -> Result<()> {
        for layer in &parts.layers {
            self.report(parts, &parts.blobs[layer], LayerState::Preparing);
        }
        let all: Vec<_> = parts.blobs.values().collect();
        run_all(&all, limit, &AtomicBool::new(false), |blob| self.blob(parts, blob)).map(drop)
    }

    fn blob(&self, parts: &Parts, blob: &Descriptor) -> Result<()> {
        let path = self.images.runtime.content().path(&blob.digest);
        let source: Arc<dyn BlobSource> = Arc::new(Stored(path));
        let begun = AtomicBool::new(false);
        let progress = |done: u64| {
            if !begun.swap(true, std::sync::atomic::Ordering::Relaxed) {
                self.report(parts, blob, LayerState::Uploading);
            }
            if parts.layers.contains(&blob.digest) {
                self.progress.event(PullEvent::Bytes { digest: &blob.digest, done });
            }
        };
        let neighbour = self.neighbours.get(&blob.digest).map(String::as_str);
        let pushed =
            self.network.block_on(self.pusher.blob(blob, &source, neighbour, &progress))?;
        step("push.blob");
        let state = match pushed {
            Pushed::Exists => LayerState::ExistsThere,
            Pushed::Mounted => LayerState::Mounted,
            Pushed::Uploaded => LayerState::Uploaded,
        };
        self.report(parts, blob, state);
        Ok(())
    }

    /// Documents are small and quick; a watcher is told of layers.
    fn report(&self, parts: &Parts, blob: &Descriptor, state: LayerState) {
        if parts.layers.contains(&blob.digest) {
            let Descriptor { digest, size, .. } = blob;
            self.progress.event(PullEvent::Layer { digest, size: *size, state });
        }
    }

    fn manifests(&self, parts: &Parts, to: &Reference) -> Result<()> {
        let last = parts.manifests.len().saturating_sub(1);
        for (at, (descriptor, bytes)) in parts.manifests.iter().enumerate() {
            let digest = descriptor.digest.to_string();
            let name = match to.tag() {
                Some(tag) if at == last => tag,
                _ => &digest,
            };
            let bytes = bytes.clone().into();
            step("push.document");
            self.network.block_on(self.pusher.manifest(name, descriptor, &bytes))?;
        }
        Ok(())
    }
}
