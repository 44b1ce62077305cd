//! Who reaches whom through published ports, on a real kernel.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

mod stage;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use isopod_network::Driver;
use stage::{
    Bridged, HOST, HOST6, PATIENCE, SILENCE, Stage, WORLD, ask_udp, bridge, inside, is_silent,
    json, nft, run, serve, serve_udp, tcp, told, udp, udp_socket,
};

/// Row 21 of the security table.
#[test]
fn a_published_port_answers_the_world_and_sees_who_asks() {
    for bridged in [Bridged::Free, Bridged::Filtered] {
        let stage = Stage::with(bridged);
        let network = bridge(1);
        stage.ensure(&network);
        let web = stage.container(&network, 2);
        serve(&web, "0.0.0.0:80", "web");
        serve(&web, "[fd00:1::2]:80", "web6");
        stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.2:80"), tcp("[::]:8080", "[fd00:1::2]:80")]);
        assert_eq!(told(&stage.world, &format!("{HOST}:8080")), "web 192.0.2.2", "{bridged:?}");
        assert_eq!(told(&stage.world, &format!("[{HOST6}]:8080")), "web6 2001:db8::2");
        // The wildcard is of the host's addresses, not of everything that passes.
        is_silent(&web, "192.0.2.2:8080");
    }
}

#[test]
fn a_port_of_one_address_is_no_port_of_the_others() {
    let stage = Stage::new();
    stage.within(|| {
        run("ip addr add 192.0.2.9/24 dev up0");
        run("ip addr add 2001:db8::9/64 dev up0 nodad");
    });
    let network = bridge(1);
    stage.ensure(&network);
    let web = stage.container(&network, 2);
    let other = stage.container(&network, 3);
    serve(&web, "0.0.0.0:80", "web");
    serve(&other, "0.0.0.0:80", "other");
    serve(&web, "[fd00:1::2]:80", "web6");
    stage.publish(&[
        tcp("192.0.2.9:8080", "10.1.0.2:80"),
        tcp("[2001:db8::9]:8080", "[fd00:1::2]:80"),
    ]);
    assert_eq!(told(&stage.world, "[2001:db8::9]:8080"), "web6 2001:db8::2");
    is_silent(&stage.world, &format!("[{HOST6}]:8080"));
    assert_eq!(told(&stage.world, "192.0.2.9:8080"), "web 192.0.2.2");
    is_silent(&stage.world, &format!("{HOST}:8080"));
    // The port of one address comes before that of all.
    stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.3:80")]);
    assert_eq!(told(&stage.world, "192.0.2.9:8080"), "web 192.0.2.2");
    assert_eq!(told(&stage.world, &format!("{HOST}:8080")), "other 192.0.2.2");
}

#[test]
fn the_hosts_own_processes_reach_published_ports_by_every_address() {
    for bridged in [Bridged::Free, Bridged::Filtered] {
        let stage = Stage::with(bridged);
        let network = bridge(1);
        stage.ensure(&network);
        let web = stage.container(&network, 2);
        serve(&web, "0.0.0.0:80", "web");
        serve(&web, "[fd00:1::2]:80", "web6");
        stage.publish(&[
            tcp("0.0.0.0:8080", "10.1.0.2:80"),
            tcp("[::]:8080", "[fd00:1::2]:80"),
            tcp("127.0.0.1:8081", "10.1.0.2:80"),
        ]);
        // A connection of loopback comes from the bridge's address: it could not be answered else.
        assert_eq!(told(&stage.netns, "127.0.0.1:8080"), "web 10.1.0.1", "{bridged:?}");
        assert_eq!(told(&stage.netns, "127.0.0.1:8081"), "web 10.1.0.1");
        assert_eq!(told(&stage.netns, &format!("{HOST}:8080")), "web 192.0.2.1");
        assert_eq!(told(&stage.netns, "10.1.0.1:8080"), "web 10.1.0.1");
        assert_eq!(told(&stage.netns, &format!("[{HOST6}]:8080")), "web6 2001:db8::1");
    }
}

