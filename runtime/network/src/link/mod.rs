//! Devices, addresses and routes: rtnetlink's messages, and the questions we have.

mod query;
mod request;

pub(crate) use query::read_by_all;
pub use query::{Link, Links};
pub use request::{
    add_address, add_bridge, add_default_route, add_dummy, add_macvlan, add_veth, add_veth_pair,
    add_vlan, add_vxlan, remove, set_alias, set_port, set_up, without_link_local,
};
