//! A socket for devices, addresses and routes, and what we ask through it.

use std::net::IpAddr;

use rustix::io::Errno;

use super::request::{ADDRESS, IFALIAS, IFNAME, INFO_KIND, LINKINFO, MASTER, MTU, UP, header};
use crate::netlink::{Family, Message, Refused, Reply, Socket, attributes, find, native32, text};
use crate::subnets::Prefix;

const GETLINK: u16 = 18;
const GETADDR: u16 = 22;
const GETROUTE: u16 = 26;
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const DUMP: u16 = 0x300;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_TABLE: u16 = 15;
/// `RTPROT_RA`.
const PROTOCOL_RA: u8 = 9;
const TABLE_MAIN: u32 = 254;
const TABLE_LOCAL: u32 = 255;
/// How often a dump is begun anew when the host changes under it.
const PATIENCE: usize = 16;

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `bridge`, `veth`, …; a real device has none.
    pub kind: Option<String>,
    /// Its hardware address, if it has one of six bytes.
    pub mac: Option<[u8; 6]>,
    /// Bytes of the greatest packet.
    pub mtu: u32,
    /// Whether it is up.
    pub is_up: bool,
    /// What somebody wrote on it.
    pub alias: Option<String>,
    /// The number of the bridge that it is a port of.
    pub master: Option<u32>,
}

/// A socket for devices, addresses and routes.
#[derive(Debug)]
pub struct Links {
    socket: Socket,
}

impl Links {
    /// Opens one, in the network namespace of this thread.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn open() -> Result<Self, Refused> {
        Ok(Self { socket: Socket::open(Family::Route)? })
    }

    /// Sends all `messages` in one call; the kernel does each whatever became of those before. Returns
    /// the first that was refused, unless with one of `accepted`.
    ///
    /// # Errors
    ///
    /// As said.
    pub fn change(&mut self, messages: &[Message], accepted: &[Errno]) -> Result<(), Refused> {
        for answer in self.socket.exchange(messages)? {
            match answer.outcome {
                Some(Err(refused)) if !accepted.contains(&refused.errno) => return Err(refused),
                _ => {}
            }
        }
        Ok(())
    }

    /// The device of a name.
    ///
    /// # Errors
    ///
    /// What the kernel says, but for that there is none.
    pub fn find(&mut self, name: &str) -> Result<Option<Link>, Refused> {
        let mut message = Message::new(GETLINK, REQUEST | ACK, &header(0, 0, 0, 0));
        message.text(IFNAME, name);
        let answer = self.socket.exchange(&[message])?.pop().expect("one answer a message");
        match answer.outcome {
            Some(Err(refused)) if refused.errno == Errno::NODEV => Ok(None),
            Some(Err(refused)) => Err(refused),
            _ => Ok(answer.replies.first().and_then(link)),
        }
    }

    /// All devices.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn all(&mut self) -> Result<Vec<Link>, Refused> {
        let replies = self.dump(GETLINK, &header(0, 0, 0, 0))?;
        Ok(replies.iter().filter_map(link).collect())
    }

    /// The addresses of a device, with their prefixes.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn addresses(&mut self, index: u32) -> Result<Vec<(IpAddr, u8)>, Refused> {
        let mut body = vec![0; 4];
        body.extend(index.to_ne_bytes());
        match self.dump(GETADDR, &body) {
            Ok(replies) => Ok(replies.iter().filter_map(address).map(|(a, p, _)| (a, p)).collect()),
            Err(refused) if refused.errno == Errno::NODEV => Ok(Vec::new()),
            Err(refused) => Err(refused),
        }
    }

    /// All addresses of this host.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn own_addresses(&mut self) -> Result<Vec<IpAddr>, Refused> {
        let replies = self.dump(GETADDR, &[0; 8])?;
        Ok(replies.iter().filter_map(address).map(|(address, ..)| address).collect())
    }

    /// Subnets of the host's addresses and destinations of its routes, default
    /// ones left out.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn occupied(&mut self) -> Result<Vec<Prefix>, Refused> {
        let mut found = Vec::new();
        for reply in self.dump(GETADDR, &[0; 8])? {
            found.extend(address(&reply).and_then(|(a, prefix, _)| Prefix::around(a, prefix)));
        }
        for reply in self.dump(GETROUTE, &[0; 12])? {
            found.extend(destination(&reply));
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// The devices that default routes lead through, IPv4's first.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn default_routes(&mut self) -> Result<Vec<u32>, Refused> {
        let replies = self.dump(GETROUTE, &[0; 12])?;
        let mut found: Vec<(u8, u32)> = replies.iter().filter_map(default_route).collect();
        found.sort_by_key(|(family, _)| *family);
        Ok(found.into_iter().map(|(_, index)| index).collect())
    }

    /// The devices that default routes lead through which routers advertised.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn advertised_routes(&mut self) -> Result<Vec<u32>, Refused> {
        let replies = self.dump(GETROUTE, &[0; 12])?;
        Ok(replies.iter().filter_map(advertised_route).collect())
    }

    fn dump(&mut self, kind: u16, body: &[u8]) -> Result<Vec<Reply>, Refused> {
        let message = Message::new(kind, REQUEST | DUMP, body);
        for _ in 0..PATIENCE {
            let answer =
                self.socket.exchange(std::slice::from_ref(&message))?.pop().expect("one answer");
            if let Some(Err(refused)) = answer.outcome {
                return Err(refused);
            }
            if !answer.was_interrupted {
                return Ok(answer.replies);
            }
        }
        Err(Errno::AGAIN.into())
    }
}

