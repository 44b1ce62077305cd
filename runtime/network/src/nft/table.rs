//! Our table, rule by rule. In nft's language, `<table>` being `isopod` or `isopod-<instance>`:
//!
//! ```text
//! table inet <table> {
//!   map ports4  { type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service }   # and ports6
//!   map wild4   { type inet_proto . inet_service : ipv4_addr . inet_service }               # and wild6
//!   set bridges { type ifname }            # all of our bridges
//!   set internal { type ifname }           # those without a way out
//!   set outbound { type ifname }           # those whose containers leave under the host's address
//!   set within { type ifname . ifname }    # bridge . bridge: those whose containers reach each other
//!   set hairpin4 { type ipv4_addr . ifname; flags interval }   # subnet . bridge; and hairpin6
//! ```
//!
//! and the chains below. Maps and sets, never a rule a container: the hundredth published port costs what
//! the first did, and a packet costs the same however many there are.

use super::batch::{
    self, BaseChain, DEVICE, IPV4, IPV6, PROTOCOL, SERVICE, Set, add_chain, add_set, add_table,
    append_rule, comment, flush_chain,
};
use super::expression::{ESTABLISHED, Expression, INVALID, Ip, RELATED, Steps, Verdict};
use crate::netlink::Message;

/// `NFPROTO_INET`: IPv4 and IPv6 in one table.
pub const INET: u8 = 1;

/// What the table says of itself. To be counted up when rules or sets change: a table of another version
/// is not taken for ours.
const VERSION: &str = "made by isopod, version 3; see isopod network reload";

/// The name of an instance's table.
#[must_use]
pub fn table_name(instance: &str) -> String {
    if instance.is_empty() { "isopod".to_owned() } else { format!("isopod-{instance}") }
}

pub(super) const BRIDGES: &str = "bridges";
pub(super) const INTERNAL: &str = "internal";
pub(super) const OUTBOUND: &str = "outbound";
pub(super) const WITHIN: &str = "within";
pub(super) const HAIRPIN4: &str = "hairpin4";
pub(super) const HAIRPIN6: &str = "hairpin6";
pub(super) const PORTS4: &str = "ports4";
pub(super) const PORTS6: &str = "ports6";
pub(super) const WILD4: &str = "wild4";
pub(super) const WILD6: &str = "wild6";

const SETS: [Set; 10] = [
    Set { name: BRIDGES, key: &[DEVICE], data: &[], ranges: false },
    Set { name: INTERNAL, key: &[DEVICE], data: &[], ranges: false },
    Set { name: OUTBOUND, key: &[DEVICE], data: &[], ranges: false },
    Set { name: WITHIN, key: &[DEVICE, DEVICE], data: &[], ranges: false },
    Set { name: HAIRPIN4, key: &[IPV4, DEVICE], data: &[], ranges: true },
    Set { name: HAIRPIN6, key: &[IPV6, DEVICE], data: &[], ranges: true },
    Set { name: PORTS4, key: &[PROTOCOL, IPV4, SERVICE], data: &[IPV4, SERVICE], ranges: false },
    Set { name: PORTS6, key: &[PROTOCOL, IPV6, SERVICE], data: &[IPV6, SERVICE], ranges: false },
    Set { name: WILD4, key: &[PROTOCOL, SERVICE], data: &[IPV4, SERVICE], ranges: false },
    Set { name: WILD6, key: &[PROTOCOL, SERVICE], data: &[IPV6, SERVICE], ranges: false },
];

const PREROUTING: u32 = 0;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const POSTROUTING: u32 = 4;

/// A chain and its rules.
pub(super) struct ChainOfOurs {
    pub(super) chain: BaseChain,
    pub(super) rules: Vec<Vec<Expression>>,
}

/// Our chains.
pub(super) fn chains() -> [ChainOfOurs; 5] {
    [guard(), prerouting(), output(), postrouting(), forward()]
}

