//! What is known of a layer once all of it went by.

use isopod_image::digest::Digest;

use crate::apply::{NotSelfContained, Skipped};

/// The account of one unpacked layer.
#[derive(Debug, Clone)]
pub struct Unpacked {
    /// Digest of the bytes as they arrived, to be held against the descriptor.
    pub digest: Digest,
    /// Number of bytes that arrived.
    pub size: u64,
    /// Digest of the archive after decompression, all of it, to be held against the
    /// image configuration's `rootfs.diff_ids`.
    pub diff_id: Digest,
    /// Length of the archive after decompression in bytes.
    pub tar_size: u64,
    /// Entries applied; 0 where the target discards.
    pub entries: u64,
    /// Bytes of content written to files, holes not counted; each hard link's file once.
    pub disk_bytes: u64,
    /// `Ok` if the folder holds the whole layer and may be shared by its diff id. If not,
    /// the target was [`Standalone`](crate::Target::Standalone), the reason is given, and
    /// the folder holds a part of the layer that is good for nothing: the blob is to be
    /// applied over its parents, as [`Merged`](crate::Target::Merged). For other targets
    /// it is `Ok` and means nothing.
    pub self_contained: Result<(), NotSelfContained>,
    /// What the layer asked for and a layer of an image must not have, or this file
    /// system can't: the first 64 cases, in order.
    pub skipped: Vec<Skipped>,
    /// How many cases there were in all.
    pub skipped_count: u64,
}
