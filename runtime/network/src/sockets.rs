//! Sockets that hold ports: «in use» is what the kernel says, not what a table of ours says.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, ipproto, sockopt};

use crate::driver::refused;
use crate::error::{Error, Result};
use crate::model::Protocol;
use crate::{namespace, nft};

/// Where a container asks for names, as with docker.
pub const RESOLVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 11), 53);

/// Connections that wait for the holder to take them.
const BACKLOG: i32 = 512;

/// A socket that has `address`, close-on-exec and non-blocking, and the address it has (port 0: a free
/// one). TCP's and SCTP's listen, so that a server with `SO_REUSEADDR` is told «in use» too. Of IPv6
/// only: `[::]` says nothing about `0.0.0.0`.
///
/// # Errors
///
/// [`Error::PortInUse`], [`Error::NoSuchAddress`], or what else the kernel refuses.
pub fn hold(protocol: Protocol, address: SocketAddr) -> Result<(OwnedFd, SocketAddr)> {
    open(protocol, address).map_err(|errno| match errno {
        Errno::ADDRINUSE => Error::PortInUse { address, protocol },
        Errno::ADDRNOTAVAIL => Error::NoSuchAddress { address, protocol },
        errno => Error::Kernel {
            action: "hold port",
            object: format!("{address}/{protocol}"),
            source: errno.into(),
        },
    })
}

/// The sockets of a container's name server, UDP and TCP, which get what is sent to [`RESOLVER`] inside `netns`.
/// They have ports of their own: port 53 stays free for the container. Once a namespace.
///
/// # Errors
///
/// What the kernel refuses.
pub fn resolver(netns: BorrowedFd<'_>) -> Result<(OwnedFd, OwnedFd)> {
    namespace::within(netns, || {
        let any_port = SocketAddr::new((*RESOLVER.ip()).into(), 0);
        let (udp, datagrams) = hold(Protocol::Udp, any_port)?;
        let (tcp, streams) = hold(Protocol::Tcp, any_port)?;
        nft::lead_questions(RESOLVER, datagrams.port(), streams.port()).map_err(refused(
            "make the name server's rules in",
            "the container's network namespace",
        ))?;
        Ok((udp, tcp))
    })?
}

fn open(protocol: Protocol, address: SocketAddr) -> Result<(OwnedFd, SocketAddr), Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let (kind, number) = match protocol {
        Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
        Protocol::Sctp => (SocketType::STREAM, ipproto::SCTP),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, kind, flags, Some(number))?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if protocol == Protocol::Udp {
        net::bind(&socket, &address)?;
    } else {
        // Connections of the last holder may linger in TIME_WAIT: they are no reason to wait.
        sockopt::set_socket_reuseaddr(&socket, true)?;
        net::bind(&socket, &address)?;
        net::listen(&socket, BACKLOG)?;
    }
    let bound = net::getsockname(&socket)?;
    let bound = SocketAddr::try_from(bound).map_err(|_| Errno::AFNOSUPPORT)?;
    Ok((socket, bound))
}
