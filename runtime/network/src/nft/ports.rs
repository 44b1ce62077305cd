//! Published ports: elements of our maps, in one transaction however many.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;

use rustix::io::Errno;

use super::batch::{Deed, ELEM_DATA, ELEM_KEY, Element, LIST_ELEMENTS, all_elements, elements};
use super::expression::VALUE;
use super::members::octets;
use super::rules::{PATIENCE, Rules};
use super::table::{PORTS4, PORTS6, WILD4, WILD6};
use crate::model::{PortMap, Protocol};
use crate::netlink::{Answer, Message, Refused, attributes, find};

/// Elements of one message: attributes end at 64 KiB.
const CHUNK: usize = 256;
/// Questions of one call: their answers must fit into the socket's buffer.
const QUESTIONS: usize = 32;

impl Rules {
    /// Leads ports: all or none. Those that lead elsewhere are led anew.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn publish(&mut self, ports: &[PortMap]) -> Result<(), Refused> {
        let wanted = by_map(ports);
        for _ in 0..PATIENCE {
            let generation = self.generation()?;
            let mut messages = self.write(Deed::Add, &wanted);
            match self.transact(&messages, Some(generation)) {
                Err(refused) if refused.errno == Errno::RESTART => continue,
                Err(refused) if refused.errno == Errno::BUSY || refused.errno == Errno::EXIST => {}
                result => return result,
            }
            // Somebody's entry who is gone, or ports given twice: those in the way go in the same
            // transaction.
            let there = self.lookup(&wanted)?;
            let other = differing(&wanted, &there);
            messages.splice(0..0, self.write(Deed::Delete, &other));
            match self.transact(&messages, Some(generation)) {
                Err(refused) if refused.errno == Errno::RESTART => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// Ports as messages that lead them.
    pub fn ports(&self, ports: &[PortMap]) -> Vec<Message> {
        self.write(Deed::Add, &by_map(ports))
    }

    /// Stops leading ports that lead where it says; others are left alone.
    ///
    /// # Errors
    ///
    /// What the kernel says, but for that there is no table.
    pub fn unpublish(&mut self, ports: &[PortMap]) -> Result<(), Refused> {
        let given = by_map(ports);
        for _ in 0..PATIENCE {
            let generation = self.generation()?;
            let there = self.lookup(&given)?;
            let same: Vec<_> = given
                .iter()
                .zip(&there)
                .filter(|((_, element), there)| element.data == **there)
                .map(|(given, _)| given.clone())
                .collect();
            if same.is_empty() {
                return Ok(());
            }
            let messages = self.write(Deed::Delete, &same);
            match self.transact(&messages, Some(generation)) {
                Err(refused) if refused.errno == Errno::RESTART => {}
                result => return result,
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// How many elements our maps have, and how many of them are not of `ports`.
    ///
    /// # Errors
    ///
    /// What the kernel says, but for that there is no table.
    pub fn count_ports(&mut self, ports: &[PortMap]) -> Result<(usize, usize), Refused> {
        let wanted = by_map(ports);
        let (mut all, mut strays) = (0, 0);
        for map in [PORTS4, PORTS6, WILD4, WILD6] {
            let answer = match self.ask(&all_elements(&self.table, map)) {
                Err(refused) if refused.errno == Errno::NOENT => continue,
                answer => answer?,
            };
            for reply in &answer.replies {
                let list = reply.body.get(4..).and_then(|rest| find(rest, LIST_ELEMENTS));
                for (_, element) in attributes(list.unwrap_or_default()) {
                    let part = |kind| find(element, kind).and_then(|part| find(part, VALUE));
                    let is_wanted = wanted.iter().any(|(name, one)| {
                        *name == map
                            && part(ELEM_KEY) == Some(&one.key)
                            && part(ELEM_DATA) == one.data.as_deref()
                    });
                    all += 1;
                    strays += usize::from(!is_wanted);
                }
            }
        }
        Ok((all, strays))
    }

    /// How many of `ports` our maps are to have.
    #[must_use]
    pub fn led(ports: &[PortMap]) -> usize {
        by_map(ports).len()
    }

    /// What our maps have for the keys of `wanted`, in their order.
    fn lookup(&mut self, wanted: &[(&str, Element)]) -> Result<Vec<Option<Vec<u8>>>, Refused> {
        let mut found = Vec::new();
        for some in wanted.chunks(QUESTIONS) {
            let messages: Vec<_> = some
                .iter()
                .map(|(map, element)| {
                    elements(Deed::Get, &self.table, map, std::slice::from_ref(element))
                })
                .collect();
            for answer in self.socket.exchange(&messages)? {
                found.push(match answer.outcome {
                    Some(Err(ref refused)) if refused.errno == Errno::NOENT => None,
                    Some(Err(refused)) => return Err(refused),
                    _ => data(&answer),
                });
            }
        }
        Ok(found)
    }

    fn write(&self, deed: Deed, given: &[(&'static str, Element)]) -> Vec<Message> {
        let mut messages = Vec::new();
        for map in [PORTS4, PORTS6, WILD4, WILD6] {
            let of_map: Vec<_> =
                given.iter().filter(|(name, _)| *name == map).map(|(_, e)| e.clone()).collect();
            for some in of_map.chunks(CHUNK) {
                messages.push(elements(deed, &self.table, map, some));
            }
        }
        messages
    }
}

/// What is there and is not what is wanted.
fn differing<'a>(
    wanted: &[(&'a str, Element)],
    there: &[Option<Vec<u8>>],
) -> Vec<(&'a str, Element)> {
    wanted
        .iter()
        .zip(there)
        .filter(|((_, element), there)| there.is_some() && element.data != **there)
        .map(|(wanted, _)| wanted.clone())
        .collect()
}

/// What a map has, from the answer of one question.
fn data(answer: &Answer) -> Option<Vec<u8>> {
    let list = find(answer.replies.first()?.body.get(4..)?, LIST_ELEMENTS)?;
    let (_, element) = attributes(list).next()?;
    find(element, ELEM_DATA).and_then(|data| find(data, VALUE)).map(<[u8]>::to_vec)
}

/// The elements of ports that rules can carry, with their maps; of a port given twice the last.
fn by_map(ports: &[PortMap]) -> Vec<(&'static str, Element)> {
    let mut found: Vec<(&'static str, Element)> = Vec::new();
    let mut places: HashMap<_, usize> = HashMap::new();
    for port in ports.iter().filter(|port| port.is_of_one_family()) {
        let (host, is_v4) = (port.host.ip(), port.host.is_ipv4());
        // Rules can't lead connections of `::1` away; the socket's holder does.
        if !is_v4 && host.is_loopback() {
            continue;
        }
        let mut key = padded(&[number(port.protocol)]);
        if !host.is_unspecified() {
            key.extend(octets(host));
        }
        key.extend(padded(&port.host.port().to_be_bytes()));
        let map = match (is_v4, host.is_unspecified()) {
            (true, false) => PORTS4,
            (false, false) => PORTS6,
            (true, true) => WILD4,
            (false, true) => WILD6,
        };
        let element = Element { key, end: None, data: Some(target(port.target)) };
        match places.entry((map, element.key.clone())) {
            Entry::Occupied(place) => found[*place.get()].1 = element,
            Entry::Vacant(place) => {
                place.insert(found.len());
                found.push((map, element));
            }
        }
    }
    found
}

fn target(target: SocketAddr) -> Vec<u8> {
    let mut data = octets(target.ip());
    data.extend(padded(&target.port().to_be_bytes()));
    data
}

/// `IPPROTO_*`.
pub fn number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}