/// `::1` and link-local addresses are left to the socket that holds the port.
#[test]
fn connections_that_rules_cannot_lead_reach_the_ports_socket() {
    let stage = Stage::new();
    let network = bridge(1);
    stage.ensure(&network);
    let _web = stage.container(&network, 2);
    serve(&stage.netns, "[::]:8080", "holder");
    stage.publish(&[tcp("[::]:8080", "[fd00:1::2]:80"), tcp("[::1]:8081", "[fd00:1::2]:80")]);
    serve(&stage.netns, "[::1]:8081", "holder");
    assert_eq!(told(&stage.netns, "[::1]:8080"), "holder ::1");
    assert_eq!(told(&stage.netns, "[::1]:8081"), "holder ::1");
    stage.within(|| run("ip addr add fe80::1/64 dev up0 nodad"));
    inside(&stage.world, || run("ip addr add fe80::2/64 dev w0 nodad"));
    let scope = inside(&stage.world, || json("ip -j link show w0"))[0]["ifindex"].to_string();
    assert_eq!(told(&stage.world, &format!("[fe80::1%{scope}]:8080")), "holder fe80::2");
}

#[test]
fn a_container_reaches_its_own_and_its_siblings_published_ports() {
    for bridged in [Bridged::Free, Bridged::Filtered] {
        let stage = Stage::with(bridged);
        let network = bridge(1);
        stage.ensure(&network);
        let web = stage.container(&network, 2);
        let sibling = stage.container(&network, 3);
        serve(&web, "0.0.0.0:80", "web");
        serve(&web, "[fd00:1::2]:80", "web6");
        stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.2:80"), tcp("[::]:8080", "[fd00:1::2]:80")]);
        for client in [&web, &sibling] {
            for host in [HOST, "10.1.0.1"] {
                let told = told(client, &format!("{host}:8080"));
                assert_eq!(told, "web 10.1.0.1", "{bridged:?} {host}");
            }
            assert_eq!(told(client, &format!("[{HOST6}]:8080")), "web6 fd00:1::1", "{bridged:?}");
        }
    }
}

#[test]
fn a_container_of_another_network_reaches_published_ports_and_no_others() {
    for bridged in [Bridged::Free, Bridged::Filtered] {
        let stage = Stage::with(bridged);
        let (one, two) = (bridge(1), bridge(2));
        stage.ensure(&one);
        stage.ensure(&two);
        let web = stage.container(&one, 2);
        let client = stage.container(&two, 2);
        serve(&web, "0.0.0.0:80", "web");
        serve(&web, "[fd00:1::2]:80", "web6");
        serve(&web, "0.0.0.0:81", "secret");
        serve(&client, "0.0.0.0:81", "secret");
        stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.2:80")]);
        assert_eq!(told(&client, &format!("{HOST}:8080")), "web 10.2.0.2", "{bridged:?}");
        assert_eq!(told(&client, "10.1.0.1:8080"), "web 10.2.0.2");
        // Row 24 of the security table.
        is_silent(&client, "10.1.0.2:80");
        is_silent(&client, "[fd00:1::2]:80");
        is_silent(&client, "10.1.0.2:81");
        is_silent(&web, "10.2.0.2:81");
    }
}

#[test]
fn datagrams_are_led_too_and_answered_from_the_port_they_were_sent_to() {
    let stage = Stage::new();
    let network = bridge(1);
    stage.ensure(&network);
    let dns = stage.container(&network, 2);
    serve_udp(&dns, "0.0.0.0:53", "dns");
    stage.publish(&[udp("0.0.0.0:5300", "10.1.0.2:53")]);
    let from_world = udp_socket(&stage.world, "0.0.0.0:0");
    from_world.connect((HOST, 5300)).unwrap();
    from_world.set_read_timeout(Some(PATIENCE)).unwrap();
    from_world.send(b"?").unwrap();
    let mut buffer = [0; 64];
    // A connected socket takes answers from there alone.
    let size = from_world.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..size], b"dns 192.0.2.2");
    let own = udp_socket(&stage.netns, "0.0.0.0:0");
    assert_eq!(ask_udp(&own, "127.0.0.1:5300", PATIENCE).as_deref(), Some("dns 10.1.0.1"));
    // TCP of the same number is another port.
    serve(&dns, "0.0.0.0:53", "tcp");
    is_silent(&stage.world, &format!("{HOST}:5300"));
}

