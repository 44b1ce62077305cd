//! Our table beside others: flushes, other firewalls, many ports; looked at with `nft` and `iptables`.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

mod stage;

use isopod_network::{PortMap, Warning};
use serde_json::Value;
use stage::{Bridged, HOST, Stage, bridge, is_silent, json, nft, run, serve, tcp, told, udp};

/// How many objects of a kind the rule set has.
fn count(rules: &Value, kind: &str) -> usize {
    rules["nftables"].as_array().unwrap().iter().filter(|o| o.get(kind).is_some()).count()
}

/// The elements of a set or map of ours, as nft shows them.
fn elements(stage: &Stage, kind: &str, name: &str) -> Vec<String> {
    let listed = stage.within(|| json(&format!("nft -j list {kind} inet isopod {name}")));
    let set = listed["nftables"].as_array().unwrap().iter().find_map(|o| o.get(kind)).unwrap();
    let all = set.get("elem").and_then(Value::as_array).cloned().unwrap_or_default();
    all.iter().map(ToString::to_string).collect()
}

#[test]
fn what_somebody_flushes_is_noticed_and_put_back() {
    let stage = Stage::new();
    let network = bridge(1);
    assert!(!stage.within(|| stage.host.is_intact()).unwrap());
    stage.ensure(&network);
    let web = stage.container(&network, 2);
    serve(&web, "0.0.0.0:80", "web");
    serve(&stage.world, "0.0.0.0:80", "world");
    let port = tcp("0.0.0.0:8080", "10.1.0.2:80");
    stage.publish(&[port]);
    let whole = stage.nft();
    for flush in [
        "flush ruleset",
        "flush table inet isopod",
        "flush chain inet isopod forward",
        "delete table inet isopod",
    ] {
        assert!(stage.within(|| stage.host.is_intact()).unwrap());
        stage.within(|| nft(flush));
        assert!(!stage.within(|| stage.host.is_intact()).unwrap(), "{flush}");
        stage.within(|| stage.host.reload(std::slice::from_ref(&network), &[port])).unwrap();
        assert!(stage.within(|| stage.host.is_intact()).unwrap(), "{flush}");
        let told_now = told(&stage.world, &format!("{HOST}:8080"));
        assert_eq!(told_now, "web 192.0.2.2", "{flush}");
        assert_eq!(told(&web, "192.0.2.2:80"), "world 192.0.2.1", "{flush}");
    }
    assert_eq!(without_handles(stage.nft()), without_handles(whole));
    // A reload is exact: ports that nobody has any more go.
    stage.within(|| stage.host.reload(std::slice::from_ref(&network), &[])).unwrap();
    is_silent(&stage.world, &format!("{HOST}:8080"));
    // The next use of the network puts rules back by itself, too.
    stage.within(|| nft("flush table inet isopod"));
    stage.ensure(&network);
    assert!(stage.within(|| stage.host.is_intact()).unwrap());
}

fn without_handles(mut rules: Value) -> Value {
    for object in rules["nftables"].as_array_mut().unwrap() {
        for (_, body) in object.as_object_mut().unwrap() {
            body.as_object_mut().unwrap().remove("handle");
        }
    }
    rules
}

#[test]
fn two_hundred_ports_are_elements_and_not_rules() {
    let stage = Stage::new();
    let network = bridge(1);
    stage.ensure(&network);
    let web = stage.container(&network, 2);
    serve(&web, "0.0.0.0:80", "first");
    serve(&web, "0.0.0.0:279", "last");
    let rules = count(&stage.nft(), "rule");
    let ports: Vec<PortMap> = (0..200)
        .map(|n| tcp(&format!("0.0.0.0:{}", 8000 + n), &format!("10.1.0.2:{}", 80 + n)))
        .collect();
    stage.publish(&ports);
    assert_eq!(elements(&stage, "map", "wild4").len(), 200);
    assert_eq!(count(&stage.nft(), "rule"), rules);
    assert_eq!(told(&stage.world, &format!("{HOST}:8000")), "first 192.0.2.2");
    assert_eq!(told(&stage.world, &format!("{HOST}:8199")), "last 192.0.2.2");
    stage.within(|| stage.host.unpublish(&ports)).unwrap();
    assert_eq!(elements(&stage, "map", "wild4"), [""; 0]);
    is_silent(&stage.world, &format!("{HOST}:8000"));
}

