//! Networks: which there are, who is on them, with which addresses and published ports.
//!
//! A row of the database comes before what it stands for is made in the kernel, and goes after that has gone:
//! whatever is killed, what is left belongs to a row that the next command finds. Endpoints are there while
//! their container runs.

mod addresses;
mod connect;
mod create;
mod endpoint;
mod find;
mod former;
mod names;
mod plan;
mod ports;
mod rearrange;
mod record;
mod release;
mod remove;
mod survey;
mod wire;

pub use addresses::Pool;
pub use create::CreateNetwork;
pub use find::{Network, Networks};
pub use isopod_network::{Error as KernelError, Prefix, Warning};
pub use record::{DriverKind, EndpointRecord, NetworkRecord, Published};

pub use endpoint::{Endpoint, parse_mac};
pub(crate) use names::HOST_CONFIG;
pub(crate) use plan::settle;
pub(crate) use wire::Reserved;

/// The network of containers that ask for none.
pub const DEFAULT: &str = "bridge";

/// Those that are built in.
pub const BUILT_IN: [&str; 3] = [DEFAULT, "host", "none"];
