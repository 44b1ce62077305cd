//! From blobs to folders: a layer by itself where it stands alone, over the layers below it
//! where it does not.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use isopod_image::{Descriptor, Digest, Platform};
use isopod_layer::{Algorithms, LayerError, Limits, Target, Unpacked};
use isopod_sys::mount::{self, OverlayOptions};
use rustix::fs::{CWD, Mode, OFlags, openat};

use super::documents::ImageDetails;
use super::progress::{LayerState, PullEvent, PullProgress};
use super::pull::run_all;
use super::transfer::{Fetched, LayerPlan, layer_kind};
use super::{Image, Images};
use crate::collect::Lease;
use crate::content::ingest::Ingest;
use crate::snapshot::LayerName;
use crate::snapshot::layers::Staging;
use crate::{Error, Result, Runtime};

impl Images<'_> {
    /// Unpacks what of `image` is not unpacked yet.
    ///
    /// # Errors
    /// Blobs are missing or damaged; the disk is full.
    pub fn unpack(
        &self,
        image: &Image,
        platform: &Platform,
        progress: &dyn PullProgress,
    ) -> Result<()> {
        let details = self.details(image, platform)?;
        ensure(self.runtime, &details, progress).map(drop)
    }
}

/// The folders of an image's layers, topmost first, unpacking what is missing.
pub(crate) fn ensure(
    runtime: &Runtime,
    details: &ImageDetails,
    progress: &dyn PullProgress,
) -> Result<Vec<LayerName>> {
    if let Some(names) = super::documents::layer_names(runtime, details) {
        return Ok(names);
    }
    let blobs: Vec<_> = details.manifest.layers.iter().map(|l| l.digest.clone()).collect();
    let lease = Lease::take(runtime, &blobs)?;
    let missing: Vec<_> = LayerPlan::of(details, true)
        .into_iter()
        .filter(|plan| runtime.layers().find(&plan.diff_id, &plan.chain_id).is_none())
        .collect();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let fetched =
        run_all(&missing, super::pull::DEFAULT_CONCURRENCY, &stop, |plan| alone(runtime, plan))?;
    if fetched.contains(&Fetched::NeedsParents) {
        over_parents(runtime, details, progress)?;
    }
    lease.release()?;
    super::documents::layer_names(runtime, details)
        .ok_or_else(|| Error::NotFound { what: "layer of image", name: details.id().to_string() })
}

/// Unpacks one layer by itself, from its blob.
pub(super) fn alone(runtime: &Runtime, plan: &LayerPlan) -> Result<Fetched> {
    let staging = runtime.layers().stage()?;
    let folder = open_folder(&staging.content())?;
    let target =
        Target::Standalone { folder: folder.as_fd(), whiteouts: runtime.layers().encoding() };
    let unpacked = from_blob(runtime, &plan.descriptor, plan.algorithms(), target)?;
    commit_alone(runtime, plan, staging, &unpacked)
}

/// Puts a layer that was unpacked by itself in its place, if it turned out to stand alone.
pub(super) fn commit_alone(
    runtime: &Runtime,
    plan: &LayerPlan,
    staging: Staging,
    unpacked: &Unpacked,
) -> Result<Fetched> {
    check_diff_id(plan, unpacked)?;
    if let Err(reason) = &unpacked.self_contained {
        tracing::debug!(layer = %plan.descriptor.digest, %reason, "the layer needs those below it");
        return Ok(Fetched::NeedsParents);
    }
    runtime.layers().commit(staging, &plan.descriptor.digest, unpacked, None)?;
    Ok(Fetched::Ready)
}

/// Unpacks, bottom up, the layers that have no folder yet over those below them.
pub(super) fn over_parents(
    runtime: &Runtime,
    details: &ImageDetails,
    progress: &dyn PullProgress,
) -> Result<()> {
    let layers = runtime.layers();
    let mut below: Vec<LayerName> = Vec::new();
    let ids = details.config.rootfs.diff_ids.iter().zip(&details.chain_ids);
    for (descriptor, (diff_id, chain_id)) in details.manifest.layers.iter().zip(ids) {
        let name = match layers.find(diff_id, chain_id) {
            Some(name) => name,
            None => {
                let Descriptor { digest, size, .. } = descriptor;
                let state = LayerState::Unpacking;
                progress.event(PullEvent::Layer { digest, size: *size, state });
                let name = over(runtime, descriptor, diff_id, chain_id, &below)?;
                let state = LayerState::Done;
                progress.event(PullEvent::Layer { digest, size: *size, state });
                name
            }
        };
        below.insert(0, name);
    }
    Ok(())
}

/// Unpacks one layer over `below` (topmost first): through an overlay that nobody else sees, so
/// that the kernel itself copies up and writes whiteouts.
fn over(
    runtime: &Runtime,
    descriptor: &Descriptor,
    diff_id: &Digest,
    chain_id: &Digest,
    below: &[LayerName],
) -> Result<LayerName> {
    let layers = runtime.layers();
    let staging = layers.stage()?;
    let folder: OwnedFd = if below.is_empty() {
        open_folder(&staging.content())?
    } else {
        let lower: Vec<_> = below.iter().map(|name| layers.path(name)).collect();
        mount::overlay(
            &lower,
            Some(&staging.content()),
            Some(&staging.work()),
            OverlayOptions::default(),
        )
        .map_err(|source| Error::System {
            action: "cannot mount layers to unpack another over them",
            source,
        })?
    };
    let algorithms = Algorithms { blob: descriptor.digest.algorithm(), diff: diff_id.algorithm() };
    let target = Target::Merged { folder: folder.as_fd() };
    let unpacked = from_blob(runtime, descriptor, algorithms, target)?;
    drop(folder);
    if unpacked.diff_id != *diff_id {
        return Err(wrong_diff_id(diff_id, &unpacked));
    }
    layers.commit(staging, &descriptor.digest, &unpacked, Some(chain_id))
}