/// As `-p 10000-19999:10000-19999` asks for: one transaction, greater than a socket's usual buffer.
#[test]
fn ten_thousand_ports_are_published_at_once() {
    let stage = Stage::new();
    stage.ensure(&bridge(1));
    let ports: Vec<PortMap> = (10_000..20_000)
        .map(|n| tcp(&format!("[2001:db8::1]:{n}"), &format!("[fd00:1::2]:{n}")))
        .collect();
    stage.publish(&ports);
    assert_eq!(elements(&stage, "map", "ports6").len(), 10_000);
    stage.within(|| stage.host.reload(&[bridge(1)], &ports)).unwrap();
    assert_eq!(elements(&stage, "map", "ports6").len(), 10_000);
    stage.within(|| stage.host.unpublish(&ports)).unwrap();
    assert_eq!(elements(&stage, "map", "ports6"), [""; 0]);
}

#[test]
fn every_kind_of_port_comes_and_goes() {
    let stage = Stage::new();
    stage.ensure(&bridge(1));
    let before = stage.nft();
    let ports = [
        tcp("0.0.0.0:80", "10.1.0.2:80"),
        udp("0.0.0.0:80", "10.1.0.2:80"),
        udp("192.0.2.1:80", "10.1.0.2:80"),
        tcp("127.0.0.1:80", "10.1.0.2:80"),
        tcp("[::]:80", "[fd00:1::2]:80"),
        tcp("[2001:db8::1]:80", "[fd00:1::2]:80"),
        isopod_network::PortMap {
            protocol: isopod_network::Protocol::Sctp,
            ..tcp("0.0.0.0:80", "10.1.0.2:80")
        },
        // The socket's holder carries these.
        tcp("[::]:81", "10.1.0.2:80"),
        tcp("[::1]:82", "[fd00:1::2]:80"),
    ];
    stage.publish(&ports);
    let sizes =
        ["wild4", "ports4", "wild6", "ports6"].map(|map| elements(&stage, "map", map).len());
    assert_eq!(sizes, [3, 2, 1, 1]);
    // Twice is once.
    stage.publish(&ports);
    for _ in 0..2 {
        stage.within(|| stage.host.unpublish(&ports)).unwrap();
    }
    assert_eq!(stage.nft(), before);
}

/// A container's last clean-up may come after the next one took its port.
#[test]
fn a_port_that_leads_elsewhere_by_now_is_left_alone() {
    let stage = Stage::new();
    let network = bridge(1);
    stage.ensure(&network);
    let second = stage.container(&network, 3);
    serve(&second, "0.0.0.0:80", "second");
    let old = tcp("0.0.0.0:8080", "10.1.0.2:80");
    let other = tcp("0.0.0.0:8081", "10.1.0.2:81");
    stage.publish(&[old, other]);
    stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.3:80")]);
    stage.within(|| stage.host.unpublish(&[old, other])).unwrap();
    assert_eq!(told(&stage.world, &format!("{HOST}:8080")), "second 192.0.2.2");
    assert_eq!(elements(&stage, "map", "wild4").len(), 1);
}

/// All ports of a call or none.
#[test]
fn without_our_table_no_port_is_published_and_none_is_missed() {
    let stage = Stage::new();
    let port = tcp("0.0.0.0:8080", "10.1.0.2:80");
    let error = stage.within(|| stage.host.publish(&[port])).unwrap_err().to_string();
    assert!(error.contains("publish ports in the table isopod"), "{error}");
    stage.within(|| stage.host.unpublish(&[port])).unwrap();
    assert_eq!(count(&stage.nft(), "table"), 0);
}

