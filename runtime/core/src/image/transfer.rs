//! One layer of a pull: its bytes go from the network into the blob's partial file and, in the
//! same pass, through both digests into the layer's folder.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, Bytes};
use isopod_image::{Descriptor, Digest, LayerMediaType, Reference};
use isopod_layer::{Algorithms, Compression, Target};
use isopod_registry::{BlobStream, Client};
use tokio::runtime::Handle;

use super::documents::ImageDetails;
use super::progress::{LayerState, PullEvent, PullProgress};
use super::unpack;
use crate::content::ingest::{Begin, Ingest};
use crate::{Error, ErrorKind, Result, Runtime};

/// A layer to be had.
#[derive(Debug, Clone)]
pub(super) struct LayerPlan {
    pub descriptor: Descriptor,
    pub diff_id: Digest,
    pub chain_id: Digest,
    /// Whether its folder is wanted, or only its blob.
    pub unpack: bool,
}

impl LayerPlan {
    /// The hash functions of its two names.
    pub fn algorithms(&self) -> Algorithms {
        Algorithms { blob: self.descriptor.digest.algorithm(), diff: self.diff_id.algorithm() }
    }

    /// One for each different layer of an image.
    pub fn of(details: &ImageDetails, unpack: bool) -> Vec<Self> {
        let mut plans: Vec<Self> = Vec::new();
        let ids = details.config.rootfs.diff_ids.iter().zip(&details.chain_ids);
        for (descriptor, (diff_id, chain_id)) in details.manifest.layers.iter().zip(ids) {
            if plans.iter().all(|plan| plan.descriptor.digest != descriptor.digest) {
                plans.push(Self {
                    descriptor: descriptor.clone(),
                    diff_id: diff_id.clone(),
                    chain_id: chain_id.clone(),
                    unpack,
                });
            }
        }
        plans
    }
}

/// How a layer ended up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fetched {
    /// Its blob is there, and its folder if that was wanted.
    Ready,
    /// Its blob is there; it must be unpacked over the layers below it.
    NeedsParents,
}

/// What all layers of a pull share.
pub(super) struct Transfer<'a> {
    pub runtime: &'a Runtime,
    pub client: &'a Client,
    pub network: &'a Handle,
    pub reference: &'a Reference,
    pub progress: &'a dyn PullProgress,
    pub stop: &'a AtomicBool,
}

impl Transfer<'_> {
    /// Brings one layer in.
    pub fn fetch(&self, plan: &LayerPlan) -> Result<Fetched> {
        let content = self.runtime.content();
        self.remove_of_wrong_size(plan)?;
        let mut begin = content.begin(&plan.descriptor.digest, false)?;
        if matches!(begin, Begin::Busy) {
            self.report(plan, LayerState::WaitingForOther);
            begin = content.begin(&plan.descriptor.digest, true)?;
        }
        match begin {
            Begin::Ours(ingest) => self.download(plan, *ingest),
            Begin::Exists | Begin::Busy => self.unpack_existing(plan),
        }
    }

    /// A blob that is there has another size than the manifest says: one of them is wrong.
    fn remove_of_wrong_size(&self, plan: &LayerPlan) -> Result<()> {
        let Descriptor { digest, size, .. } = &plan.descriptor;
        match self.runtime.content().size(digest)? {
            Some(there) if there != *size => {}
            _ => return Ok(()),
        }
        if self.runtime.content().remove_if_damaged(digest)? {
            return Ok(());
        }
        Err(Error::Untrusted(format!(
            "the manifest says that layer {digest} has {size} bytes, and it has others"
        )))
    }

    fn report(&self, plan: &LayerPlan, state: LayerState) {
        let Descriptor { digest, size, .. } = &plan.descriptor;
        self.progress.event(PullEvent::Layer { digest, size: *size, state });
    }

    fn unpack_existing(&self, plan: &LayerPlan) -> Result<Fetched> {
        if !plan.unpack || self.runtime.layers().find(&plan.diff_id, &plan.chain_id).is_some() {
            self.report(plan, LayerState::Exists);
            return Ok(Fetched::Ready);
        }
        self.report(plan, LayerState::Unpacking);
        match unpack::alone(self.runtime, plan) {
            Err(Error::Corrupt { .. })
                if self.runtime.content().remove_if_damaged(&plan.descriptor.digest)? =>
            {
                self.fetch(plan)
            }
            unpacked => self.finish(plan, unpacked?),
        }
    }

    /// A layer that needs those below it is not done yet.
    fn finish(&self, plan: &LayerPlan, fetched: Fetched) -> Result<Fetched> {
        if fetched == Fetched::Ready {
            self.report(plan, LayerState::Done);
        }
        Ok(fetched)
    }

    fn download(&self, plan: &LayerPlan, ingest: Ingest) -> Result<Fetched> {
        let offset = ingest.offset();
        if offset > plan.descriptor.size {
            // Left by a descriptor that lied about its size; nothing of it can be trusted.
            ingest.discard()?;
            return self.fetch(plan);
        }
        match offset {
            0 => self.report(plan, LayerState::Downloading),
            _ => self.report(plan, LayerState::Resumed { offset }),
        }
        let fetched = self.stream(plan, ingest);
        match fetched {
            // A partial file of another time may have been damaged: once more, from the start.
            Err(Error::Digest { .. }) if offset > 0 => self.fetch(plan),
            other => other,
        }
    }

    /// The one pass over a layer's bytes.
    fn stream(&self, plan: &LayerPlan, ingest: Ingest) -> Result<Fetched> {
        let layers = self.runtime.layers();
        let have_folder = layers.find(&plan.diff_id, &plan.chain_id).is_some();
        let staging = if plan.unpack && !have_folder { Some(layers.stage()?) } else { None };
        let folder = staging.as_ref().map(|s| unpack::open_folder(&s.content())).transpose()?;
        let target = match &folder {
            Some(folder) => {
                Target::Standalone { folder: folder.as_fd(), whiteouts: layers.encoding() }
            }
            None => Target::Discard,
        };
        let kind = layer_kind(&plan.descriptor)?;
        let mut feed = Feed::new(self, plan, ingest)?;
        let limits = unpack::limits(&plan.descriptor);
        let unpacked =
            isopod_layer::unpack(&mut feed, kind, plan.algorithms(), target, &limits, &());
        let Feed { ingest, error, .. } = feed;
        let unpacked = match (error, unpacked) {
            // The reader's own error says more than what unpacking makes of it.
            (Some(error), _) => {
                if error.kind() == ErrorKind::Untrusted {
                    ingest.discard()?;
                }
                return Err(error);
            }
            (None, Err(source)) => {
                let digest = plan.descriptor.digest.clone();
                return Err(unpack::layer_error(digest, source, ingest)?);
            }
            (None, Ok(unpacked)) => unpacked,
        };
        if unpacked.digest != plan.descriptor.digest {
            ingest.discard()?;
            return Err(Error::Digest {
                what: "layer",
                expected: plan.descriptor.digest.clone(),
                actual: unpacked.digest,
            });
        }
        // The blob is what its digest says, so it is kept even if the config lied about its diff id.
        ingest.commit()?;
        let fetched = match staging {
            Some(staging) => unpack::commit_alone(self.runtime, plan, staging, &unpacked)?,
            None => {
                unpack::check_diff_id(plan, &unpacked)?;
                Fetched::Ready
            }
        };
        self.finish(plan, fetched)
    }
}

