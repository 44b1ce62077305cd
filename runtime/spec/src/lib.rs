//! From an image config and a request to an OCI runtime specification.
pub mod capabilities;
pub mod environment;
pub mod namespaces;
pub mod quantity;
pub mod seccomp;
pub mod signal;
pub mod sysctl;
pub mod ulimit;
pub mod users;
