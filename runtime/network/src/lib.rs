//! Networks of containers, spoken to the kernel directly: no `ip`, no `nft`, no CNI plugin.
//!
//! - [`Host`]: makes and removes networks, connects containers, publishes ports;
//! - [`namespace`]: network namespaces, made and entered;
//! - [`sockets`]: sockets that hold ports;
//! - [`subnets`]: the arithmetic of addresses;
//! - [`model`]: what a network, an endpoint on it and a published port are;
//! - [`probe`]: what the kernel can do;
//! - [`error`], [`warning`]: what can go wrong, and what may;
//! - [`answers`]: the readers of the kernel's answers, for who tests them.
//!
//! Nothing here knows a database or a container: callers say what is to be there, and keep the record of
//! it. Every call may be repeated: what is there already is left as it is.

mod bridge;
mod conntrack;
mod driver;
mod firewall;
mod host;
mod inspection;
mod link;
mod macvlan;
mod netlink;
mod nft;
mod sysctl;

pub mod answers;
pub mod error;
pub mod model;
pub mod namespace;
pub mod probe;
pub mod sockets;
pub mod subnets;
pub mod warning;

pub use error::{Error, Result};
pub use host::{Connected, Host};
pub use inspection::Inspection;
pub use model::{Driver, Endpoint, Network, PortMap, Protocol, Subnet};
pub use subnets::Prefix;
pub use warning::Warning;