/// The compression that the media type declares.
pub(super) fn layer_kind(descriptor: &Descriptor) -> Result<Compression> {
    use isopod_image::document::Compression as Declared;
    let media_type = LayerMediaType::parse(&descriptor.media_type).ok_or_else(|| {
        Error::Unsupported(format!(
            "layer {} has media type {:?}, which is no layer format known here",
            descriptor.digest, descriptor.media_type
        ))
    })?;
    Ok(match media_type.compression {
        Declared::None => Compression::None,
        Declared::Gzip => Compression::Gzip,
        Declared::Zstd => Compression::Zstd,
    })
}

/// A blob's bytes as a reader: first what an earlier transfer left, then the network, which is
/// written to the partial file as it is read.
struct Feed<'a> {
    transfer: &'a Transfer<'a>,
    plan: &'a LayerPlan,
    earlier: Option<io::Take<File>>,
    ingest: Ingest,
    stream: Option<BlobStream>,
    chunk: Bytes,
    done: u64,
    /// Why reading failed, kept because `io::Error` can't carry it to our caller whole.
    error: Option<Error>,
}

impl<'a> Feed<'a> {
    fn new(transfer: &'a Transfer<'a>, plan: &'a LayerPlan, ingest: Ingest) -> Result<Self> {
        let earlier = match ingest.offset() {
            0 => None,
            offset => Some(ingest.reader()?.take(offset)),
        };
        Ok(Self {
            transfer,
            plan,
            earlier,
            ingest,
            stream: None,
            chunk: Bytes::new(),
            done: 0,
            error: None,
        })
    }

    fn next_chunk(&mut self) -> Result<Option<Bytes>> {
        if self.transfer.stop.load(Ordering::Relaxed) {
            return Err(Error::Invalid("stopped, since another layer failed".to_owned()));
        }
        let network = self.transfer.network;
        let stream = match &mut self.stream {
            Some(stream) => stream,
            empty => empty.insert(network.block_on(self.transfer.client.open_blob(
                self.transfer.reference,
                &self.plan.descriptor,
                self.ingest.offset(),
            ))?),
        };
        let Some(chunk) = network.block_on(stream.chunk())? else { return Ok(None) };
        self.ingest.append(&chunk)?;
        Ok(Some(chunk))
    }

    fn progress(&mut self, more: usize) {
        self.done += more as u64;
        let digest = &self.plan.descriptor.digest;
        self.transfer.progress.event(PullEvent::Bytes { digest, done: self.done });
    }
}

impl Read for Feed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(earlier) = &mut self.earlier {
            let read = earlier.read(buffer)?;
            if read > 0 {
                self.progress(read);
                return Ok(read);
            }
            self.earlier = None;
        }
        while self.chunk.is_empty() {
            if self.ingest.offset() >= self.plan.descriptor.size && self.stream.is_none() {
                // All of it was left by an earlier transfer.
                return Ok(0);
            }
            match self.next_chunk() {
                Ok(Some(chunk)) => self.chunk = chunk,
                Ok(None) => return Ok(0),
                Err(error) => {
                    let text = error.to_string();
                    self.error = Some(error);
                    return Err(io::Error::other(text));
                }
            }
        }
        let length = self.chunk.len().min(buffer.len());
        self.chunk.copy_to_slice(&mut buffer[..length]);
        self.progress(length);
        Ok(length)
    }
}
