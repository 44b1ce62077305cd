//! Holding ports of the host: each by a bound socket, so that «in use» is what the kernel says. The
//! container's monitor gets the sockets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use isopod_monitor_protocol::launch::Protocol;
use isopod_network::{Error as NetworkError, sockets};

use super::endpoint::Endpoint;
use super::record::Published;
use crate::Result;
use crate::container::{Port, Publish};

/// How often a free port is looked for that is free for both families.
const ATTEMPTS: usize = 16;

/// A port of the host that is held.
#[derive(Debug)]
pub(super) struct Held {
    /// The address that the socket is bound to.
    pub host: SocketAddr,
    /// The container's port.
    pub container: Port,
    /// What holds it.
    pub socket: OwnedFd,
}

/// Holds all of them or none.
pub(super) fn hold(publish: &[Publish]) -> Result<Vec<Held>> {
    let mut held = Vec::new();
    for one in publish {
        hold_one(one, &mut held)?;
    }
    Ok(held)
}

fn hold_one(publish: &Publish, held: &mut Vec<Held>) -> Result<()> {
    let first = publish.host_port.unwrap_or(0);
    let last = publish.host_port_end.unwrap_or(first).max(first);
    // Of a range, the first that is free; of none, whatever the kernel gives.
    let candidates: Vec<u16> = match first {
        0 => vec![0; ATTEMPTS],
        _ => (first..=last).collect(),
    };
    let mut result = Ok(());
    for port in candidates {
        match hold_at(publish, port) {
            Ok(sockets) => {
                held.extend(sockets);
                return Ok(());
            }
            Err(error @ NetworkError::PortInUse { .. }) => result = Err(error),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(result?)
}

/// One port, on one address or on all of both families.
fn hold_at(publish: &Publish, port: u16) -> Result<Vec<Held>, NetworkError> {
    let bind = |ip: IpAddr, port: u16| {
        let protocol = to_model(publish.container.protocol);
        let (socket, host) = sockets::hold(protocol, SocketAddr::new(ip, port))?;
        Ok(Held { host, container: publish.container, socket })
    };
    if let Some(ip) = publish.host_ip {
        return Ok(vec![bind(ip, port)?]);
    }
    let v4 = bind(Ipv4Addr::UNSPECIFIED.into(), port)?;
    match bind(Ipv6Addr::UNSPECIFIED.into(), v4.host.port()) {
        Ok(v6) => Ok(vec![v4, v6]),
        Err(error) if lacks_ipv6(&error) => Ok(vec![v4]),
        Err(error) => Err(error),
    }
}

/// A host without IPv6 publishes on what it has.
fn lacks_ipv6(error: &NetworkError) -> bool {
    match error {
        NetworkError::NoSuchAddress { .. } => true,
        NetworkError::Kernel { source, .. } => {
            source.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error())
        }
        _ => false,
    }
}

/// Where each held port leads once the container has addresses: to the one of its own family, or to the one
/// that there is.
pub(super) fn published(held: &[Held], endpoint: &Endpoint) -> Vec<Published> {
    let (v4, v6) = (endpoint.ip.map(IpAddr::V4), endpoint.ip6.map(IpAddr::V6));
    let lead = |held: &Held| {
        let ip = if held.host.is_ipv4() { v4.or(v6) } else { v6.or(v4) };
        Some(Published {
            protocol: held.container.protocol,
            host: held.host,
            target: SocketAddr::new(ip?, held.container.port),
        })
    };
    held.iter().filter_map(lead).collect()
}

/// As the kernel's side knows them.
pub(super) fn to_maps(ports: &[Published]) -> Vec<isopod_network::PortMap> {
    ports
        .iter()
        .map(|port| isopod_network::PortMap {
            protocol: to_model(port.protocol),
            host: port.host,
            target: port.target,
        })
        .collect()
}

fn to_model(protocol: Protocol) -> isopod_network::Protocol {
    match protocol {
        Protocol::Tcp => isopod_network::Protocol::Tcp,
        Protocol::Udp => isopod_network::Protocol::Udp,
        Protocol::Sctp => isopod_network::Protocol::Sctp,
    }
}
