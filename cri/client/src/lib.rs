//! A client of any CRI v1 runtime.
//!
//! - [`endpoint`]: where one is, as kubelet and crictl spell it;
//! - [`connection`]: its two services, and calls that end in time;
//! - [`logs`]: the files that runtimes write containers' output to.
//!
//! The messages themselves are `isopod-cri-protocol`'s, re-exported as [`v1`].

pub mod connection;
pub mod endpoint;
pub mod logs;

pub use connection::{CallError, Connection, within};
pub use endpoint::{Endpoint, EndpointError};
pub use isopod_cri_protocol::v1;
pub use tonic::Code;
