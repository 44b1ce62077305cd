//! Connection tracking's memory of UDP ports. Datagrams have no end that the kernel sees: a client that
//! goes on sending is led where its first datagram was, to a container that is gone or past one that has
//! come. So what it remembers of a port is forgotten when the port changes hands.

use std::net::{IpAddr, SocketAddr};

use rustix::io::Errno;

use crate::link::Links;
use crate::model::{PortMap, Protocol};
use crate::netlink::{Family, Message, Refused, Socket, be16, find};
use crate::nft;

/// `NFNL_SUBSYS_CTNETLINK`, and its messages.
const GET: u16 = 1 << 8 | 1;
const DELETE: u16 = 1 << 8 | 2;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;

const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTO: u16 = 2;
const PROTO_NUM: u16 = 1;
const PROTO_SRC_PORT: u16 = 2;
const PROTO_DST_PORT: u16 = 3;
const IP_SOURCE: [u16; 2] = [1, 3];
const IP_DESTINATION: [u16; 2] = [2, 4];
const ZONE: u16 = 18;
const ID: u16 = 12;
const FILTER: u16 = 25;
const FILTER_ORIG_FLAGS: u16 = 1;
/// `CTA_FILTER_FLAG(CTA_PROTO_NUM)`, and of the destination's port.
const FILTER_BY: u32 = 1 << 3 | 1 << 5;
const DELETIONS: usize = 64;

/// Forgets the connections of UDP ports among `ports` that were made for the host's address and port.
///
/// # Errors
///
/// What the kernel says, but for what is forgotten already.
pub fn forget(ports: &[PortMap]) -> Result<(), Refused> {
    let udp: Vec<&PortMap> =
        ports.iter().filter(|p| p.protocol == Protocol::Udp && p.is_of_one_family()).collect();
    if udp.is_empty() {
        return Ok(());
    }
    let mut socket = Socket::open(Family::Netfilter)?;
    let own = Links::open()?.own_addresses()?;
    for port in udp {
        let stale = stale(&mut socket, port, &own)?;
        for some in stale.chunks(DELETIONS) {
            for answer in socket.exchange(some)? {
                match answer.outcome {
                    Some(Err(refused)) if refused.errno != Errno::NOENT => return Err(refused),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// Messages that delete what was tracked for a port; `own` are the host's addresses.
fn stale(socket: &mut Socket, port: &PortMap, own: &[IpAddr]) -> Result<Vec<Message>, Refused> {
    let family = if port.host.is_ipv4() { 2 } else { 10 };
    let number = nft::number(port.protocol);
    let mut message = Message::new(GET, REQUEST | DUMP, &[family, 0, 0, 0]);
    message.nest(TUPLE_ORIG, |tuple| {
        tuple.nest(TUPLE_PROTO, |proto| {
            proto.bytes(PROTO_NUM, &[number]);
            proto.bytes(PROTO_DST_PORT, &port.host.port().to_be_bytes());
        });
    });
    message.nest(FILTER, |filter| {
        filter.native32(FILTER_ORIG_FLAGS, FILTER_BY);
    });
    let answer = socket.exchange(&[message])?.pop().expect("one answer a message");
    if let Some(Err(refused)) = answer.outcome {
        return Err(refused);
    }
    let mut found = Vec::new();
    for reply in &answer.replies {
        found.extend(deletion(&reply.body, port, own));
    }
    Ok(found)
}

/// The message that deletes a connection, if it concerns this port.
pub(crate) fn deletion(body: &[u8], port: &PortMap, own: &[IpAddr]) -> Option<Message> {
    let family = if port.host.is_ipv4() { 2 } else { 10 };
    let rest = body.get(4..)?;
    let orig = find(rest, TUPLE_ORIG)?;
    let number = [nft::number(port.protocol)];
    if find(orig, TUPLE_PROTO).and_then(|p| find(p, PROTO_NUM)) != Some(&number)
        || !concerns(port, own, orig, find(rest, TUPLE_REPLY))
    {
        return None;
    }
    let mut delete = Message::new(DELETE, REQUEST | ACK, &[family, 0, 0, 0]);
    delete.bytes(TUPLE_ORIG | NESTED, orig);
    for kind in [ZONE, ID] {
        if let Some(value) = find(rest, kind) {
            delete.bytes(kind, value);
        }
    }
    Some(delete)
}

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;

/// Whether a connection was made for this port of the host, or is led to its target from any.
fn concerns(port: &PortMap, own: &[IpAddr], orig: &[u8], reply: Option<&[u8]>) -> bool {
    let Some(asked) = end(orig, IP_DESTINATION, PROTO_DST_PORT) else { return false };
    let led_to = reply.and_then(|reply| end(reply, IP_SOURCE, PROTO_SRC_PORT));
    asked.port() == port.host.port()
        && (asked.ip() == port.host.ip()
            || led_to == Some(port.target)
            || port.host.ip().is_unspecified() && own.contains(&asked.ip()))
}

fn end(tuple: &[u8], addresses: [u16; 2], port: u16) -> Option<SocketAddr> {
    let ip = find(tuple, TUPLE_IP)?;
    let address = addresses.into_iter().find_map(|kind| find(ip, kind))?;
    let address = match address.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
    };
    let port = find(find(tuple, TUPLE_PROTO)?, port).and_then(be16)?;
    Some(SocketAddr::new(address, port))
}
