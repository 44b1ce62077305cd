//! The bridge driver: a bridge of the host with the gateways' addresses, and a veth pair for each
//! container. Rules are `nft`'s part.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::driver::{Plumbing, broadcast, configure, default_mtu, find, mac, refused, remove};
use crate::error::{Error, Result};
use crate::host::Connected;
use crate::link::{self, Link, Links};
use crate::model::{Endpoint, Network};
use crate::sysctl;

/// A bridge network.
pub struct Bridge {
    pub(crate) device: String,
    pub(crate) inter_container: bool,
    pub(crate) alias: String,
}

impl Plumbing for Bridge {
    fn ensure(&self, links: &mut Links, network: &Network) -> Result<()> {
        let known = links.find(&self.device).map_err(refused("ask for", &self.device))?;
        let is_new = known.is_none();
        let link = match known {
            Some(link) => self.checked(link)?,
            None => self.make(links, network)?,
        };
        if is_new || link.alias.is_none() && self.is_ours(&link, network) {
            let message = link::set_alias(&self.device, &self.alias);
            links.change(&[message], &[]).map_err(refused("mark the bridge", &self.device))?;
        }
        self.set_up(links, network, &link).inspect_err(|_| {
            if is_new {
                // The error that is told is the first one.
                let _ = remove(links, &self.device);
            }
        })
    }

    fn remove(&self, links: &mut Links, network: &Network) -> Result<()> {
        let known = links.find(&self.device).map_err(refused("ask for", &self.device))?;
        // A bridge that was there before us stays.
        match known {
            Some(link) if self.is_ours(&link, network) => remove(links, &self.device),
            _ => Ok(()),
        }
    }

    fn connect(
        &self,
        links: &mut Links,
        network: &Network,
        netns: BorrowedFd<'_>,
        endpoint: &Endpoint,
    ) -> Result<Connected> {
        let bridge = find(links, &self.device)?;
        let port = port(endpoint);
        let mut messages = vec![
            link::add_veth(&port, bridge.index, bridge.mtu, netns, &endpoint.device, mac(endpoint)),
            link::set_port(&port, !self.inter_container),
        ];
        if sysctl::has_ipv6() {
            messages.insert(1, link::without_link_local(&port));
        }
        let failed = refused("make the device", &endpoint.device);
        match links.change(&messages, &[]) {
            Err(refused) if refused.errno == Errno::EXIST => {
                // What an earlier start of this container left, unless it is the name in there.
                remove(links, &port)?;
                links.change(&messages, &[]).map_err(failed)
            }
            result => result.map_err(failed),
        }
        .and_then(|()| configure(network, netns, endpoint))
        .inspect_err(|_| {
            let _ = remove(links, &port);
        })
    }

    fn disconnect(
        &self,
        links: &mut Links,
        _netns: Option<BorrowedFd<'_>>,
        endpoint: &Endpoint,
    ) -> Result<()> {
        remove(links, &port(endpoint))
    }
}

/// The name of the host's end.
fn port(endpoint: &Endpoint) -> String {
    format!("veth{}", endpoint.tag)
}

/// The bridge's hardware address: of its IPv4 address as its containers', else of the network's id.
fn own_mac(network: &Network) -> [u8; 6] {
    let gateway = network.ipv4.and_then(|subnet| subnet.gateway);
    let of_id = || u32::from_str_radix(network.id.get(..8)?, 16).ok();
    let [a, b, c, d] = match gateway {
        Some(gateway) => gateway.octets(),
        None => of_id().unwrap_or_default().to_be_bytes(),
    };
    [0x02, 0x42, a, b, c, d]
}

/// The names of the devices that default routes lead through which routers advertised.
fn led_by_routers(links: &mut Links) -> Result<Vec<String>> {
    let failed = || refused("list the host's", "routes");
    let routes = links.advertised_routes().map_err(failed())?;
    if routes.is_empty() {
        return Ok(Vec::new());
    }
    let all = links.all().map_err(failed())?;
    Ok(all.into_iter().filter(|l| routes.contains(&l.index)).map(|l| l.name).collect())
}

impl Bridge {
    /// Whether a bridge is of our making: marked, or its maker was killed before it could.
    fn is_ours(&self, link: &Link, network: &Network) -> bool {
        match &link.alias {
            Some(alias) => *alias == self.alias,
            None => link.mac == Some(own_mac(network)),
        }
    }

    fn checked(&self, link: Link) -> Result<Link> {
        if link.kind.as_deref() == Some("bridge") {
            return Ok(link);
        }
        Err(Error::Device { device: self.device.clone(), reason: "this device is no bridge" })
    }

    fn make(&self, links: &mut Links, network: &Network) -> Result<Link> {
        let mtu = match network.mtu {
            Some(mtu) => mtu,
            None => default_mtu(links)?,
        };
        let mut messages = vec![link::add_bridge(&self.device, own_mac(network), mtu)];
        if network.ipv6.is_none() && sysctl::has_ipv6() {
            // While it is down: no address of the link is there before it is told not to be.
            messages.push(link::without_link_local(&self.device));
        }
        // Two commands may make it at the same time: one finds it.
        links
            .change(&messages, &[Errno::EXIST])
            .map_err(refused("make the bridge", &self.device))?;
        self.checked(find(links, &self.device)?)
    }

    /// Addresses, up, and the host's settings, where they are missing.
    fn set_up(&self, links: &mut Links, network: &Network, link: &Link) -> Result<()> {
        let failed = |action| refused(action, &self.device);
        let there = links.addresses(link.index).map_err(failed("ask for the addresses of"))?;
        let ipv4 =
            network.ipv4.and_then(|s| Some((IpAddr::from(s.gateway?), s.prefix, broadcast(&s))));
        let ipv6 = network.ipv6.and_then(|s| Some((IpAddr::from(s.gateway?), s.prefix, None)));
        if sysctl::has_ipv6() {
            sysctl::heed_no_routers(&self.device)?;
        }
        if ipv6.is_some() {
            sysctl::enable_ipv6(&self.device)?;
        }
        let mut messages = Vec::new();
        for (address, prefix, broadcast) in ipv4.into_iter().chain(ipv6) {
            if !there.contains(&(address, prefix)) {
                messages.push(link::add_address(link.index, address, prefix, broadcast));
            }
        }
        if !link.is_up {
            messages.push(link::set_up(&self.device));
        }
        if !messages.is_empty() {
            links.change(&messages, &[Errno::EXIST]).map_err(failed("set up the bridge"))?;
        }
        if network.internal {
            return Ok(());
        }
        if network.ipv4.is_some() {
            sysctl::route_localnet(&self.device)?;
            sysctl::forward_ipv4()?;
        }
        if network.ipv6.is_some() && !sysctl::forwards_ipv6() {
            sysctl::forward_ipv6(&led_by_routers(links)?)?;
        }
        Ok(())
    }
}