#[test]
fn iptables_that_drop_what_is_forwarded_let_our_networks_through() {
    let stage = Stage::new();
    stage.within(|| {
        run("iptables -P FORWARD DROP");
        run("iptables -A FORWARD -i eth9 -j DROP");
        run("ip6tables -P FORWARD DROP");
    });
    let saved = || stage.within(|| run("iptables -S") + &run("ip6tables -S"));
    let before = saved();
    let network = bridge(1);
    serve(&stage.world, "0.0.0.0:80", "world");
    serve(&stage.world, "[2001:db8::2]:80", "world6");
    assert_eq!(stage.ensure(&network), []);
    let web = stage.container(&network, 2);
    serve(&web, "0.0.0.0:80", "web");
    stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.2:80")]);
    assert_eq!(told(&stage.world, &format!("{HOST}:8080")), "web 192.0.2.2");
    assert_eq!(told(&web, "192.0.2.2:80"), "world 192.0.2.1");
    assert_eq!(told(&web, "[2001:db8::2]:80"), "world6 2001:db8::1");
    // Ours still sieve: the exception is no hole.
    is_silent(&stage.world, "10.1.0.2:80");
    // iptables reads them, and they say whose they are.
    let with = saved();
    assert_eq!(with.matches("-i br1").count(), 2, "{with}");
    assert_eq!(with.matches("-o br1").count(), 2, "{with}");
    assert_eq!(with.matches("isopod br1").count(), 4, "{with}");
    stage.ensure(&network);
    assert_eq!(saved(), with, "once is enough");
    // After a flush of theirs the next use of the network puts them back.
    stage.within(|| run("iptables -F FORWARD"));
    stage.ensure(&network);
    assert_eq!(told(&web, "192.0.2.2:80"), "world 192.0.2.1");
    stage.within(|| run("iptables -A FORWARD -i eth9 -j DROP"));
    stage.within(|| stage.host.remove_network(&network)).unwrap();
    assert_eq!(saved(), before);
}

/// Where bridged packets pass iptables, those within a network do, too.
#[test]
fn iptables_let_an_internal_network_reach_itself_and_no_more() {
    let stage = Stage::with(Bridged::Filtered);
    stage.within(|| run("iptables -P FORWARD DROP"));
    let before = stage.within(|| run("iptables -S"));
    let mut network = bridge(1);
    network.internal = true;
    assert_eq!(stage.ensure(&network), []);
    let one = stage.container(&network, 2);
    let two = stage.container(&network, 3);
    serve(&one, "0.0.0.0:80", "one");
    assert_eq!(told(&two, "10.1.0.2:80"), "one 10.1.0.3");
    let with = stage.within(|| run("iptables -S FORWARD"));
    assert_eq!(with.matches("br1").count(), 3, "in, out and whose: {with}");
    stage.within(|| stage.host.remove_network(&network)).unwrap();
    assert_eq!(stage.within(|| run("iptables -S")), before);
}

/// Docker's chain for the rules of others comes before its own, and outlives its restarts.
#[test]
fn beside_docker_the_exceptions_are_in_the_chain_it_leaves_to_others() {
    let stage = Stage::new();
    stage.within(|| {
        run("iptables -P FORWARD DROP");
        run("iptables -N DOCKER-USER");
        run("iptables -A DOCKER-USER -j RETURN");
        run("iptables -A FORWARD -j DOCKER-USER");
    });
    let mut network = bridge(1);
    network.ipv6 = None;
    serve(&stage.world, "0.0.0.0:80", "world");
    assert_eq!(stage.ensure(&network), []);
    let web = stage.container(&network, 2);
    assert_eq!(told(&web, "192.0.2.2:80"), "world 192.0.2.1");
    let docker = stage.within(|| run("iptables -S DOCKER-USER"));
    assert!(docker.contains("-i br1") && docker.contains("-o br1"), "{docker}");
    let forward = stage.within(|| run("iptables -S FORWARD"));
    assert!(!forward.contains("br1"), "{forward}");
    stage.within(|| stage.host.remove_all()).unwrap();
    let docker = stage.within(|| run("iptables -S DOCKER-USER"));
    assert!(!docker.contains("br1"), "{docker}");
}