/// A client that goes on sending from one socket follows the port.
#[test]
fn datagrams_follow_a_port_that_changes_hands() {
    let stage = Stage::new();
    let network = bridge(1);
    stage.ensure(&network);
    let first = stage.container(&network, 2);
    let second = stage.container(&network, 3);
    serve_udp(&first, "0.0.0.0:53", "first");
    serve_udp(&second, "0.0.0.0:53", "second");
    serve_udp(&stage.netns, "0.0.0.0:5300", "host");
    let client = udp_socket(&stage.world, "0.0.0.0:0");
    let asked = format!("{HOST}:5300");
    assert_eq!(ask_udp(&client, &asked, PATIENCE).as_deref(), Some("host 192.0.2.2"));
    let port = udp("0.0.0.0:5300", "10.1.0.2:53");
    stage.publish(&[port]);
    assert_eq!(ask_udp(&client, &asked, PATIENCE).as_deref(), Some("first 192.0.2.2"));
    let moved = udp("0.0.0.0:5300", "10.1.0.3:53");
    stage.publish(&[moved]);
    assert_eq!(ask_udp(&client, &asked, PATIENCE).as_deref(), Some("second 192.0.2.2"));
    stage.within(|| stage.host.unpublish(&[moved])).unwrap();
    assert_eq!(ask_udp(&client, &asked, PATIENCE).as_deref(), Some("host 192.0.2.2"));
}

#[test]
fn a_container_leaves_the_host_under_its_address_if_the_network_asks_for_it() {
    let stage = Stage::new();
    let hidden = bridge(1);
    let mut shown = bridge(2);
    let Driver::Bridge { masquerade, .. } = &mut shown.driver else { unreachable!() };
    *masquerade = false;
    stage.ensure(&hidden);
    stage.ensure(&shown);
    serve(&stage.world, "0.0.0.0:80", "world");
    serve(&stage.world, "[2001:db8::2]:80", "world6");
    let one = stage.container(&hidden, 2);
    let two = stage.container(&shown, 2);
    assert_eq!(told(&one, "192.0.2.2:80"), "world 192.0.2.1");
    assert_eq!(told(&one, "[2001:db8::2]:80"), "world6 2001:db8::1");
    assert_eq!(told(&two, "192.0.2.2:80"), "world 10.2.0.2");
    assert_eq!(told(&two, "[2001:db8::2]:80"), "world6 fd00:2::2");
}

#[test]
fn an_internal_network_reaches_itself_and_nothing_else() {
    for bridged in [Bridged::Free, Bridged::Filtered] {
        let stage = Stage::with(bridged);
        let mut inner = bridge(1);
        inner.internal = true;
        let outer = bridge(2);
        stage.ensure(&inner);
        stage.ensure(&outer);
        serve(&stage.world, "0.0.0.0:80", "world");
        let one = stage.container(&inner, 2);
        let two = stage.container(&inner, 3);
        let other = stage.container(&outer, 2);
        serve(&one, "0.0.0.0:80", "one");
        serve(&other, "0.0.0.0:80", "other");
        stage.publish(&[tcp("0.0.0.0:8080", "10.2.0.2:80"), tcp("0.0.0.0:8081", "10.1.0.2:80")]);
        assert_eq!(told(&two, "10.1.0.2:80"), "one 10.1.0.3", "{bridged:?}");
        assert_eq!(told(&stage.world, &format!("{HOST}:8080")), "other 192.0.2.2");
        // It has no way out, and a way that it makes for itself leads nowhere.
        assert_eq!(inside(&two, || run("ip route show default")), "");
        inside(&two, || run("ip route add default via 10.1.0.1"));
        is_silent(&two, "192.0.2.2:80");
        is_silent(&two, "10.2.0.2:80");
        is_silent(&two, &format!("{HOST}:8080"));
        // Neither from outside, published or not, even if the answer knew its way.
        inside(&one, || run("ip route add default via 10.1.0.1"));
        is_silent(&stage.world, "10.1.0.2:80");
        is_silent(&stage.world, &format!("{HOST}:8081"));
        is_silent(&other, "10.1.0.2:80");
        // Nor a datagram that wants no answer: one way is enough to give something away.
        stage.publish(&[udp(&format!("{HOST}:8082"), "10.1.0.2:82")]);
        let (within, without) =
            (udp_socket(&one, "10.1.0.2:82"), udp_socket(&stage.world, "192.0.2.2:82"));
        for (from, to, at) in [
            (&within, "192.0.2.2:82".to_owned(), &without),
            (&without, format!("{HOST}:8082"), &within),
        ] {
            from.send_to(b"secret", &to).unwrap();
            at.set_read_timeout(Some(SILENCE)).unwrap();
            assert!(at.recv_from(&mut [0; 16]).is_err(), "{to} is reached, {bridged:?}");
        }
    }
}

