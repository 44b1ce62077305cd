//! Pulling: resolve, fetch the documents, then all layers side by side, each streamed once
//! from the network through its digests to its folder.
//!
//! Layers run on plain threads (their work is inflating, hashing and writing); the network is
//! driven by one worker of tokio's, and a layer's thread waits for its next chunk.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use isopod_image::document::{Document, MAX_CONFIG, MAX_MANIFEST};
use isopod_image::{Descriptor, Digest, Platform, Reference};
use isopod_registry::Client;
use isopod_sys::step::step;

use super::documents::{ImageDetails, parse_config, parse_document, select};
use super::progress::{PullEvent, PullProgress};
use super::transfer::{Fetched, LayerPlan, Transfer};
use super::{Image, Images};
use crate::collect::Lease;
use crate::state::{Durability, ImageRow, Labels};
use crate::{Error, Result};

/// What to pull and how. It holds credentials, so it has no `Debug`.
#[derive(Clone)]
pub struct PullOptions {
    /// The platform whose layers are wanted.
    pub platform: Platform,
    /// Fetch every platform of an index; only `platform` is unpacked.
    pub all_platforms: bool,
    /// Unpack the layers too; otherwise the first container does.
    pub unpack: bool,
    /// Layers at a time.
    pub max_concurrent: usize,
    /// Labels for the image.
    pub labels: Labels,
    /// Keep an image that loses its last name to the pulled one, without a name.
    pub keep_replaced: bool,
    /// Registries and credentials.
    pub registry: isopod_registry::Config,
}

/// Enough to keep two cores and a network busy; more only takes memory.
pub const DEFAULT_CONCURRENCY: usize = 6;

impl Images<'_> {
    /// Pulls `reference` and points its canonical name at what the registry gave.
    ///
    /// What another pull or process has fetched is not fetched again; what ended early is
    /// gone on with. Until everything is there and verified, the name stays as it was.
    ///
    /// # Errors
    /// [`Error::Registry`] and everything that writing to disk can meet.
    pub fn pull(
        &self,
        reference: &Reference,
        options: &PullOptions,
        progress: &dyn PullProgress,
    ) -> Result<Image> {
        let network = network()?;
        let client = Client::new(options.registry.clone());
        let pull = Pull { images: *self, reference, options, progress, client, network };
        let image = pull.run()?;
        // Connections that are still open are of no use to anyone.
        pull.network.shutdown_background();
        Ok(image)
    }
}

/// What drives the network for one command.
pub(super) fn network() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("network")
        .enable_all()
        .build()
        .map_err(|source| Error::System { action: "cannot start a thread", source })
}

struct Pull<'a> {
    images: Images<'a>,
    reference: &'a Reference,
    options: &'a PullOptions,
    progress: &'a dyn PullProgress,
    client: Client,
    network: tokio::runtime::Runtime,
}

/// A manifest of the image with everything that has to be fetched for it.
struct Wanted {
    manifest_bytes: Vec<u8>,
    details: ImageDetails,
    unpack: bool,
}

