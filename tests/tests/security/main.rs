//! What security promises (docs/security.md), held by the built binary from end to end: images, layers
//! and everything inside a container are hostile here.
//!
//! One file a row of the table, or a few; `tests/mutations` has the change that takes each away.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

mod apparmor;
mod confinement;
mod copies;
mod descriptors;
mod devices;
mod image;
mod image_config;
mod import;
mod links;
mod networks;
mod passwd;
mod probe;
mod program;
mod racer;
mod state;
mod streams;
mod user_namespaces;
mod users;
