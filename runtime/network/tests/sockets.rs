//! Sockets that hold ports: what others are told who want the same.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

mod stage;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};

use isopod_network::{Error, Protocol, namespace, sockets};
use stage::inside;

fn hold(protocol: Protocol, address: &str) -> isopod_network::Result<(OwnedFd, SocketAddr)> {
    sockets::hold(protocol, address.parse().unwrap())
}

#[test]
fn a_held_port_is_in_use_for_everybody() {
    let netns = namespace::create().unwrap();
    inside(&netns, || {
        let (held, at) = hold(Protocol::Tcp, "0.0.0.0:8080").unwrap();
        assert_eq!(at.to_string(), "0.0.0.0:8080");
        // The standard library's listeners reuse addresses: that is no way around.
        for address in ["0.0.0.0:8080", "127.0.0.1:8080"] {
            let refused = TcpListener::bind(address).unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::AddrInUse, "{address}");
        }
        let error = hold(Protocol::Tcp, "127.0.0.1:8080").unwrap_err();
        assert!(matches!(error, Error::PortInUse { .. }));
        assert_eq!(error.to_string(), "port 127.0.0.1:8080/tcp is in use already");
        // Other protocols and families are other ports.
        let _udp = hold(Protocol::Udp, "0.0.0.0:8080").unwrap();
        let _six = hold(Protocol::Tcp, "[::]:8080").unwrap();
        assert!(UdpSocket::bind("0.0.0.0:8080").is_err());
        drop(held);
        TcpListener::bind("0.0.0.0:8080").unwrap();
    });
}

/// Connections that ended a moment ago don't keep the next start of a container from its port.
#[test]
fn a_port_is_free_as_soon_as_its_holder_is_gone() {
    let netns = namespace::create().unwrap();
    inside(&netns, || {
        let server = TcpListener::bind("127.0.0.1:8080").unwrap();
        let client = TcpStream::connect("127.0.0.1:8080").unwrap();
        let (accepted, _) = server.accept().unwrap();
        // Who closes first lingers: the server's end.
        drop(accepted);
        drop(server);
        drop(client);
        hold(Protocol::Tcp, "0.0.0.0:8080").unwrap();
    });
}

#[test]
fn port_zero_is_a_free_one() {
    let netns = namespace::create().unwrap();
    inside(&netns, || {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            for address in ["0.0.0.0:0", "[::]:0", "127.0.0.1:0"] {
                let (_one, first) = hold(protocol, address).unwrap();
                let (_two, second) = hold(protocol, address).unwrap();
                assert!(first.port() != 0 && first.port() != second.port());
            }
        }
    });
}

#[test]
fn an_address_that_the_host_lacks_is_named() {
    let netns = namespace::create().unwrap();
    inside(&netns, || {
        let error = hold(Protocol::Tcp, "192.0.2.77:80").unwrap_err();
        assert!(matches!(error, Error::NoSuchAddress { .. }));
        assert_eq!(
            error.to_string(),
            "the host has no address 192.0.2.77:80 to publish port 80/tcp on"
        );
    });
}

