//! The table inside a container's network namespace. Its name server listens at ports of its own, so that port 53
//! stays the container's to bind; questions for port 53 of the server's address are led there. In nft's language:
//!
//! ```text
//! table ip isopod {
//!   chain questions {
//!     type filter hook output priority raw
//!     ip daddr 127.0.0.11 udp dport 53 udp dport set <udp>      # and tcp
//!   }
//!   chain answers {
//!     type filter hook output priority 300
//!     ip saddr 127.0.0.11 udp sport <udp> udp sport set 53      # and tcp
//!   }
//! }
//! ```
//!
//! Ports are written into the packets, and nobody has to remember connections for that: a rule of NAT would have
//! the kernel track every connection of the container once more. Where the container itself has them
//! tracked, that sees both directions alike: behind the one chain, before the other.

use std::net::SocketAddrV4;

use super::batch::{BaseChain, add_chain, add_table, append_rule, comment};
use super::expression::{End, Expression, Steps, Transport};
use super::rules::Rules;
use crate::netlink::{Message, Refused};

/// `NFPROTO_IPV4`.
const IPV4: u8 = 2;
const TABLE: &str = "isopod";
const COMMENT: &str = "leads questions for names to the name server";
const OUTPUT: u32 = 3;
/// Before connections are tracked (`NF_IP_PRI_RAW`).
const BEFORE: i32 = -300;
/// Behind all that this hook has.
const BEHIND: i32 = 300;

/// Leads what is sent to `server` to the ports `udp` and `tcp` of the same address, in the network namespace of
/// this thread, which has no such table yet.
///
/// # Errors
///
/// What the kernel says.
pub fn lead_questions(server: SocketAddrV4, udp: u16, tcp: u16) -> Result<(), Refused> {
    let messages = table(server, udp, tcp);
    Rules::open(TABLE.to_owned())?.transact(&messages, None)
}

fn table(server: SocketAddrV4, udp: u16, tcp: u16) -> Vec<Message> {
    let mut messages = vec![add_table(IPV4, TABLE, &comment(COMMENT))];
    for (name, priority, end) in
        [("questions", BEFORE, End::Destination), ("answers", BEHIND, End::Source)]
    {
        let chain = BaseChain { name, kind: "filter", hook: OUTPUT, priority };
        messages.push(add_chain(IPV4, TABLE, chain));
        for (transport, ours) in [(Transport::Udp, udp), (Transport::Tcp, tcp)] {
            let rule = rewrite(server, end, transport, ours);
            messages.push(append_rule(IPV4, TABLE, name, &rule));
        }
    }
    messages
}

fn rewrite(server: SocketAddrV4, end: End, transport: Transport, ours: u16) -> Vec<Expression> {
    let (from, to) = match end {
        End::Destination => (server.port(), ours),
        End::Source => (ours, server.port()),
    };
    Steps::default().end_is(end, *server.ip(), transport, from).set_port(end, transport, to)
}
