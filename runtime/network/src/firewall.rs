//! Other firewalls. A chain that drops what it does not accept drops our traffic too: every chain of a
//! hook has its say. Where it is iptables' own, we put two marked rules for each of our bridges into it,
//! in the chain that docker leaves to others if there is one; where it is not, we say so. What comes to
//! a bridge is still sieved by our own table.

use std::fs;

use rustix::io::Errno;

use crate::driver::refused;
use crate::error::Result;
use crate::model::{Driver, Network};
use crate::netlink::Refused;
use crate::nft::{Chain, Hook, Rules, Steps, Verdict, comment, delete_rule, insert_rule};
use crate::warning::Warning;

/// `NFPROTO_*` of iptables' and ip6tables' tables.
const FAMILIES: [u8; 2] = [2, 10];
const FILTER: &str = "filter";
const FORWARD: &str = "FORWARD";
const DOCKER_USER: &str = "DOCKER-USER";
/// Its chains accept by policy and reject in their last rule.
const FIREWALLD: &str = "firewalld";
const LEGACY: [&str; 2] = ["ip_tables_names", "ip6_tables_names"];

/// How far [`open`] looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// At all chains: there may be thousands.
    Everywhere,
    /// At those that we may put rules into.
    AtIptables,
}

/// Lets the traffic of a network through other firewalls where they would drop it. Of those that can't
/// be asked it warns if it looks at them.
///
/// # Errors
///
/// What the kernel refuses.
pub fn open(rules: &mut Rules, network: &Network, look: Look) -> Result<Vec<Warning>> {
    let Some(device) = bridge(network) else {
        return Ok(Vec::new());
    };
    // What an internal network forwards is at most within its bridge.
    let (all, mut warnings) = match look {
        Look::Everywhere if network.internal => (rules.chains(), Vec::new()),
        Look::Everywhere => (rules.chains(), legacy(network, device)),
        Look::AtIptables => {
            let of_family = |family| [(family, FILTER, FORWARD), (family, FILTER, DOCKER_USER)];
            let wanted: Vec<_> = FAMILIES.into_iter().flat_map(of_family).collect();
            (rules.some_chains(&wanted), Vec::new())
        }
    };
    let all = all.map_err(refused("list the chains of", "nftables"))?;
    let ours = rules.table().to_owned();
    for chain in all.iter().filter(|chain| may_drop(chain) && concerns(chain.family, network)) {
        if chain.table == ours {
            continue;
        }
        if is_iptables(chain) {
            let place = place(&all, chain);
            let failed = refused("add an exception to", &shown(chain));
            insert(rules, chain.family, (&chain.table, &place), network, device).map_err(failed)?;
        } else if !network.internal {
            warnings.push(Warning::Firewall {
                table: shown(chain),
                chain: chain.name.clone(),
                device: device.to_owned(),
            });
        }
    }
    Ok(warnings)
}

/// Takes the exceptions of a bridge away.
///
/// # Errors
///
/// What the kernel refuses.
pub fn close(rules: &mut Rules, device: &str) -> Result<()> {
    let mark = mark(rules, device);
    for family in FAMILIES {
        for chain in [FORWARD, DOCKER_USER] {
            let failed = refused("remove our exceptions from the chain", chain);
            remove(rules, family, (FILTER, chain), &mark).map_err(failed)?;
        }
    }
    Ok(())
}

fn bridge(network: &Network) -> Option<&str> {
    match &network.driver {
        Driver::Bridge { device, .. } => Some(device),
        Driver::Macvlan { .. } => None,
    }
}

fn may_drop(chain: &Chain) -> bool {
    chain.hook == Some(Hook::Forward as u32) && (chain.drops || chain.table == FIREWALLD)
}

/// Whether a chain sees packets of the network: `inet` and `ip`; `ip6` only of an IPv6 one.
fn concerns(family: u8, network: &Network) -> bool {
    match family {
        1 => true,
        2 => network.ipv4.is_some(),
        10 => network.ipv6.is_some(),
        _ => false,
    }
}

fn is_iptables(chain: &Chain) -> bool {
    FAMILIES.contains(&chain.family) && chain.table == FILTER && chain.name == FORWARD
}

/// The chain for exceptions to `forward`: docker's for others, which comes before its own.
fn place(all: &[Chain], forward: &Chain) -> String {
    let has_docker = all.iter().any(|chain| {
        (chain.family, &chain.table) == (forward.family, &forward.table)
            && chain.name == DOCKER_USER
    });
    (if has_docker { DOCKER_USER } else { FORWARD }).to_owned()
}

/// Puts our rules in, unless they are there. Of expressions that iptables knows, or it would refuse to
/// show its own table.
fn insert(
    rules: &mut Rules,
    family: u8,
    place: (&str, &str),
    network: &Network,
    device: &str,
) -> Result<(), Refused> {
    let mark = mark(rules, device);
    let there = rules.marked(family, place, &mark)?;
    let steps = Steps::default;
    let accept = |steps: Steps| steps.counted().verdict(Verdict::Accept);
    let wanted = if network.internal {
        vec![accept(steps().from_device(device).to_device(device))]
    } else {
        vec![accept(steps().from_device(device)), accept(steps().to_device(device))]
    };
    if there.len() == wanted.len() {
        return Ok(());
    }
    let mut messages: Vec<_> =
        there.iter().map(|handle| delete_rule(family, place, *handle)).collect();
    messages.extend(wanted.iter().map(|rule| insert_rule(family, place, rule, &mark)));
    rules.transact(&messages, None)
}

fn remove(rules: &mut Rules, family: u8, place: (&str, &str), mark: &[u8]) -> Result<(), Refused> {
    let there = match rules.marked(family, place, mark) {
        Err(refused) if refused.errno == Errno::NOENT => return Ok(()),
        there => there?,
    };
    if there.is_empty() {
        return Ok(());
    }
    let messages: Vec<_> = there.iter().map(|handle| delete_rule(family, place, *handle)).collect();
    match rules.transact(&messages, None) {
        // Somebody flushed the chain meanwhile.
        Err(refused) if refused.errno == Errno::NOENT => Ok(()),
        result => result,
    }
}

/// What marks the rules of a bridge of this instance.
fn mark(rules: &Rules, device: &str) -> Vec<u8> {
    comment(&format!("{} {device}", rules.table()))
}

fn shown(chain: &Chain) -> String {
    let family = match chain.family {
        1 => "inet",
        2 => "ip",
        _ => "ip6",
    };
    format!("{family} {}", chain.table)
}

/// Tables that only the old interface of iptables knows: it can't be asked without its library.
fn legacy(network: &Network, device: &str) -> Vec<Warning> {
    FAMILIES
        .into_iter()
        .zip(LEGACY)
        .filter(|(family, _)| concerns(*family, network))
        .filter(|(_, names)| {
            let path = format!("/proc/thread-self/net/{names}");
            fs::read_to_string(path).is_ok_and(|names| names.lines().any(|name| name == FILTER))
        })
        .map(|(family, _)| Warning::Firewall {
            table: format!(
                "{} {FILTER}",
                if family == 2 { "iptables-legacy" } else { "ip6tables-legacy" }
            ),
            chain: FORWARD.to_owned(),
            device: device.to_owned(),
        })
        .collect()
}