/// What a resolver does: it asks 127.0.0.11:53 and wants the answer from there, from a connected socket or not.
#[test]
fn a_name_server_is_asked_at_port_53_and_answers_from_there() {
    let netns = namespace::create().unwrap();
    let (udp, tcp) = sockets::resolver(netns.as_fd()).unwrap();
    let (udp, tcp) = (UdpSocket::from(udp), TcpListener::from(tcp));
    udp.set_nonblocking(false).unwrap();
    tcp.set_nonblocking(false).unwrap();
    udp.set_read_timeout(Some(stage::PATIENCE)).unwrap();
    inside(&netns, || {
        for is_connected in [true, false] {
            let client = UdpSocket::bind("0.0.0.0:0").unwrap();
            client.set_read_timeout(Some(stage::PATIENCE)).unwrap();
            if is_connected {
                client.connect("127.0.0.11:53").unwrap();
                client.send(b"question").unwrap();
            } else {
                client.send_to(b"question", "127.0.0.11:53").unwrap();
            }
            let mut buffer = [0; 16];
            let (size, from) = udp.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..size], b"question");
            udp.send_to(b"answer", from).unwrap();
            let (size, from) = client.recv_from(&mut buffer).unwrap();
            assert_eq!(
                (&buffer[..size], from.to_string().as_str()),
                (&b"answer"[..], "127.0.0.11:53")
            );
        }
        let mut client =
            TcpStream::connect_timeout(&"127.0.0.11:53".parse().unwrap(), stage::PATIENCE).unwrap();
        client.set_read_timeout(Some(stage::PATIENCE)).unwrap();
        let (mut served, _) = tcp.accept().unwrap();
        // More than a packet each way: checksums, acknowledgements and windows are right.
        let long = vec![7_u8; 300_000];
        let expected = long.clone();
        let server = std::thread::spawn(move || {
            let mut got = vec![0; expected.len()];
            served.read_exact(&mut got).unwrap();
            assert_eq!(got, expected);
            served.write_all(&got).unwrap();
        });
        client.write_all(&long).unwrap();
        let mut back = vec![0; long.len()];
        client.read_exact(&mut back).unwrap();
        assert_eq!(back, long);
        server.join().unwrap();
    });
}

#[test]
fn beside_a_name_server_port_53_is_the_containers() {
    let netns = namespace::create().unwrap();
    let _server = sockets::resolver(netns.as_fd()).unwrap();
    inside(&netns, || {
        let own = UdpSocket::bind("0.0.0.0:53").unwrap();
        let _listener = TcpListener::bind("0.0.0.0:53").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"its own", "127.0.0.1:53").unwrap();
        own.set_read_timeout(Some(stage::PATIENCE)).unwrap();
        let (size, _) = own.recv_from(&mut [0; 16]).unwrap();
        assert_eq!(size, 7);
        // Nobody has to remember connections for it: nothing of the container's is tracked.
        let rules = stage::run("nft list ruleset");
        assert!(!rules.contains("nat") && rules.contains("udp dport 53 udp dport set"), "{rules}");
    });
}

/// A container that tracks its own connections, as one with a firewall inside does.
#[test]
fn a_firewall_inside_a_container_sees_whole_connections_to_its_name_server() {
    let netns = namespace::create().unwrap();
    let (udp, tcp) = sockets::resolver(netns.as_fd()).unwrap();
    let (udp, tcp) = (UdpSocket::from(udp), TcpListener::from(tcp));
    udp.set_nonblocking(false).unwrap();
    udp.set_read_timeout(Some(stage::PATIENCE)).unwrap();
    inside(&netns, || {
        stage::run("nft add table ip f");
        for (hook, rule) in [("output", "oifname lo"), ("input", "iifname lo")] {
            stage::run(&format!(
                "nft add chain ip f {hook} {{ type filter hook {hook} priority 0 ; policy drop ; }}"
            ));
            stage::run(&format!("nft add rule ip f {hook} ct state established accept"));
            stage::run(&format!(
                "nft add rule ip f {hook} {rule} ip saddr 127.0.0.1 ct state new accept"
            ));
        }
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(stage::PATIENCE)).unwrap();
        client.send_to(b"question", "127.0.0.11:53").unwrap();
        let (_, from) = udp.recv_from(&mut [0; 16]).unwrap();
        udp.send_to(b"answer", from).unwrap();
        assert_eq!(client.recv_from(&mut [0; 16]).unwrap().0, 6);
        TcpStream::connect_timeout(&"127.0.0.11:53".parse().unwrap(), stage::PATIENCE).unwrap();
        drop(tcp);
    });
}

#[test]
fn work_in_a_namespace_leaves_this_one_alone() {
    let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
    let netns = namespace::create().unwrap();
    let there = inside(&netns, || std::fs::read_link("/proc/thread-self/ns/net").unwrap());
    assert_ne!(there, own);
    assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").unwrap(), own);
    let file = std::fs::File::open("/dev/null").unwrap();
    let error = namespace::within(file.as_fd(), || ()).unwrap_err().to_string();
    assert!(error.starts_with("cannot join a network namespace"), "{error}");
}