#[test]
fn a_firewall_that_cannot_be_asked_is_named() {
    let stage = Stage::new();
    stage.within(|| {
        nft("table inet strict {\n chain through { type filter hook forward priority 10; policy drop; }\n}");
        nft("table inet strict {\n chain in { type filter hook input priority 10; policy drop; }\n}");
        nft("table inet open {\n chain through { type filter hook forward priority 10; }\n}");
        nft("table ip6 six {\n chain through { type filter hook forward priority 10; policy drop; }\n}");
    });
    let mut network = bridge(1);
    network.ipv6 = None;
    let warnings = stage.ensure(&network);
    let expected = Warning::Firewall {
        table: "inet strict".to_owned(),
        chain: "through".to_owned(),
        device: "br1".to_owned(),
    };
    assert_eq!(warnings, [expected]);
    let told = warnings[0].to_string();
    assert!(told.contains("inet strict") && told.contains("through") && told.contains("br1"));
    // Once is enough, until somebody asks for everything anew.
    assert_eq!(stage.ensure(&network), []);
    let again = stage.within(|| stage.host.reload(std::slice::from_ref(&network), &[])).unwrap();
    assert_eq!(again, warnings);
    let mut internal = bridge(2);
    internal.internal = true;
    assert_eq!(stage.ensure(&internal), [], "an internal network needs nobody's leave");
}

/// The old interface keeps its tables where nftables can't see them.
#[test]
fn tables_of_the_old_iptables_are_named() {
    let stage = Stage::new();
    stage.within(|| run("iptables-legacy -P FORWARD DROP"));
    let mut network = bridge(1);
    network.ipv6 = None;
    let warnings = stage.ensure(&network);
    let expected = Warning::Firewall {
        table: "iptables-legacy filter".to_owned(),
        chain: "FORWARD".to_owned(),
        device: "br1".to_owned(),
    };
    assert_eq!(warnings, [expected]);
}

/// nft itself reads what we wrote: the rules are what `nft/table.rs` says in its language.
#[test]
fn nft_shows_the_table_as_it_is_documented() {
    let stage = Stage::new();
    stage.ensure(&bridge(1));
    stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.2:80"), tcp("127.0.0.1:81", "10.1.0.2:81")]);
    let listed = stage.within(|| run("nft list table inet isopod"));
    for line in [
        "type filter hook prerouting priority raw; policy accept;",
        "ip daddr 127.0.0.0/8 iifname @bridges drop",
        "ip6 saddr fe80::/10 return",
        "iifname @bridges fib saddr . iif oif 0 drop",
        "type nat hook prerouting priority dstnat; policy accept;",
        "ip daddr 127.0.0.0/8 return",
        "dnat ip to meta l4proto . ip daddr . th dport map @ports4",
        "dnat ip6 to meta l4proto . ip6 daddr . th dport map @ports6",
        "fib daddr type local meta nfproto ipv4 dnat ip to meta l4proto . th dport map @wild4",
        "type nat hook postrouting priority srcnat; policy accept;",
        "ct status dnat ip saddr . oifname @hairpin4 masquerade",
        "ip saddr 127.0.0.0/8 oifname @bridges masquerade",
        "iifname @outbound oifname != @bridges masquerade",
        "type filter hook forward priority filter; policy accept;",
        "ct state established,related accept",
        "iifname . oifname @within accept",
        "iifname @bridges oifname @bridges ct status ! dnat drop",
        "oifname @bridges ct status dnat accept",
        "oifname @bridges drop",
        "elements = { \"br1\" . \"br1\" }",
        "elements = { 10.1.0.0/24 . \"br1\" }",
        "elements = { tcp . 8080 : 10.1.0.2 . 80 }",
        "elements = { tcp . 127.0.0.1 . 81 : 10.1.0.2 . 81 }",
        "elements = { \"br1\" }",
    ] {
        assert!(listed.contains(line), "{line} in:\n{listed}");
    }
    // What it shows it takes back.
    stage.within(|| {
        nft("flush ruleset");
        nft(&listed);
        assert!(stage.host.is_intact().unwrap());
    });
}