/// Unpacks the layer of this number once more, as it was unpacked before, for a comparison; it goes with the result.
pub(crate) fn unpack_again(
    runtime: &Runtime,
    details: &ImageDetails,
    nth: usize,
) -> Result<Staging> {
    let layers = runtime.layers();
    let pairs: Vec<_> = details.config.rootfs.diff_ids.iter().zip(&details.chain_ids).collect();
    let not_there = || Error::NotFound { what: "layer", name: nth.to_string() };
    let (&(diff_id, chain_id), descriptor) =
        pairs.get(nth).zip(details.manifest.layers.get(nth)).ok_or_else(not_there)?;
    let algorithms = Algorithms { blob: descriptor.digest.algorithm(), diff: diff_id.algorithm() };
    let staging = layers.stage()?;
    let is_alone =
        layers.find(diff_id, chain_id) == Some(LayerName::of_diff(layers.encoding(), diff_id));
    let below: Option<Vec<LayerName>> = pairs[..nth]
        .iter()
        .rev()
        .map(|(diff_id, chain_id)| layers.find(diff_id, chain_id))
        .collect();
    if is_alone || nth == 0 {
        let folder = open_folder(&staging.content())?;
        let target = match is_alone {
            true => Target::Standalone { folder: folder.as_fd(), whiteouts: layers.encoding() },
            false => Target::Merged { folder: folder.as_fd() },
        };
        from_blob(runtime, descriptor, algorithms, target)?;
    } else {
        let lower: Vec<_> =
            below.ok_or_else(not_there)?.iter().map(|name| layers.path(name)).collect();
        let (upper, work) = (staging.content(), staging.work());
        let folder = mount::overlay(&lower, Some(&upper), Some(&work), OverlayOptions::default())
            .map_err(|source| Error::System {
            action: "cannot mount layers to unpack another over them",
            source,
        })?;
        from_blob(runtime, descriptor, algorithms, Target::Merged { folder: folder.as_fd() })?;
    }
    Ok(staging)
}

fn from_blob(
    runtime: &Runtime,
    descriptor: &Descriptor,
    algorithms: Algorithms,
    target: Target<'_>,
) -> Result<Unpacked> {
    let file = runtime.content().open(&descriptor.digest).map_err(|error| match error {
        Error::NotFound { .. } => {
            Error::MissingBlob { digest: descriptor.digest.clone(), owner: "an image".to_owned() }
        }
        other => other,
    })?;
    let kind = layer_kind(descriptor)?;
    let damaged = || Error::Corrupt {
        path: runtime.content().path(&descriptor.digest),
        detail: "its bytes do not have the digest that it is named by; pull the image again"
            .to_owned(),
    };
    match isopod_layer::unpack(file, kind, algorithms, target, &limits(descriptor), &()) {
        Ok(unpacked) if unpacked.digest == descriptor.digest => Ok(unpacked),
        Ok(_) => Err(damaged()),
        Err(source) => match &source.arrived {
            Some(arrived) if arrived.digest != descriptor.digest => Err(damaged()),
            _ => Err(Error::Layer { digest: descriptor.digest.clone(), source }),
        },
    }
}

/// An error of unpacking a layer that was arriving. A full disk keeps what arrived; bytes that
/// can't be unpacked are of no use to the next attempt. Where they are not what the descriptor
/// promised, that is the better explanation.
pub(super) fn layer_error(digest: Digest, source: LayerError, ingest: Ingest) -> Result<Error> {
    let error = match &source.arrived {
        Some(arrived) if arrived.digest != digest => {
            Error::Digest { what: "layer", expected: digest, actual: arrived.digest.clone() }
        }
        _ => Error::Layer { digest, source },
    };
    if error.kind() != crate::ErrorKind::NoSpace {
        ingest.discard()?;
    }
    Ok(error)
}

pub(super) fn check_diff_id(plan: &LayerPlan, unpacked: &Unpacked) -> Result<()> {
    if unpacked.diff_id == plan.diff_id {
        return Ok(());
    }
    Err(wrong_diff_id(&plan.diff_id, unpacked))
}

fn wrong_diff_id(expected: &Digest, unpacked: &Unpacked) -> Error {
    Error::Digest {
        what: "uncompressed layer (diff id in the image's config)",
        expected: expected.clone(),
        actual: unpacked.diff_id.clone(),
    }
}

pub(super) fn open_folder(path: &Path) -> Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    openat(CWD, path, flags, Mode::empty()).map_err(Error::errno("cannot open", path))
}

/// What a layer may become on disk: gzip and zstd reach ratios of over 1,000 on zeros, real layers
/// stay below 100, and small ones get room to breathe.
pub(super) fn limits(descriptor: &Descriptor) -> Limits {
    const FLOOR: u64 = 1 << 30;
    const RATIO: u64 = 200;
    let defaults = Limits::default();
    let bound = descriptor.size.saturating_mul(RATIO).max(FLOOR);
    Limits {
        disk_bytes: bound.min(defaults.disk_bytes),
        tar_bytes: bound.saturating_mul(2).min(defaults.tar_bytes),
        ..defaults
    }
}
