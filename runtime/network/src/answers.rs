//! Every reader of the kernel's answers over bytes of the caller's: for tests that feed them with what no
//! kernel says. Nothing else needs this.

use std::net::IpAddr;

use crate::model::PortMap;
use crate::netlink::pieces;
use crate::{conntrack, link, nft};

/// What was found in some bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Found {
    /// Replies that the bytes hold.
    pub replies: usize,
    /// Acknowledgements and ends of dumps, and how many of those are errors.
    pub outcomes: (usize, usize),
    /// How often a reader could read a reply as what it looks for.
    pub read: usize,
}

/// Takes `bytes` for what a netlink socket has received, and has every reader look at every reply.
#[must_use]
pub fn read(bytes: &[u8], port: &PortMap, own: &[IpAddr]) -> Found {
    let (replies, outcomes) = pieces(bytes);
    let mut found = Found {
        replies: replies.len(),
        outcomes: (outcomes.len(), outcomes.iter().filter(|outcome| outcome.is_err()).count()),
        read: 0,
    };
    for reply in &replies {
        found.read += link::read_by_all(reply)
            + nft::names(&reply.body).len()
            + usize::from(nft::chain(&reply.body).is_some())
            + usize::from(nft::handle(&reply.body, b"mark").is_some())
            + usize::from(conntrack::deletion(&reply.body, port, own).is_some());
    }
    found
}
