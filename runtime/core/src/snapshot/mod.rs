//! What lies between blobs and containers: [`layers`], unpacked once and shared, and [`writable`]
//! folders over them. The encoding is overlayfs'.

pub(crate) mod changes;
pub mod layers;
pub mod usage;
pub mod view;
pub mod writable;

pub use layers::{LayerName, Layers};
pub use usage::Usage;
pub use writable::{Snapshot, Snapshots};
