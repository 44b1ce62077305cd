//! Networks of containers, spoken to the kernel directly: no `ip`, no `nft`, no CNI plugin.
//!
//! - [`model`]: what a network, an endpoint on it and a published port are;
//! - [`error`]: what can go wrong.
//!
//! Nothing here knows a database or a container: callers say what is to be there, and keep the record of
//! it. Every call may be repeated: what is there already is left as it is.

pub mod error;
pub mod model;

pub use error::{Error, Result};
pub use model::{Driver, Endpoint, Network, PortMap, Protocol, Subnet};
