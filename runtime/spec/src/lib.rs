//! From an image config and a request to an OCI runtime specification.
//!
//! [`build()`] makes the document of a container, [`exec_process`] the process of an exec
//! into one, [`seccomp::bpf::assemble`] the filter of a document for the kernel. The rest
//! are the parts of a request, each with the reader of its command line values.

mod build;
pub mod capabilities;
pub mod devices;
pub mod environment;
mod exec;
pub mod flags;
pub mod host;
pub mod image_claims;
pub mod mounts;
pub mod namespaces;
pub mod paths;
mod process;
pub mod quantity;
pub mod request;
pub mod resources;
pub mod seccomp;
pub mod signal;
pub mod sysctl;
#[cfg(test)]
mod testing;
pub mod ulimit;
pub mod users;

pub use build::{SpecError, build};
pub use exec::{ExecRequest, exec_process};
pub use host::Host;
pub use request::{Profile, SpecRequest};
