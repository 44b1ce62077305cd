//! Sockets of the host's network namespace, none of which ever blocks.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, connect, socket_with};

/// A datagram socket that hears nobody but `peer`.
pub fn datagram_to(peer: SocketAddr) -> io::Result<OwnedFd> {
    let socket = socket_for(peer, SocketType::DGRAM)?;
    connect(&socket, &peer)?;
    Ok(socket)
}

/// A connection to `peer` in the making: writable when it is made or has failed.
pub fn stream_to(peer: SocketAddr) -> io::Result<OwnedFd> {
    let socket = socket_for(peer, SocketType::STREAM)?;
    match connect(&socket, &peer) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

/// Whether a connection that was in the making is made, and one that was made isn't broken.
pub fn is_connected(socket: impl AsFd) -> bool {
    matches!(rustix::net::sockopt::socket_error(socket), Ok(Ok(())))
}

fn socket_for(peer: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let family = if peer.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(family, kind, flags, None)?)
}

/// Whether there is nothing to be done now, and it isn't over either.
pub fn is_later(error: Errno) -> bool {
    matches!(error, Errno::AGAIN | Errno::INTR)
}