#[test]
fn containers_that_shall_not_reach_each_other_reach_the_world_and_published_ports() {
    for bridged in [Bridged::Free, Bridged::Filtered] {
        let stage = Stage::with(bridged);
        let mut network = bridge(1);
        let Driver::Bridge { inter_container, .. } = &mut network.driver else { unreachable!() };
        *inter_container = false;
        stage.ensure(&network);
        serve(&stage.world, "0.0.0.0:80", "world");
        let one = stage.container(&network, 2);
        let two = stage.container(&network, 3);
        serve(&one, "0.0.0.0:80", "one");
        serve(&one, "0.0.0.0:81", "secret");
        assert_eq!(told(&two, "192.0.2.2:80"), "world 192.0.2.1", "{bridged:?}");
        is_silent(&two, "10.1.0.2:81");
        // Nor by way of the bridge's own address, even if both want it.
        inside(&two, || run("ip route add 10.1.0.2/32 via 10.1.0.1"));
        inside(&one, || run("ip route add 10.1.0.3/32 via 10.1.0.1"));
        is_silent(&two, "10.1.0.2:81");
        if bridged == Bridged::Free {
            stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.2:80")]);
            assert_eq!(told(&two, &format!("{HOST}:8080")), "one 10.1.0.1");
        }
    }
}

/// Row 24 of the security table.
#[test]
fn what_is_not_published_is_not_reached_from_the_world() {
    let stage = Stage::new();
    let network = bridge(1);
    stage.ensure(&network);
    let web = stage.container(&network, 2);
    serve(&web, "0.0.0.0:80", "web");
    serve(&web, "[fd00:1::2]:80", "web6");
    stage.publish(&[tcp("0.0.0.0:8080", "10.1.0.2:80")]);
    assert_eq!(told(&stage.world, &format!("{HOST}:8080")), "web 192.0.2.2");
    // The neighbour knows a way to the container itself.
    is_silent(&stage.world, "10.1.0.2:80");
    is_silent(&stage.world, "[fd00:1::2]:80");
    // Errors of its own connections reach the container all the same.
    let asks = udp_socket(&web, "0.0.0.0:0");
    asks.connect(("192.0.2.2", 7)).unwrap();
    asks.set_read_timeout(Some(PATIENCE)).unwrap();
    asks.send(b"?").unwrap();
    let refused = asks.recv(&mut [0; 8]).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

/// Row 24 of the security table: networks behind the host are no news to the world.
#[test]
fn what_belongs_to_no_connection_does_not_leave_under_a_containers_address() {
    let stage = Stage::new();
    let network = bridge(1);
    stage.ensure(&network);
    // Connections are known from their beginning or not at all.
    stage.within(|| fs::write("/proc/sys/net/netfilter/nf_conntrack_tcp_loose", "0").unwrap());
    let client = stage.container(&network, 2);
    let server = inside(&stage.world, || TcpListener::bind("0.0.0.0:80")).unwrap();
    inside(&stage.world, || {
        nft("table inet watch {\n chain in { type filter hook input priority 0;\n \
             ip saddr 10.1.0.0/24 counter\n }\n}");
    });
    let mut stream = inside(&client, || TcpStream::connect((WORLD, 80))).unwrap();
    let (mut accepted, peer) = server.accept().unwrap();
    assert_eq!(peer.ip().to_string(), HOST);
    stream.write_all(b"known").unwrap();
    accepted.read_exact(&mut [0; 5]).unwrap();
    // The host forgets it, as one that was booted meanwhile.
    stage.within(|| run("conntrack -F"));
    stream.write_all(b"unknown").unwrap();
    std::thread::sleep(SILENCE);
    let seen = inside(&stage.world, || run("nft list table inet watch"));
    assert!(seen.contains("counter packets 0 "), "{seen}");
}

/// An advertisement of a router to everybody on the wire (RFC 4861, 4.2).
const ADVERTISE: &str = r#"
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
s.bind(("fe80::bad", 0, 0, socket.if_nametoindex("eth0")))
s.sendto(struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0), ("ff02::1", 0, 0, socket.if_nametoindex("eth0")))
"#;

