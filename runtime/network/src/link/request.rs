//! What changes devices, addresses and routes, a message each (`rtnetlink(7)`, `linux/if_link.h`).
//! Devices that are there already are named; only addresses and routes want an index.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::netlink::Message;

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const NEWADDR: u16 = 20;
const NEWROUTE: u16 = 24;

const REQUEST: u16 = 1;
const ACK: u16 = 4;
/// `NLM_F_REPLACE`.
const REPLACE: u16 = 0x100;
/// `NLM_F_EXCL`: what is there is an error.
const EXCL: u16 = 0x200;
/// `NLM_F_CREATE`.
const CREATE: u16 = 0x400;

pub(super) const ADDRESS: u16 = 1;
pub(super) const IFNAME: u16 = 3;
pub(super) const MTU: u16 = 4;
const LINK: u16 = 5;
pub(super) const MASTER: u16 = 10;
pub(super) const LINKINFO: u16 = 18;
pub(super) const IFALIAS: u16 = 20;
const AF_SPEC: u16 = 26;
const NET_NS_FD: u16 = 28;
pub(super) const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const INFO_SLAVE_KIND: u16 = 4;
const INFO_SLAVE_DATA: u16 = 5;
const VETH_INFO_PEER: u16 = 1;
const MACVLAN_MODE: u16 = 1;
const VLAN_ID: u16 = 1;
const VXLAN_ID: u16 = 1;
const VXLAN_PORT: u16 = 15;
const BRPORT_MODE: u16 = 4;
const BRPORT_ISOLATED: u16 = 33;
const INET6_ADDR_GEN_MODE: u16 = 8;
/// `IN6_ADDR_GEN_MODE_NONE`: no link-local address of its own accord.
const GEN_MODE_NONE: u8 = 1;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
/// `IFA_F_NODAD`: the allocator knows that nobody else has it; nothing is waited for.
const NO_DAD: u32 = 2;

const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const TABLE_MAIN: u8 = 254;
const PROTOCOL_BOOT: u8 = 3;
const UNICAST: u8 = 1;

/// `IFF_UP`.
pub(super) const UP: u32 = 1;
const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// A bridge that is down. Without an address of its own it would take one of its ports', and another
/// when that goes.
#[must_use]
pub fn add_bridge(name: &str, mac: [u8; 6], mtu: u32) -> Message {
    let mut message = new_link(CREATE | EXCL, name, false);
    message.bytes(ADDRESS, &mac).native32(MTU, mtu);
    message.nest(LINKINFO, |info| {
        info.text(INFO_KIND, "bridge");
    });
    message
}

/// A pair of devices: `name`, up and a port of the device `master`; the other end in `netns`, down.
#[must_use]
pub fn add_veth(
    name: &str,
    master: u32,
    mtu: u32,
    netns: BorrowedFd<'_>,
    peer: &str,
    mac: Option<[u8; 6]>,
) -> Message {
    let mut message = new_link(CREATE | EXCL, name, true);
    message.native32(MASTER, master).native32(MTU, mtu);
    add_veth_info(&mut message, |end| {
        end.text(IFNAME, peer).native32(MTU, mtu);
        end.native32(NET_NS_FD, netns.as_raw_fd().cast_unsigned());
        if let Some(mac) = mac {
            end.bytes(ADDRESS, &mac);
        }
    });
    message
}

/// A pair of devices that are both here, the first up.
#[must_use]
pub fn add_veth_pair(name: &str, peer: &str) -> Message {
    let mut message = new_link(CREATE | EXCL, name, true);
    add_veth_info(&mut message, |end| {
        end.text(IFNAME, peer);
    });
    message
}

fn add_veth_info(message: &mut Message, peer: impl FnOnce(&mut Message)) {
    message.nest(LINKINFO, |info| {
        info.text(INFO_KIND, "veth");
        info.nest(INFO_DATA, |data| {
            data.nest(VETH_INFO_PEER, |end| {
                end.push(&header(AF_UNSPEC, 0, 0, 0));
                peer(end);
            });
        });
    });
}

/// A device on top of the device `parent`, in `netns`, down. `mode` is a `MACVLAN_MODE_*`.
#[must_use]
pub fn add_macvlan(
    name: &str,
    parent: u32,
    mode: u32,
    mtu: u32,
    netns: BorrowedFd<'_>,
    mac: Option<[u8; 6]>,
) -> Message {
    let mut message = new_link(CREATE | EXCL, name, false);
    message.native32(LINK, parent).native32(MTU, mtu);
    message.native32(NET_NS_FD, netns.as_raw_fd().cast_unsigned());
    if let Some(mac) = mac {
        message.bytes(ADDRESS, &mac);
    }
    message.nest(LINKINFO, |info| {
        info.text(INFO_KIND, "macvlan");
        info.nest(INFO_DATA, |data| {
            data.native32(MACVLAN_MODE, mode);
        });
    });
    message
}

