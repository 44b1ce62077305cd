//! Sockets that hold ports: what others are told who want the same.

#![allow(clippy::unwrap_used, reason = "all of this is a test, the functions beside them too")]

mod stage;

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

#[test]
fn a_name_servers_sockets_are_in_the_containers_namespace() {
    let netns = namespace::create().unwrap();
    let (udp, tcp) = sockets::resolver(netns.as_fd()).unwrap();
    let (udp, tcp) = (UdpSocket::from(udp), TcpListener::from(tcp));
    assert_eq!(udp.local_addr().unwrap(), sockets::RESOLVER);
    assert_eq!(tcp.local_addr().unwrap().to_string(), "127.0.0.11:53");
    let client = inside(&netns, || {
        TcpStream::connect("127.0.0.11:53").unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"?", "127.0.0.11:53").unwrap();
        client
    });
    udp.set_nonblocking(false).unwrap();
    let (_, from) = udp.recv_from(&mut [0; 8]).unwrap();
    assert_eq!(from, client.local_addr().unwrap());
    let again = sockets::resolver(netns.as_fd()).unwrap_err();
    assert!(matches!(again, Error::PortInUse { .. }));
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
