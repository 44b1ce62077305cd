//! Containers of the OCI runtime command line (`isopod runc`): one folder each below `--root`, no
//! database, no monitor, and nothing of libcontainer, which only `isopod-monitor --oci` calls.
//!
//! - [`request`]: what the command line hands to that program;
//! - [`store`], [`record`], [`status`]: the folders, what is in them, and what it means;
//! - [`start`], [`kill`], [`delete`], [`pause`], [`process`], [`stats`]: the verbs;
//! - [`hooks`]: the programs that a container wants run around its life;
//! - [`log`]: how a runtime's messages look.
//!
//! runtime-spec: runtime.md (operations, state), config.md (hooks).

pub mod delete;
pub mod error;
pub mod hooks;
pub mod id;
pub mod kill;
pub mod log;
pub mod pause;
pub mod process;
pub mod record;
pub mod request;
pub mod start;
pub mod stats;
pub mod status;
pub mod store;

pub use error::{Error, Result};

/// The specification's version that this runtime says it follows.
pub const SPEC_VERSION: &str = "1.2.1";
