//! What a pull or push tells whoever watches it.

use isopod_image::Digest;

/// Told of every step, from several threads at once; must be quick.
pub trait PullProgress: Sync {
    /// Something happened.
    fn event(&self, event: PullEvent<'_>);
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum PullEvent<'a> {
    /// The reference is being looked up.
    Resolving {
        /// In canonical form.
        reference: &'a str,
    },
    /// The registry answered.
    Resolved {
        /// The manifest's or index's digest.
        digest: &'a Digest,
    },
    /// A layer's (or config's) state changed.
    Layer {
        /// Which.
        digest: &'a Digest,
        /// Bytes to transfer.
        size: u64,
        /// To what.
        state: LayerState,
    },
    /// Bytes arrived, or were sent.
    Bytes {
        /// Of which layer.
        digest: &'a Digest,
        /// How many so far, those of an earlier transfer included.
        done: u64,
    },
}

/// The states of a layer in a pull or push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    /// Its turn has not come.
    Waiting,
    /// It was there already.
    Exists,
    /// Another process brings it in.
    WaitingForOther,
    /// It arrives, and is unpacked as it does.
    Downloading,
    /// It arrives from where an earlier transfer ended.
    Resumed {
        /// Bytes that were there.
        offset: u64,
    },
    /// It is unpacked from the store.
    Unpacking,
    /// It is there.
    Done,
    /// It will be sent, if the registry lacks it.
    Preparing,
    /// It is sent.
    Uploading,
    /// The registry had it already.
    ExistsThere,
    /// The registry took it over from another of its repositories.
    Mounted,
    /// The registry has it now.
    Uploaded,
}

/// For callers that don't watch.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProgress;

impl PullProgress for NoProgress {
    fn event(&self, _: PullEvent<'_>) {}
}