/// The device of a VLAN on the device `parent`, up.
#[must_use]
pub fn add_vlan(name: &str, parent: u32, id: u16) -> Message {
    let mut message = new_link(CREATE | EXCL, name, true);
    message.native32(LINK, parent);
    message.nest(LINKINFO, |info| {
        info.text(INFO_KIND, "vlan");
        info.nest(INFO_DATA, |data| {
            data.bytes(VLAN_ID, &id.to_ne_bytes());
        });
    });
    message
}

/// The device of a VXLAN (RFC 7348) without peers, up.
#[must_use]
pub fn add_vxlan(name: &str, id: u32, port: u16) -> Message {
    let mut message = new_link(CREATE | EXCL, name, true);
    message.nest(LINKINFO, |info| {
        info.text(INFO_KIND, "vxlan");
        info.nest(INFO_DATA, |data| {
            data.native32(VXLAN_ID, id);
            data.bytes(VXLAN_PORT, &port.to_be_bytes());
        });
    });
    message
}

/// A device that leads nowhere, up.
#[must_use]
pub fn add_dummy(name: &str) -> Message {
    let mut message = new_link(CREATE | EXCL, name, true);
    message.nest(LINKINFO, |info| {
        info.text(INFO_KIND, "dummy");
    });
    message
}

/// How a bridge treats its port `name`: frames may go back where they came from; an isolated port
/// reaches the bridge itself and no other isolated port.
#[must_use]
pub fn set_port(name: &str, is_isolated: bool) -> Message {
    let mut message = new_link(0, name, true);
    message.nest(LINKINFO, |info| {
        info.text(INFO_SLAVE_KIND, "bridge");
        info.nest(INFO_SLAVE_DATA, |port| {
            port.bytes(BRPORT_MODE, &[1]);
            port.bytes(BRPORT_ISOLATED, &[u8::from(is_isolated)]);
        });
    });
    message
}

/// Keeps the device `name` from giving itself an IPv6 address when it goes up.
#[must_use]
pub fn without_link_local(name: &str) -> Message {
    let mut message = Message::new(NEWLINK, REQUEST | ACK, &header(AF_UNSPEC, 0, 0, 0));
    message.text(IFNAME, name);
    message.nest(AF_SPEC, |families| {
        families.nest(u16::from(AF_INET6), |inet6| {
            inet6.bytes(INET6_ADDR_GEN_MODE, &[GEN_MODE_NONE]);
        });
    });
    message
}

/// Writes on the device `name` whose it is. The kernel takes no alias together with the making.
#[must_use]
pub fn set_alias(name: &str, alias: &str) -> Message {
    let mut message = Message::new(NEWLINK, REQUEST | ACK, &header(AF_UNSPEC, 0, 0, 0));
    message.text(IFNAME, name);
    // A text without its end, or that would be part of it.
    message.bytes(IFALIAS, alias.as_bytes());
    message
}

/// Puts the device `name` up.
#[must_use]
pub fn set_up(name: &str) -> Message {
    new_link(0, name, true)
}

/// Takes the device `name` away, and with it the other end of a pair.
#[must_use]
pub fn remove(name: &str) -> Message {
    let mut message = Message::new(DELLINK, REQUEST | ACK, &header(AF_UNSPEC, 0, 0, 0));
    message.text(IFNAME, name);
    message
}

/// Gives the device with an index an address.
#[must_use]
pub fn add_address(index: u32, address: IpAddr, prefix: u8, broadcast: Option<IpAddr>) -> Message {
    let mut body = vec![family(address), prefix, 0, 0];
    body.extend(index.to_ne_bytes());
    let mut message = Message::new(NEWADDR, REQUEST | ACK | CREATE | EXCL, &body);
    let octets = octets(address);
    message.bytes(IFA_LOCAL, &octets).bytes(IFA_ADDRESS, &octets);
    if let Some(broadcast) = broadcast {
        message.bytes(IFA_BROADCAST, &self::octets(broadcast));
    }
    if address.is_ipv6() {
        message.native32(IFA_FLAGS, NO_DAD);
    }
    message
}

/// Leads what no other route leads through `gateway`, in place of a route that did.
#[must_use]
pub fn add_default_route(index: u32, gateway: IpAddr) -> Message {
    let body = [family(gateway), 0, 0, 0, TABLE_MAIN, PROTOCOL_BOOT, 0, UNICAST, 0, 0, 0, 0];
    let mut message = Message::new(NEWROUTE, REQUEST | ACK | CREATE | REPLACE, &body);
    message.bytes(RTA_GATEWAY, &octets(gateway)).native32(RTA_OIF, index);
    message
}

fn new_link(flags: u16, name: &str, is_up: bool) -> Message {
    let up = if is_up { UP } else { 0 };
    let mut message = Message::new(NEWLINK, REQUEST | ACK | flags, &header(AF_UNSPEC, 0, up, up));
    message.text(IFNAME, name);
    message
}

/// `struct ifinfomsg`.
pub(super) fn header(family: u8, index: u32, flags: u32, change: u32) -> Vec<u8> {
    let mut bytes = vec![family, 0, 0, 0];
    for word in [index, flags, change] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes
}

pub(super) fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { AF_INET } else { AF_INET6 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