impl Pull<'_> {
    fn run(&self) -> Result<Image> {
        let name = self.reference.to_string();
        self.progress.event(PullEvent::Resolving { reference: &name });
        let resolved = self.network.block_on(self.client.resolve(self.reference))?;
        self.progress.event(PullEvent::Resolved { digest: &resolved.descriptor.digest });

        let manifests =
            self.manifests(&resolved.descriptor, &resolved.bytes, &resolved.document)?;
        let mut wanted = Vec::new();
        let mut attached = Vec::new();
        for (descriptor, bytes) in manifests {
            if let Some(one) = self.read_manifest(descriptor.clone(), bytes.clone())? {
                wanted.push(one);
            } else {
                attached.extend(Attached::read(descriptor, bytes)?);
            }
        }
        let mut digests = digests(&resolved.descriptor, &wanted);
        digests.extend(attached.iter().flat_map(Attached::digests));
        let lease = Lease::take(self.images.runtime, &digests)?;
        for one in &wanted {
            self.fetch(one)?;
        }
        for one in &attached {
            self.fetch_attached(one)?;
        }
        let image = self.commit(&name, &resolved.descriptor, &resolved.bytes, &wanted)?;
        lease.release()?;
        self.images.runtime.settle_later();
        self.images.runtime.record_transfer("pull", self.reference);
        Ok(image)
    }

    /// The manifests that the options ask for.
    fn manifests(
        &self,
        target: &Descriptor,
        bytes: &[u8],
        document: &Document,
    ) -> Result<Vec<(Descriptor, Vec<u8>)>> {
        let Document::Index(index) = document else {
            return Ok(vec![(target.clone(), bytes.to_vec())]);
        };
        let ours = select(index, &self.options.platform, &self.reference.to_string());
        let chosen: Vec<&Descriptor> = if self.options.all_platforms {
            index.manifests.iter().filter(|entry| entry.is_manifest()).collect()
        } else {
            vec![ours?]
        };
        chosen
            .into_iter()
            .map(|descriptor| {
                if let Some(bytes) = self.stored(descriptor, MAX_MANIFEST) {
                    return Ok((descriptor.clone(), bytes));
                }
                let bytes =
                    self.network.block_on(self.client.manifest(self.reference, descriptor))?;
                Ok((descriptor.clone(), bytes.to_vec()))
            })
            .collect()
    }

    /// A document that is in the store and whole; a damaged one is fetched and replaced.
    fn stored(&self, descriptor: &Descriptor, cap: u64) -> Option<Vec<u8>> {
        let content = self.images.runtime.content();
        let bytes = content.document(&descriptor.digest, cap, "an image").ok()?;
        (bytes.len() as u64 == descriptor.size).then_some(bytes)
    }

    /// A manifest with its config. An artifact beside the images of an index (an attestation)
    /// has no config that we understand, and is none of them.
    fn read_manifest(&self, descriptor: Descriptor, bytes: Vec<u8>) -> Result<Option<Wanted>> {
        let Document::Manifest(manifest) = parse_document(&bytes, &descriptor)? else {
            return Err(Error::Invalid(format!(
                "{} is an index inside an index, which names no platform",
                descriptor.digest
            )));
        };
        // Attestations have a config of an image's type, and layers that are none.
        let is_for_none = descriptor.platform.as_ref().is_some_and(Platform::is_unknown);
        if descriptor.platform.is_some() && (is_for_none || !manifest.is_image()) {
            return Ok(None);
        }
        let config_bytes = match self.stored(&manifest.config, MAX_CONFIG) {
            Some(bytes) => bytes,
            None => {
                let blob = self.client.blob_bytes(self.reference, &manifest.config, MAX_CONFIG);
                self.network.block_on(blob)?.to_vec()
            }
        };
        let config = parse_config(&config_bytes, &manifest)?;
        let chain_ids = isopod_image::chain_ids(&config.rootfs.diff_ids);
        let runs_here = self.options.platform.matches(&config.platform())
            || descriptor.platform.as_ref().is_some_and(|p| self.options.platform.matches(p));
        let details = ImageDetails {
            manifest,
            manifest_descriptor: descriptor,
            config,
            config_bytes,
            chain_ids,
        };
        let unpack = self.options.unpack && (runs_here || !self.options.all_platforms);
        Ok(Some(Wanted { manifest_bytes: bytes, details, unpack }))
    }

    /// All layers of one manifest.
    fn fetch(&self, wanted: &Wanted) -> Result<()> {
        let plans = LayerPlan::of(&wanted.details, wanted.unpack);
        for plan in &plans {
            self.progress.event(PullEvent::Layer {
                digest: &plan.descriptor.digest,
                size: plan.descriptor.size,
                state: super::LayerState::Waiting,
            });
        }
        let stop = AtomicBool::new(false);
        let transfer = Transfer {
            runtime: self.images.runtime,
            client: &self.client,
            network: self.network.handle(),
            reference: self.reference,
            progress: self.progress,
            stop: &stop,
        };
        let fetched =
            run_all(&plans, self.options.max_concurrent, &stop, |plan| transfer.fetch(plan))?;
        let dependent = fetched.contains(&Fetched::NeedsParents);
        if wanted.unpack && dependent {
            super::unpack::over_parents(self.images.runtime, &wanted.details, self.progress)?;
        }
        Ok(())
    }

    /// All of a statement about an image.
    fn fetch_attached(&self, attached: &Attached) -> Result<()> {
        let content = self.images.runtime.content();
        for blob in &attached.blobs {
            if self.stored(blob, MAX_ATTACHED).is_some() {
                continue;
            }
            let bytes = self.client.blob_bytes(self.reference, blob, MAX_ATTACHED);
            content.store(&blob.digest, &self.network.block_on(bytes)?)?;
        }
        content.store(&attached.descriptor.digest, &attached.bytes)
    }

    /// Stores the documents and moves the name.
    fn commit(
        &self,
        name: &str,
        target: &Descriptor,
        bytes: &[u8],
        wanted: &[Wanted],
    ) -> Result<Image> {
        let content = self.images.runtime.content();
        for one in wanted {
            content.store(&one.details.manifest.config.digest, &one.details.config_bytes)?;
            content.store(&one.details.manifest_descriptor.digest, &one.manifest_bytes)?;
        }
        content.store(&target.digest, bytes)?;
        step("image.stored");
        let target = Descriptor::new(&target.media_type, target.digest.clone(), target.size);
        let state = self.images.runtime.state();
        let row = state.write(Durability::Power, |transaction| {
            let put = match self.options.keep_replaced {
                true => ImageRow::put_keeping,
                false => ImageRow::put,
            };
            put(transaction, name, &target, &self.options.labels).map_err(state.error())
        })?;
        step("image.named");
        self.images.write_index()?;
        Ok(row.into())
    }
}

