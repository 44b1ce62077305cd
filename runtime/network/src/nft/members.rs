//! What our sets have of a network.

use std::net::IpAddr;

use rustix::io::Errno;

use super::batch::{Deed, ELEM_KEY, Element, LIST_ELEMENTS, all_elements, elements};
use super::expression::{VALUE, interface};
use super::rules::Rules;
use super::table::{BRIDGES, HAIRPIN4, HAIRPIN6, INTERNAL, OUTBOUND, WITHIN};
use crate::model::{Driver, Network};
use crate::netlink::{Message, Refused, attributes, find, text};
use crate::subnets::Prefix;

impl Rules {
    /// Whether our sets have all of a network.
    ///
    /// # Errors
    ///
    /// What the kernel says, but for that there is no table.
    pub fn has_network(&mut self, network: &Network) -> Result<bool, Refused> {
        let questions: Vec<_> = members(network)
            .iter()
            .map(|(set, element)| {
                elements(Deed::Get, &self.table, set, std::slice::from_ref(element))
            })
            .collect();
        for answer in self.socket.exchange(&questions)? {
            match answer.outcome {
                Some(Err(refused)) if refused.errno == Errno::NOENT => return Ok(false),
                Some(Err(refused)) => return Err(refused),
                _ => {}
            }
        }
        Ok(true)
    }

    /// Puts a network's bridge and subnets into our sets. What is there already stays.
    ///
    /// # Errors
    ///
    /// What the kernel says; nothing is put then.
    pub fn add_network(&mut self, network: &Network) -> Result<(), Refused> {
        let messages = self.network(network);
        self.transact(&messages, None)
    }

    /// The same as messages.
    pub fn network(&self, network: &Network) -> Vec<Message> {
        members(network)
            .iter()
            .map(|(set, element)| {
                elements(Deed::Add, &self.table, set, std::slice::from_ref(element))
            })
            .collect()
    }

    /// Takes a network's bridge and subnets out of our sets.
    ///
    /// # Errors
    ///
    /// What the kernel says, but for what is not there.
    pub fn remove_network(&mut self, network: &Network) -> Result<(), Refused> {
        let mut members = members(network);
        // Each refusal is of one that is gone already: the rest is tried without it.
        while !members.is_empty() {
            let messages: Vec<_> = members
                .iter()
                .map(|(set, element)| {
                    elements(Deed::Delete, &self.table, set, std::slice::from_ref(element))
                })
                .collect();
            let answers = self.attempt(&messages, None)?;
            let mut kept = Vec::new();
            let mut gone = 0;
            for (nth, answer) in answers.into_iter().enumerate() {
                match answer.outcome {
                    Some(Err(refused)) if refused.errno == Errno::NOENT && nth < members.len() => {
                        gone += 1;
                    }
                    Some(Err(refused)) => return Err(refused),
                    _ => kept.extend(members.get(nth).cloned()),
                }
            }
            if gone == 0 {
                return Ok(());
            }
            members = kept;
        }
        Ok(())
    }

    /// The bridges that our table knows.
    ///
    /// # Errors
    ///
    /// What the kernel says, but for that there is no table.
    pub fn bridges(&mut self) -> Result<Vec<String>, Refused> {
        let message = all_elements(&self.table, BRIDGES);
        let answer = match self.ask(&message) {
            Err(refused) if refused.errno == Errno::NOENT => return Ok(Vec::new()),
            answer => answer?,
        };
        Ok(answer.replies.iter().flat_map(|reply| names(&reply.body)).collect())
    }
}

/// The names that are elements of a set.
pub(crate) fn names(body: &[u8]) -> Vec<String> {
    let list = body.get(4..).and_then(|rest| find(rest, LIST_ELEMENTS));
    let name = |element| find(element, ELEM_KEY).and_then(|key| find(key, VALUE)).map(text);
    attributes(list.unwrap_or_default()).filter_map(|(_, element)| name(element)).collect()
}

/// What a network has in which set.
fn members(network: &Network) -> Vec<(&'static str, Element)> {
    let Driver::Bridge { device, masquerade, inter_container } = &network.driver else {
        return Vec::new();
    };
    let name = interface(device);
    let pair = [name.clone(), name.clone()].concat();
    let mut members = vec![(BRIDGES, element(name.clone(), None))];
    if network.internal {
        members.push((INTERNAL, element(name.clone(), None)));
    } else if *masquerade {
        members.push((OUTBOUND, element(name.clone(), None)));
    }
    if *inter_container {
        members.push((WITHIN, element(pair, None)));
    }
    let ipv4 = network.ipv4.and_then(|s| Prefix::around(s.network.into(), s.prefix));
    let ipv6 = network.ipv6.and_then(|s| Prefix::around(s.network.into(), s.prefix));
    for (set, prefix) in [(HAIRPIN4, ipv4), (HAIRPIN6, ipv6)] {
        let Some(prefix) = prefix else { continue };
        let first = [octets(prefix.network), name.clone()].concat();
        let last = [octets(prefix.last()), name.clone()].concat();
        members.push((set, element(first, Some(last))));
    }
    members
}

fn element(key: Vec<u8>, end: Option<Vec<u8>>) -> Element {
    Element { key, end, data: None }
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