/// Row 24 of the security table: what a container says is no route of the host's (CVE-2020-13401).
#[test]
fn a_container_is_no_router_of_the_hosts() {
    let stage = Stage::new();
    // A host that forwards IPv6 heeds none anyway.
    let mut network = bridge(1);
    network.ipv6 = None;
    stage.ensure(&network);
    let evil = stage.container(&network, 2);
    let advertise = |scope: &str| {
        inside(&evil, || {
            let told =
                std::process::Command::new("python3").args(["-c", ADVERTISE]).output().unwrap();
            assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        });
        stage.within(|| run(&format!("ip -6 route show default dev {scope}")))
    };
    inside(&evil, || run("ip addr add fe80::bad/64 dev eth0 nodad"));
    for _ in 0..3 {
        assert_eq!(advertise("br1"), "");
        std::thread::sleep(SILENCE / 3);
    }
    // The advertisement is good: a device that heeds routers heeds it.
    stage.within(|| fs::write("/proc/sys/net/ipv6/conf/br1/accept_ra", "2").unwrap());
    let deadline = std::time::Instant::now() + PATIENCE;
    while !advertise("br1").contains("fe80::bad") {
        assert!(std::time::Instant::now() < deadline, "the advertisement never came");
    }
}

/// Row 24 of the security table: nor is it one of its neighbours'. What docker gives no IPv6 has none at all.
#[test]
fn a_container_is_no_router_of_its_neighbours() {
    let stage = Stage::new();
    for (nth, has_ipv6) in [(1, false), (2, true)] {
        let mut network = bridge(nth);
        if !has_ipv6 {
            network.ipv6 = None;
        }
        stage.ensure(&network);
        let (evil, neighbour) = (stage.container(&network, 2), stage.container(&network, 3));
        inside(&evil, || run("ip addr add fe80::bad/64 dev eth0 nodad"));
        let advertise = || {
            inside(&evil, || {
                let told =
                    std::process::Command::new("python3").args(["-c", ADVERTISE]).output().unwrap();
                assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
            });
            inside(&neighbour, || run("ip -6 route show default"))
        };
        for _ in 0..3 {
            assert!(!advertise().contains("fe80::bad"), "with IPv6: {has_ipv6}");
            std::thread::sleep(SILENCE / 3);
        }
        // The advertisement is good: a device that heeds routers heeds it.
        inside(&neighbour, || {
            fs::write("/proc/sys/net/ipv6/conf/eth0/accept_ra", "2").unwrap();
        });
        let deadline = std::time::Instant::now() + PATIENCE;
        while !advertise().contains("fe80::bad") {
            assert!(std::time::Instant::now() < deadline, "the advertisement never came");
        }
    }
}

/// Lets a namespace send to 127.0.0.1 over its wire, as an attacker with privileges in there can.
fn unbind_loopback(netns: &std::os::fd::OwnedFd, gateway: &str) {
    inside(netns, || {
        for name in ["all", "default"] {
            let path = format!("/proc/sys/net/ipv4/conf/{name}/route_localnet");
            fs::write(path, "1").unwrap();
        }
        run("ip addr del 127.0.0.1/8 dev lo");
        run(&format!("ip route add 127.0.0.0/8 via {gateway}"));
    });
}

