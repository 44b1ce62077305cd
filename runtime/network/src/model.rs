//! What networks, endpoints and published ports are, to the kernel.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// 64 hex characters.
    pub id: String,
    /// How it is made.
    pub driver: Driver,
    /// Its IPv4 subnet.
    pub ipv4: Option<Subnet<Ipv4Addr>>,
    /// Its IPv6 subnet.
    pub ipv6: Option<Subnet<Ipv6Addr>>,
    /// Without a way to the world and to other networks.
    pub internal: bool,
    /// Bytes of the greatest packet; `None`: the default route's.
    pub mtu: Option<u32>,
}

/// How a network is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driver {
    /// A bridge of the host, veth pairs to it, masquerade to the world.
    Bridge {
        /// The bridge's name, at most 15 characters.
        device: String,
        /// Replace the source addresses of what leaves the host.
        masquerade: bool,
        /// Let its containers reach each other.
        inter_container: bool,
    },
    /// Devices of their own on a device of the host.
    Macvlan {
        /// The host's device; `None` on an internal network: a dummy device is made.
        parent: Option<String>,
        /// `bridge`, `private`, `vepa` or `passthru`.
        mode: String,
    },
}

/// Addresses of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet<A> {
    /// The subnet's first address.
    pub network: A,
    /// Bits.
    pub prefix: u8,
    /// The address of the way out: the bridge's own.
    pub gateway: Option<A>,
}

/// A container's place on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Tells the host's end of the pair apart: at most 11 hex characters, unique on the host.
    pub tag: String,
    /// The device's name in the container: `eth0`.
    pub device: String,
    /// Its hardware address; `None`: derived from the address, or random.
    pub mac: Option<[u8; 6]>,
    /// Its address.
    pub ip: Option<Ipv4Addr>,
    /// Its address.
    pub ip6: Option<Ipv6Addr>,
    /// Whether the default route leads here.
    pub is_default: bool,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// A port of the host and where its traffic goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortMap {
    /// Of which protocol.
    pub protocol: Protocol,
    /// The host's address; unspecified (`0.0.0.0`, `::`): all of that family.
    pub host: SocketAddr,
    /// The container's address; of the same family as `host`, or the rules carry nothing and the
    /// socket's holder does.
    pub target: SocketAddr,
}

impl PortMap {
    /// Whether the kernel's rules can carry it.
    #[must_use]
    pub fn is_of_one_family(&self) -> bool {
        matches!(
            (self.host.ip(), self.target.ip()),
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_))
        )
    }
}
