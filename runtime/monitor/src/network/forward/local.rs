//! Datagrams with the address on our side that they came to: an answer has to come from there, and a
//! socket that is bound to all addresses would pick another where the host has several.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};

/// An address on our side; of which interface, where that isn't clear from the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Local {
    address: IpAddr,
    interface: u32,
}

/// What came to a socket.
#[derive(Debug)]
pub struct Arrived {
    /// How many bytes.
    pub length: usize,
    /// From whom.
    pub from: SocketAddr,
    /// To which address of ours.
    pub to: Option<Local>,
}

/// Has the kernel tell that address for a socket that is bound to an address like `bound`.
pub fn announce(socket: impl AsFd, bound: SocketAddr) -> nix::Result<()> {
    match bound {
        SocketAddr::V4(_) => setsockopt(&socket, sockopt::Ipv4PacketInfo, &true),
        SocketAddr::V6(_) => setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true),
    }
}

/// Receives a datagram. `None` where it came from no address of the Internet.
pub fn receive(socket: impl AsFd, buffer: &mut [u8]) -> nix::Result<Option<Arrived>> {
    let mut control = nix::cmsg_space!(libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_fd().as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::empty(),
    )?;
    let to = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            let octets = info.ipi_spec_dst.s_addr.to_ne_bytes();
            Some(Local { address: octets.into(), interface: 0 })
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let octets = info.ipi6_addr.s6_addr;
            let is_of_a_link = octets[0] == 0xfe && octets[1] & 0xc0 == 0x80;
            let interface = if is_of_a_link { info.ipi6_ifindex } else { 0 };
            Some(Local { address: octets.into(), interface })
        }
        _ => None,
    });
    let from = message.address.and_then(|from| {
        let v4 = from.as_sockaddr_in().map(|from| SocketAddr::V4((*from).into()));
        v4.or_else(|| from.as_sockaddr_in6().map(|from| SocketAddr::V6((*from).into())))
    });
    Ok(from.map(|from| Arrived { length: message.bytes, from, to }))
}

/// Sends a datagram from this address of ours.
pub fn send(
    socket: impl AsFd,
    bytes: &[u8],
    from: Option<Local>,
    to: SocketAddr,
) -> nix::Result<usize> {
    let (socket, parts) = (socket.as_fd().as_raw_fd(), [IoSlice::new(bytes)]);
    let to = SockaddrStorage::from(to);
    let send = |control: &[ControlMessage<'_>]| {
        sendmsg(socket, &parts, control, MsgFlags::MSG_NOSIGNAL, Some(&to))
    };
    match from {
        None => send(&[]),
        Some(Local { address: IpAddr::V4(address), .. }) => {
            let own = libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) };
            let none = libc::in_addr { s_addr: 0 };
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: own, ipi_addr: none };
            send(&[ControlMessage::Ipv4PacketInfo(&info)])
        }
        Some(Local { address: IpAddr::V6(address), interface }) => {
            let own = libc::in6_addr { s6_addr: address.octets() };
            let info = libc::in6_pktinfo { ipi6_addr: own, ipi6_ifindex: interface };
            send(&[ControlMessage::Ipv6PacketInfo(&info)])
        }
    }
}