/// Has every reader here look at a reply, whatever it answers; how many could read it.
pub(crate) fn read_by_all(reply: &Reply) -> usize {
    usize::from(link(reply).is_some())
        + usize::from(address(reply).is_some())
        + usize::from(destination(reply).is_some())
        + usize::from(default_route(reply).is_some())
        + usize::from(advertised_route(reply).is_some())
}

fn link(reply: &Reply) -> Option<Link> {
    let (head, rest) = reply.body.split_at_checked(16)?;
    let mut link = Link {
        index: native32(&head[4..8])?,
        name: String::new(),
        kind: None,
        mac: None,
        mtu: 0,
        is_up: native32(&head[8..12])? & UP != 0,
        alias: None,
        master: None,
    };
    for (kind, value) in attributes(rest) {
        match kind {
            IFNAME => link.name = text(value),
            MTU => link.mtu = native32(value)?,
            ADDRESS => link.mac = value.try_into().ok(),
            MASTER => link.master = native32(value),
            IFALIAS => link.alias = Some(text(value)),
            LINKINFO => link.kind = find(value, INFO_KIND).map(text),
            _ => {}
        }
    }
    Some(link)
}

fn address(reply: &Reply) -> Option<(IpAddr, u8, u32)> {
    let (head, rest) = reply.body.split_at_checked(8)?;
    let value = find(rest, IFA_LOCAL).or_else(|| find(rest, IFA_ADDRESS))?;
    Some((ip(value)?, head[1], native32(&head[4..8])?))
}

/// Where a route leads, if it is one of packets to other hosts and no default route.
fn destination(reply: &Reply) -> Option<Prefix> {
    let (head, rest) = reply.body.split_at_checked(12)?;
    if head[1] == 0 || table(head, rest) == TABLE_LOCAL {
        return None;
    }
    let address = ip(find(rest, RTA_DST)?)?;
    let is_multicast = address.is_multicast();
    Prefix::around(address, head[1]).filter(|_| !is_multicast)
}

/// Family and device of a default route of the main table.
fn default_route(reply: &Reply) -> Option<(u8, u32)> {
    let (head, rest) = reply.body.split_at_checked(12)?;
    if head[1] != 0 || table(head, rest) != TABLE_MAIN {
        return None;
    }
    Some((head[0], find(rest, RTA_OIF).and_then(native32)?))
}

/// The device of a default route that a router advertised.
fn advertised_route(reply: &Reply) -> Option<u32> {
    let (head, rest) = reply.body.split_at_checked(12)?;
    if head[1] != 0 || head[5] != PROTOCOL_RA {
        return None;
    }
    find(rest, RTA_OIF).and_then(native32)
}

fn table(head: &[u8], rest: &[u8]) -> u32 {
    find(rest, RTA_TABLE).and_then(native32).unwrap_or_else(|| u32::from(head[4]))
}

fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
        _ => None,
    }
}