/// fe80::/10
const LINK_LOCAL: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const TEN_BITS: [u8; 16] = [0xff, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Before connections are tracked: `route_localnet` on our bridges is for the host's own connections. What
/// comes from behind a bridge has no business with 127.0.0.0/8. (As a source the kernel takes it from no wire.)
/// Nor has it a source that is somewhere else: connections are told by addresses, and a container that writes another's
/// would be taken for a part of what that one has with a published port. `rp_filter` looks too, but is off on many hosts.
fn guard() -> ChainOfOurs {
    ChainOfOurs {
        chain: BaseChain { name: "guard", kind: "filter", hook: PREROUTING, priority: -300 },
        rules: vec![
            Steps::default().to_loopback().from_any_of(BRIDGES).verdict(Verdict::Drop),
            // Never leaves its link, and a bridge without IPv6 has no route to it: neighbours are found by it.
            Steps::default().from_prefix6(LINK_LOCAL, TEN_BITS).verdict(Verdict::Return),
            Steps::default().from_any_of(BRIDGES).from_elsewhere().verdict(Verdict::Drop),
        ],
    }
}

/// Published ports, for what comes from elsewhere. A port of 127.0.0.1 is for the host's own processes:
/// a neighbour can send a packet for it too, and this chain comes before the kernel's own check.
fn prerouting() -> ChainOfOurs {
    let mut rules = vec![Steps::default().to_loopback().verdict(Verdict::Return)];
    rules.extend(lead());
    ChainOfOurs {
        chain: BaseChain { name: "prerouting", kind: "nat", hook: PREROUTING, priority: -100 },
        rules,
    }
}

/// Published ports, for the host's own processes.
fn output() -> ChainOfOurs {
    ChainOfOurs {
        chain: BaseChain { name: "output", kind: "nat", hook: OUTPUT, priority: -100 },
        rules: lead(),
    }
}

/// Leads what is for a published port to its container. A port of one address comes before that of all.
fn lead() -> Vec<Vec<Expression>> {
    let mut loopback = [0; 16];
    loopback[15] = 1;
    vec![
        // These can't be sources or destinations beyond their link; the port's socket serves them.
        Steps::default().to_prefix6(loopback, [0xff; 16]).verdict(Verdict::Return),
        Steps::default().to_prefix6(LINK_LOCAL, TEN_BITS).verdict(Verdict::Return),
        Steps::default().lead_by_address(Ip::V4, PORTS4),
        Steps::default().lead_by_address(Ip::V6, PORTS6),
        Steps::default().to_this_host().lead_by_port(Ip::V4, WILD4),
        Steps::default().to_this_host().lead_by_port(Ip::V6, WILD6),
    ]
}

/// Sources are changed for three alone, all others keep theirs: a connection that goes back into the
/// subnet it came from (its answer would not pass here), one of the host's loopback, and what leaves the
/// host from a network that asks for it.
fn postrouting() -> ChainOfOurs {
    ChainOfOurs {
        chain: BaseChain { name: "postrouting", kind: "nat", hook: POSTROUTING, priority: 100 },
        rules: vec![
            Steps::default().was_led_elsewhere().source_and_way_out(Ip::V4, HAIRPIN4).masquerade(),
            Steps::default().was_led_elsewhere().source_and_way_out(Ip::V6, HAIRPIN6).masquerade(),
            Steps::default().from_loopback().to_any_of(BRIDGES).masquerade(),
            Steps::default().from_any_of(OUTBOUND).to_none_of(BRIDGES).masquerade(),
        ],
    }
}

/// Who reaches whom. What neither comes from a bridge of ours nor goes to one is none of our business.
fn forward() -> ChainOfOurs {
    let steps = Steps::default;
    ChainOfOurs {
        chain: BaseChain { name: "forward", kind: "filter", hook: FORWARD, priority: 0 },
        rules: vec![
            steps().on_the_way(WITHIN).verdict(Verdict::Accept),
            // Before what belongs to a connection is let pass: that is told by addresses, which anybody can write.
            steps().from_any_of(INTERNAL).verdict(Verdict::Drop),
            steps().to_any_of(INTERNAL).verdict(Verdict::Drop),
            // From one network to another only to published ports, and back.
            steps()
                .from_any_of(BRIDGES)
                .to_any_of(BRIDGES)
                .was_not_led_elsewhere()
                .verdict(Verdict::Drop),
            steps().state(ESTABLISHED | RELATED).verdict(Verdict::Accept),
            // A published port, whoever asks.
            steps().to_any_of(BRIDGES).was_led_elsewhere().verdict(Verdict::Accept),
            // Anything else of a container's: another network, the world, a neighbour with a route.
            steps().to_any_of(BRIDGES).verdict(Verdict::Drop),
            // It would leave with a container's address as its source.
            steps().from_any_of(BRIDGES).state(INVALID).verdict(Verdict::Drop),
        ],
    }
}

/// The messages that make the table with its sets, chains and rules, whatever of it is there.
pub(super) fn install(table: &str) -> Vec<Message> {
    let mut messages = vec![add_table(INET, table, &comment(VERSION))];
    for (id, set) in (1..).zip(&SETS) {
        messages.push(add_set(table, set, id));
    }
    for ChainOfOurs { chain, rules } in chains() {
        messages.push(add_chain(INET, table, chain));
        messages.push(flush_chain(table, chain.name));
        messages.extend(rules.iter().map(|rule| append_rule(INET, table, chain.name, rule)));
    }
    messages
}

/// The same, from nothing.
pub(super) fn replace(table: &str) -> Vec<Message> {
    let mut messages = vec![add_table(INET, table, &comment(VERSION)), batch::delete_table(table)];
    messages.extend(install(table));
    messages
}

/// What a table of this version has as its userdata.
pub(super) fn mark() -> Vec<u8> {
    comment(VERSION)
}
