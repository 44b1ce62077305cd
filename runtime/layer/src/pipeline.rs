//! The two threads of a layer: one digests and inflates, the caller's digests and writes.
//!
//! More threads a layer gained nothing on two cores; several layers side by side do.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use isopod_image::digest::{Algorithm, Digest};

use crate::apply::{self, Applied, Target};
use crate::arriving::Arriving;
use crate::chunks::{self, Chunks, Filling};
use crate::compression::{Compression, is_window_error};
use crate::error::{Arrived, Cause, LayerError};
use crate::limits::Limits;
use crate::tar::{Archive, TarError};
use crate::unpacked::Unpacked;

/// Hears how far a layer has come, from both threads; must be quick.
pub trait Observer: Sync {
    /// So many more bytes came in.
    fn arrived(&self, _bytes: u64) {}
    /// So many more bytes of the archive were decompressed and handed on.
    fn unpacked(&self, _bytes: u64) {}
}

/// Nobody listens.
impl Observer for () {}

/// The hash functions of a layer's two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Algorithms {
    /// Of the compressed bytes: that of the descriptor's digest.
    pub blob: Algorithm,
    /// Of the archive: that of the diff id in the image configuration.
    pub diff: Algorithm,
}

impl Default for Algorithms {
    fn default() -> Self {
        Self { blob: Algorithm::Sha256, diff: Algorithm::Sha256 }
    }
}

/// Takes a layer's bytes from `input` to `target`.
///
/// All of the input is read and digested, also what follows the archive's end and where
/// writing ends early. Nothing is synced and nothing compared with a descriptor: that is
/// the caller's, before anything reads the folder. The caller bounds the input itself.
///
/// # Errors
/// The input failed; the bytes are malformed, ask for what a layer must not do, or exceed
/// `limits`; or the kernel refused to write. The folder may then hold a part of the layer.
pub fn unpack<R: Read + Send>(
    input: R,
    compression: Compression,
    algorithms: Algorithms,
    target: Target<'_>,
    limits: &Limits,
    observer: &dyn Observer,
) -> Result<Unpacked, LayerError> {
    let arriving = Arriving::new(input, algorithms.blob, observer);
    let (filling, chunks) = chunks::pair(algorithms.diff, limits.tar_bytes, observer);
    // Set when the failure is not the layer's: then the rest of it is not worth waiting for.
    let abandoned = AtomicBool::new(false);
    let (inflated, written) = thread::scope(|scope| {
        let inflating = thread::Builder::new()
            .name("layer-inflate".to_owned())
            .spawn_scoped(scope, || inflate(arriving, compression, filling, &abandoned))
            .map_err(Cause::Thread)?;
        let written = write(chunks, target, limits);
        if let Err(Stopped::Failed(cause)) = &written {
            abandoned.store(!cause.is_in_the_bytes(), Ordering::Relaxed);
        }
        let inflated = inflating.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok((inflated, written))
    })
    .map_err(|cause| LayerError { cause, arrived: None })?;

    // The first thread's failure is the reason if both failed: the second only starved.
    let Inflated { failure, arrived } = inflated;
    let cause = match (failure, written) {
        (Some(cause), _) | (None, Err(Stopped::Failed(cause))) => cause,
        (None, Err(Stopped::Starved)) => unreachable!("the first thread sends all or fails"),
        (None, Ok((applied, diff_id, tar_size))) => {
            let Arrived { digest, size } = arrived.expect("read to its end, as nothing failed");
            let Applied { entries, disk_bytes, self_contained, skipped, skipped_count } = applied;
            return Ok(Unpacked {
                digest,
                size,
                diff_id,
                tar_size,
                entries,
                disk_bytes,
                self_contained,
                skipped,
                skipped_count,
            });
        }
    };
    // Of a failure that is ours the rest may or may not have arrived in time.
    let arrived = arrived.filter(|_| cause.is_in_the_bytes());
    Err(LayerError { cause, arrived })
}

struct Inflated {
    failure: Option<Cause>,
    arrived: Option<Arrived>,
}

/// The first thread: reads the input to its end, whatever becomes of the other one.
fn inflate<R: Read + Send>(
    mut arriving: Arriving<'_, R>,
    compression: Compression,
    filling: Filling,
    abandoned: &AtomicBool,
) -> Inflated {
    let inflated = match compression.decoder(&mut arriving) {
        Ok(decoder) => filling.fill_from(decoder),
        Err(error) => {
            drop(filling);
            Err(error)
        }
    };
    if let Some(error) = arriving.take_failure() {
        return Inflated { failure: Some(Cause::Input(error)), arrived: None };
    }
    let failure = inflated.err().map(|source| match is_window_error(&source) {
        true => Cause::Window,
        false => Cause::Inflate { compression, source },
    });
    match arriving.finish(|| abandoned.load(Ordering::Relaxed)) {
        Ok(arrived) => Inflated { failure, arrived },
        Err(error) => Inflated { failure: Some(Cause::Input(error)), arrived: None },
    }
}

/// Why the second thread ended early.
enum Stopped {
    /// The first one did, and knows why.
    Starved,
    Failed(Cause),
}

type Written = (Applied, Digest, u64);

/// The second thread: applies the archive, then digests what follows it.
fn write(chunks: Chunks<'_>, target: Target<'_>, limits: &Limits) -> Result<Written, Stopped> {
    let starved = |error: io::Error| match error.kind() {
        io::ErrorKind::FileTooLarge => Stopped::Failed(Cause::Expansion(limits.tar_bytes)),
        _ => Stopped::Starved,
    };
    let mut archive = Archive::new(chunks, limits.header_bytes);
    let applied = match apply::apply(&mut archive, target, limits) {
        Err(Cause::Tar(TarError::Read { source, .. })) => return Err(starved(source)),
        other => other.map_err(Stopped::Failed)?,
    };
    let (diff_id, size) = archive.into_inner().finish().map_err(starved)?;
    Ok((applied, diff_id, size))
}
