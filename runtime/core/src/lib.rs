//! The daemonless container library: images, content, snapshots, containers and state.
//!
//! - [`Runtime`] is the door: it opens the folders and the database of one instance.
//! - [`image`]: pulling, listing, tagging, importing and exporting images.
//! - [`content`]: blobs by digest, an OCI image layout that any OCI tool can read.
//! - [`snapshot`]: unpacked layers and the writable folders over them.
//! - [`container`]: one verb a file; a container's process belongs to its monitor, never to us.
//! - [`network`]: networks, addresses, published ports, names.
//! - [`volume`]: folders that outlive containers.
//! - [`event`]: the journal of what happens.
//! - [`doctor`]: what the machine offers.
//! - [`fsck`]: what is damaged, and mending it.
//! - [`state`]: the database that many processes share.
//!
//! Nothing here prints, exits or reads the environment.

pub mod collect;
pub mod config;
pub mod container;
pub mod content;
pub mod doctor;
pub mod error;
pub mod event;
pub mod fsck;
pub mod id;
pub mod image;
pub mod layout;
pub mod namespace;
pub mod network;
mod program;
mod reserve;
mod runtime;
pub mod snapshot;
pub mod state;
mod usage;
pub mod volume;

pub use config::{CgroupManager, Config, MonitorProgram};
pub use error::{Error, ErrorKind};
pub use runtime::Runtime;

/// What everything here returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;
