//! The only place with unsafe code: narrow wrappers over mount, process,
//! namespace and descriptor calls that the standard library and rustix lack.
//!
//! What lives here knows the kernel and nothing of containers or images.

pub mod atomic;
pub mod bpf;
pub mod cgroup;
pub mod devices;
pub mod idmap;
pub mod kernel;
pub mod lock;
pub mod mount;
pub mod netlink;
pub mod process;
pub mod root;
pub mod seccomp;
pub mod step;
pub mod tree;
