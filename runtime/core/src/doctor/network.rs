//! What networks of containers need: devices and rules, tried in a network namespace of our own, the settings of the host,
//! firewalls of others, name servers, authorities.

use isopod_network::probe::{self, Ability};
use isopod_registry::Roots;

use super::{Checkup, Machine, Verdict, number, read};
use crate::error::words;

const SUBJECT: &str = "network";

pub(super) fn examine(_: &Machine) -> Vec<Checkup> {
    let mut found = abilities();
    found.extend([forwarding(), reverse_path(), bridge_filter(), tracking(), ipv6(), low_ports()]);
    found.extend(firewalls());
    found.push(name_servers());
    found.push(authorities());
    found
}

fn abilities() -> Vec<Checkup> {
    let feature = |ability: Ability| match ability {
        Ability::Namespace => "--network but host",
        Ability::Bridge | Ability::Veth => "bridge networks, the default one among them",
        Ability::Macvlan => "network create -d macvlan",
        Ability::Vlan => "macvlan networks with a parent DEVICE.ID",
        Ability::Vxlan => "networks over several machines, which are made by other programs so far",
        Ability::Rules => "bridge networks: published ports, confinement, masquerading",
    };
    let checkup = |(ability, outcome): (Ability, Result<(), isopod_network::Error>)| {
        let checkup =
            |detail: String| Checkup::ok(SUBJECT, ability.as_str(), detail).of(feature(ability));
        match outcome {
            Ok(()) => checkup("can be made".to_owned()),
            Err(error) => checkup(words(&error)).but(
                match ability {
                    Ability::Vxlan => Verdict::Limited,
                    _ => Verdict::Missing,
                },
                format!(
                    "modprobe {}, and CAP_NET_ADMIN; --network host works without",
                    ability.module()
                ),
            ),
        }
    };
    probe::abilities().into_iter().map(checkup).collect()
}

fn forwarding() -> Checkup {
    let checkup =
        |detail: &str| Checkup::ok(SUBJECT, "forwarding", detail).of("ways out of bridge networks");
    match number("/proc/sys/net/ipv4/ip_forward") {
        Some(1) => checkup("net.ipv4.ip_forward is on"),
        // The first network turns it on.
        Some(_) => checkup("net.ipv4.ip_forward is off, until the first bridge network"),
        None => checkup("net.ipv4.ip_forward can't be read")
            .but(Verdict::Missing, "mount procfs on /proc"),
    }
}

fn reverse_path() -> Checkup {
    let all = number("/proc/sys/net/ipv4/conf/all/rp_filter").unwrap_or(0);
    let words =
        ["off", "strict", "loose"].get(usize::try_from(all).unwrap_or(9)).unwrap_or(&"unknown");
    Checkup::ok(SUBJECT, "rp_filter", *words).of("hosts with several ways out")
}

/// bridge-nf-call-iptables has frames on a bridge seen by iptables' rules.
fn bridge_filter() -> Checkup {
    let checkup = |detail: &str| {
        Checkup::ok(SUBJECT, "bridge-nf", detail).of("traffic between containers of a network")
    };
    match number("/proc/sys/net/bridge/bridge-nf-call-iptables") {
        Some(1) => checkup("iptables sees frames on bridges: rules of others apply to them"),
        _ => checkup("off"),
    }
}

fn tracking() -> Checkup {
    let checkup = |detail: String| {
        Checkup::ok(SUBJECT, "conntrack", detail).of("published ports, masquerading")
    };
    match number("/proc/sys/net/netfilter/nf_conntrack_max") {
        Some(most) => {
            let now = number("/proc/sys/net/netfilter/nf_conntrack_count").unwrap_or(0);
            let checkup = checkup(format!("{now} of {most} connections"));
            match now > most - most / 10 {
                true => checkup.but(Verdict::Limited, "sysctl net.netfilter.nf_conntrack_max=…"),
                false => checkup,
            }
        }
        None => checkup("not in use yet: it comes with the first rules".to_owned()),
    }
}

fn ipv6() -> Checkup {
    let checkup = |detail: &str| Checkup::ok(SUBJECT, "IPv6", detail).of("network create --ipv6");
    match number("/proc/sys/net/ipv6/conf/all/disable_ipv6") {
        Some(0) => checkup("on"),
        Some(_) => checkup("switched off")
            .but(Verdict::Limited, "sysctl net.ipv6.conf.all.disable_ipv6=0, if it is wanted"),
        None => checkup("not in this kernel")
            .but(Verdict::Limited, "boot without ipv6.disable=1, if it is wanted"),
    }
}

fn low_ports() -> Checkup {
    let first = number("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or(1024);
    Checkup::ok(SUBJECT, "low ports", format!("those below {first} need CAP_NET_BIND_SERVICE"))
        .of("publishing ports")
}

/// Others' rules that drop what is forwarded: docker's, or a hardened host's.
fn firewalls() -> Vec<Checkup> {
    let checkup =
        |detail: String| Checkup::ok(SUBJECT, "other firewalls", detail).of("bridge networks");
    let drops = match probe::foreign_drops() {
        Ok(drops) => drops,
        Err(error) => {
            let detail = format!("can't be asked: {}", words(&error));
            return vec![checkup(detail).but(Verdict::Limited, "nftables and CAP_NET_ADMIN")];
        }
    };
    if drops.is_empty() {
        return vec![checkup("none drops what is forwarded".to_owned())];
    }
    let advice = "networks of ours are let through iptables' FORWARD and DOCKER-USER by ourselves; \
                  other tables must accept traffic of the devices that `isopod network ls` shows";
    vec![
        checkup(format!("drop what is forwarded: {}", drops.join(", ")))
            .but(Verdict::Limited, advice),
    ]
}

fn name_servers() -> Checkup {
    let text = read("/etc/resolv.conf").unwrap_or_default();
    let servers: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver")?.split_whitespace().next())
        .collect();
    let checkup = |detail: String| Checkup::ok(SUBJECT, "name servers", detail).of("pulls, names");
    match servers.is_empty() {
        false => checkup(servers.join(", ")),
        true => checkup("none in /etc/resolv.conf".to_owned())
            .but(Verdict::Limited, "name one there, or give containers --dns"),
    }
}

fn authorities() -> Checkup {
    let checkup = |detail: String| {
        Checkup::ok(SUBJECT, "certificate authorities", detail).of("pulls and pushes over TLS")
    };
    let advice = "install ca-certificates, or name the authority in hosts.toml";
    match Roots::system().count() {
        Ok(0) => checkup("none are installed".to_owned()).but(Verdict::Missing, advice),
        Ok(count) => checkup(format!("{count} are trusted")),
        Err(error) => checkup(words(&error)).but(Verdict::Missing, advice),
    }
}