/// What an index carries beside images: statements about them (in-toto), which are kept as they are, so
/// that the index can be pushed whole.
struct Attached {
    descriptor: Descriptor,
    bytes: Vec<u8>,
    blobs: Vec<Descriptor>,
}

/// A statement is a document; what is larger is left where it is.
const MAX_ATTACHED: u64 = 32 << 20;

impl Attached {
    fn read(descriptor: Descriptor, bytes: Vec<u8>) -> Result<Option<Self>> {
        let Document::Manifest(manifest) = parse_document(&bytes, &descriptor)? else {
            return Ok(None);
        };
        let blobs: Vec<_> = std::iter::once(manifest.config).chain(manifest.layers).collect();
        if let Some(large) = blobs.iter().find(|blob| blob.size > MAX_ATTACHED) {
            tracing::info!(digest = %large.digest, size = large.size, "an artifact is left out");
            return Ok(None);
        }
        Ok(Some(Self { descriptor, bytes, blobs }))
    }

    fn digests(&self) -> impl Iterator<Item = Digest> {
        std::iter::once(&self.descriptor).chain(&self.blobs).map(|one| one.digest.clone())
    }
}

/// Every blob that the pull relies on.
fn digests(target: &Descriptor, wanted: &[Wanted]) -> Vec<Digest> {
    let mut all = vec![target.digest.clone()];
    for one in wanted {
        all.push(one.details.manifest_descriptor.digest.clone());
        all.push(one.details.manifest.config.digest.clone());
        all.extend(one.details.manifest.layers.iter().map(|layer| layer.digest.clone()));
    }
    all
}

/// Runs `work` over `items` on at most `limit` threads. The first error stops the others, which look
/// at `stop`, and is the one returned.
pub(super) fn run_all<T: Sync, R: Send>(
    items: &[T],
    limit: usize,
    stop: &AtomicBool,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<R>>> = Mutex::new(items.iter().map(|_| None).collect());
    let first_error: Mutex<Option<Error>> = Mutex::new(None);
    let worker = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return };
            match work(item) {
                Ok(result) => {
                    results.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
                }
                Err(error) => {
                    let mut first = first_error.lock().unwrap_or_else(PoisonError::into_inner);
                    if !stop.swap(true, Ordering::Relaxed) {
                        *first = Some(error);
                    }
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..limit.clamp(1, items.len().max(1)) {
            scope.spawn(worker);
        }
    });
    if let Some(error) = first_error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(results.into_iter().map(|r| r.expect("no error means that all were worked on")).collect())
}
