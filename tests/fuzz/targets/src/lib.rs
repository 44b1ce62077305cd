//! What is fed with foreign bytes, and what must hold whatever they are.
//!
//! One function a target: it never panics over a refusal, only over a broken promise. The fuzzers
//! (`tests/fuzz/fuzz_targets`) call these, and so does `tests/seeds.rs` with every seed and with changes of it.
//! Where a program has no library, its readers are compiled in here by path.

#![allow(clippy::missing_panics_doc, reason = "panics are what these functions are for")]
#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod archive;
mod credentials;
mod documents;
mod hosts;
mod kernel;
mod layer;
mod logs;
mod monitor;
mod names;
mod process;
mod questions;
mod scratch;
mod streams;
mod templates;
mod users;

pub use credentials::docker_config;
pub use documents::document;
pub use hosts::{hosts_toml, registries_conf};
pub use kernel::netlink;
pub use layer::layer;
pub use logs::log_file;
pub use monitor::{monitor_files, monitor_messages, oci_spec};
pub use names::reference;
pub use process::image_config;
pub use questions::dns;
pub use streams::{spdy, websocket};
pub use templates::template;
pub use users::passwd;

/// A function that is fed.
pub type Target = fn(&[u8]);

/// All of them, with the names of their folders in `seeds/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("dns", dns),
    ("docker_config", docker_config),
    ("document", document),
    ("hosts_toml", hosts_toml),
    ("image_config", image_config),
    ("layer", layer),
    ("log_file", log_file),
    ("monitor_files", monitor_files),
    ("monitor_messages", monitor_messages),
    ("netlink", netlink),
    ("oci_spec", oci_spec),
    ("passwd", passwd),
    ("reference", reference),
    ("registries_conf", registries_conf),
    ("spdy", spdy),
    ("template", template),
    ("websocket", websocket),
];
