//! Layers: decompression, digests and the safe application of tar streams to folders.
//!
//! The way a layer's bytes take, in two threads:
//!
//! ```text
//! arriving ─ digest ─ inflate ─► chunks ─ digest (diff id) ─ tar ─ apply ─► folder
//! ```
//!
//! [`unpack`] is the whole of it. What a layer may write, and where, is decided in
//! `apply` alone; [`tar`] knows nothing of folders, and can read other archives too.

mod apply;
mod arriving;
mod chunks;
mod compression;
mod error;
mod limits;
mod pipeline;
pub mod tar;
mod unpacked;

pub use apply::{NotSelfContained, Skipped, SkippedWhat, Target, WhiteoutEncoding};
pub use compression::{Compression, ZSTD_WINDOW_LIMIT};
pub use error::{Arrived, Cause, LayerError, Limit};
pub use limits::Limits;
pub use pipeline::{Algorithms, Observer, unpack};
pub use unpacked::Unpacked;