/// Row 24 of the security table.
#[test]
fn a_container_cannot_reach_the_hosts_loopback() {
    for bridged in [Bridged::Free, Bridged::Filtered] {
        let stage = Stage::with(bridged);
        let network = bridge(1);
        stage.ensure(&network);
        let evil = stage.container(&network, 2);
        serve(&stage.netns, "127.0.0.1:9999", "host");
        serve(&stage.netns, "10.1.0.1:9998", "bridge");
        serve_udp(&stage.netns, "127.0.0.1:9997", "host");
        unbind_loopback(&evil, "10.1.0.1");
        assert_eq!(told(&evil, "10.1.0.1:9998"), "bridge 10.1.0.2");
        is_silent(&evil, "127.0.0.1:9999");
        let socket = udp_socket(&evil, "10.1.0.2:0");
        assert_eq!(ask_udp(&socket, "127.0.0.1:9997", SILENCE), None);
        // Nor does the host take a packet for one of its own.
        serve_udp(&stage.netns, "10.1.0.1:9996", "bridge");
        inside(&evil, || run("ip addr add 127.0.0.5/32 dev eth0"));
        let forged = udp_socket(&evil, "127.0.0.5:0");
        let honest = udp_socket(&evil, "10.1.0.2:0");
        assert_eq!(ask_udp(&honest, "10.1.0.1:9996", PATIENCE).as_deref(), Some("bridge 10.1.0.2"));
        assert_eq!(ask_udp(&forged, "10.1.0.1:9996", SILENCE), None);
    }
}

/// Row 24 of the security table.
#[test]
fn a_neighbour_cannot_reach_ports_published_on_loopback() {
    let stage = Stage::new();
    let network = bridge(1);
    stage.ensure(&network);
    let web = stage.container(&network, 2);
    serve(&web, "0.0.0.0:80", "web");
    stage.publish(&[tcp("127.0.0.1:8081", "10.1.0.2:80"), tcp("0.0.0.0:8080", "10.1.0.2:80")]);
    assert_eq!(told(&stage.netns, "127.0.0.1:8081"), "web 10.1.0.1");
    unbind_loopback(&stage.world, HOST);
    assert_eq!(told(&stage.world, &format!("{HOST}:8080")), "web 192.0.2.2");
    is_silent(&stage.world, "127.0.0.1:8081");
    is_silent(&stage.world, "127.0.0.1:8080");
}

/// Row 24 of the security table: which connection a packet belongs to is told by addresses, and a container may
/// write any into its packets.
#[test]
fn a_connection_of_another_networks_container_is_not_joined_from_here() {
    let stage = Stage::new();
    let mut shown = bridge(1);
    let Driver::Bridge { masquerade, .. } = &mut shown.driver else { unreachable!() };
    *masquerade = false;
    let other = bridge(2);
    stage.ensure(&shown);
    stage.ensure(&other);
    let victim = stage.container(&shown, 2);
    let liar = stage.container(&other, 2);
    // The kernel's own check of sources is off on many hosts.
    stage.within(|| {
        for device in ["all", "br1", "br2"] {
            fs::write(format!("/proc/sys/net/ipv4/conf/{device}/rp_filter"), "0").unwrap();
        }
    });
    serve_udp(&stage.world, "0.0.0.0:53", "world");
    let socket = udp_socket(&victim, "10.1.0.2:5353");
    assert_eq!(ask_udp(&socket, "192.0.2.2:53", PATIENCE).unwrap(), "world 10.1.0.2");
    inside(&liar, || run("ip addr add 192.0.2.2/32 dev eth0"));
    let lies = udp_socket(&liar, "192.0.2.2:53");
    socket.set_read_timeout(Some(SILENCE)).unwrap();
    lies.send_to(b"lie", "10.1.0.2:5353").unwrap();
    assert!(socket.recv(&mut [0; 64]).is_err(), "a lie arrived");
    // The connection is there still.
    assert_eq!(ask_udp(&socket, "192.0.2.2:53", PATIENCE).unwrap(), "world 10.1.0.2");
}

