//! The kernel's answers: whatever lengths and types they claim, nothing beyond them is read.

use std::net::IpAddr;

use isopod_network::{PortMap, Protocol, answers};

/// What a netlink socket has received.
pub fn netlink(data: &[u8]) {
    let port = PortMap {
        protocol: Protocol::Udp,
        host: "0.0.0.0:53".parse().unwrap(),
        target: "172.17.0.2:53".parse().unwrap(),
    };
    let own = [IpAddr::from([10, 0, 0, 1])];
    let found = answers::read(data, &port, &own);
    // A message has at least its header, an attribute too.
    assert!(found.replies + found.outcomes.0 <= data.len() / 12 + 1, "{found:?}");
    assert!(found.outcomes.1 <= found.outcomes.0);
}
