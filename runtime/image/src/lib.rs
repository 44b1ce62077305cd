//! Digests, references, platforms and image documents: parsing and checking, no input or output.
//!
//! - [`digest`]: what names content, and what computes it;
//! - [`reference`]: what people type to name an image;
//! - [`platform`]: which of an index's images fits a machine;
//! - [`document`]: manifests, indexes and their descriptors;
//! - [`config`]: an image's configuration and the chain ids of its layers;
//! - [`timestamp`]: times that keep the text they came as.
//!
//! Everything parsed here comes from registries and archives and is hostile until it has passed.

pub mod config;
pub mod digest;
pub mod document;
pub mod platform;
pub mod reference;
pub mod timestamp;

pub use config::{ImageConfig, chain_ids};
pub use digest::{Algorithm, Digest, Digester};
pub use document::{Descriptor, Document, Index, LayerMediaType, Manifest};
pub use platform::Platform;
pub use reference::Reference;
pub use timestamp::Timestamp;