/// Row 24 of the security table: nor is what the world has with a published port.
#[test]
fn a_connection_of_a_published_port_is_not_joined_from_another_network() {
    let stage = Stage::new();
    let (shown, other) = (bridge(1), bridge(2));
    stage.ensure(&shown);
    stage.ensure(&other);
    let victim = stage.container(&shown, 2);
    let liar = stage.container(&other, 2);
    stage.publish(&[udp("0.0.0.0:5300", "10.1.0.2:53")]);
    // The kernel's own check of sources is off on many hosts.
    stage.within(|| {
        for device in ["all", "br1", "br2"] {
            fs::write(format!("/proc/sys/net/ipv4/conf/{device}/rp_filter"), "0").unwrap();
        }
    });
    let served = udp_socket(&victim, "10.1.0.2:53");
    served.set_read_timeout(Some(PATIENCE)).unwrap();
    let honest = udp_socket(&stage.world, "192.0.2.2:5353");
    honest.send_to(b"truth", (HOST, 5300)).unwrap();
    let mut buffer = [0; 64];
    let (size, from) = served.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..size], from.to_string().as_str()), (&b"truth"[..], "192.0.2.2:5353"));
    inside(&liar, || run("ip addr add 192.0.2.2/32 dev eth0"));
    let lies = udp_socket(&liar, "192.0.2.2:5353");
    served.set_read_timeout(Some(SILENCE)).unwrap();
    lies.send_to(b"lie", (HOST, 5300)).unwrap();
    assert!(served.recv(&mut buffer).is_err(), "a lie arrived");
    // Under its own address it is heard.
    let itself = udp_socket(&liar, "10.2.0.2:5353");
    served.set_read_timeout(Some(PATIENCE)).unwrap();
    itself.send_to(b"me", (HOST, 5300)).unwrap();
    assert_eq!(served.recv_from(&mut buffer).unwrap().1.to_string(), "10.2.0.2:5353");
}

/// Row 24 of the security table: a network without a way out has none for what it knew before either.
#[test]
fn an_internal_network_ends_the_connections_that_were_there() {
    let stage = Stage::new();
    let mut network = bridge(1);
    stage.ensure(&network);
    let container = stage.container(&network, 2);
    serve_udp(&stage.world, "0.0.0.0:53", "world");
    let socket = udp_socket(&container, "10.1.0.2:5353");
    assert_eq!(ask_udp(&socket, "192.0.2.2:53", PATIENCE).unwrap(), "world 192.0.2.1");
    network.internal = true;
    stage.ensure(&network);
    assert_eq!(ask_udp(&socket, "192.0.2.2:53", SILENCE), None);
}

/// Datagrams and IPv6 go the ways that connections of IPv4 go: to a sibling's port by the host's address, to
/// one's own, and to one of another network.
#[test]
fn datagrams_reach_published_ports_of_siblings_of_oneself_and_of_other_networks() {
    for bridged in [Bridged::Free, Bridged::Filtered] {
        let stage = Stage::with(bridged);
        let (one, two) = (bridge(1), bridge(2));
        stage.ensure(&one);
        stage.ensure(&two);
        let web = stage.container(&one, 2);
        let sibling = stage.container(&one, 3);
        let stranger = stage.container(&two, 2);
        serve_udp(&web, "10.1.0.2:53", "names");
        serve_udp(&web, "[fd00:1::2]:53", "names6");
        stage.publish(&[udp("0.0.0.0:5353", "10.1.0.2:53"), udp("[::]:5353", "[fd00:1::2]:53")]);
        for (client, four, six) in [
            (&web, "names 10.1.0.1", "names6 fd00:1::1"),
            (&sibling, "names 10.1.0.1", "names6 fd00:1::1"),
            (&stranger, "names 10.2.0.2", "names6 fd00:2::2"),
        ] {
            let socket = udp_socket(client, "0.0.0.0:0");
            let told = ask_udp(&socket, &format!("{HOST}:5353"), PATIENCE);
            assert_eq!(told.as_deref(), Some(four), "{bridged:?}");
            let socket = udp_socket(client, "[::]:0");
            let told = ask_udp(&socket, &format!("[{HOST6}]:5353"), PATIENCE);
            assert_eq!(told.as_deref(), Some(six), "{bridged:?}");
        }
    }
}

#[test]
fn a_container_of_another_network_reaches_published_ports_by_ipv6_too() {
    let stage = Stage::new();
    let (one, two) = (bridge(1), bridge(2));
    stage.ensure(&one);
    stage.ensure(&two);
    let web = stage.container(&one, 2);
    let stranger = stage.container(&two, 2);
    serve(&web, "[fd00:1::2]:80", "web6");
    serve(&web, "[fd00:1::2]:81", "secret");
    stage.publish(&[tcp("[::]:8080", "[fd00:1::2]:80")]);
    assert_eq!(told(&stranger, &format!("[{HOST6}]:8080")), "web6 fd00:2::2");
    is_silent(&stranger, "[fd00:1::2]:80");
    is_silent(&stranger, "[fd00:1::2]:81");
}
