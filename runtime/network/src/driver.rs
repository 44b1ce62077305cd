//! What each driver does; one a file.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::host::Connected;
use crate::link::{self, Link, Links};
use crate::model::{Driver, Endpoint, Network, Subnet};
use crate::netlink::{Message, Refused};
use crate::subnets::Prefix;
use crate::{bridge, macvlan, namespace, sysctl};

/// Bytes of the greatest packet where nothing says otherwise.
pub const ETHERNET: u32 = 1500;

/// How networks of one kind are made. Everything may be done twice; what fails undoes what it did.
pub trait Plumbing {
    /// Makes what all containers of the network share.
    fn ensure(&self, links: &mut Links, network: &Network) -> Result<()>;
    /// Takes it away.
    fn remove(&self, links: &mut Links, network: &Network) -> Result<()>;
    /// Gives `netns` its device, and sets that up.
    fn connect(
        &self,
        links: &mut Links,
        network: &Network,
        netns: BorrowedFd<'_>,
        endpoint: &Endpoint,
    ) -> Result<Connected>;
    /// Takes the device away.
    fn disconnect(
        &self,
        links: &mut Links,
        netns: Option<BorrowedFd<'_>>,
        endpoint: &Endpoint,
    ) -> Result<()>;
}

/// The driver of a network, for an instance whose devices carry `alias`.
#[must_use]
pub fn of(network: &Network, alias: &str) -> Box<dyn Plumbing> {
    let alias = alias.to_owned();
    match network.driver.clone() {
        Driver::Bridge { device, inter_container, .. } => {
            Box::new(bridge::Bridge { device, inter_container, alias })
        }
        Driver::Macvlan { parent, mode } => Box::new(macvlan::Macvlan { parent, mode, alias }),
    }
}

/// The hardware address of a device: the one that was asked for, else one that its IPv4 address makes
/// unique on the network, and the same whenever the address comes back (nobody's neighbour table is
/// wrong then); with neither, the kernel's choice.
#[must_use]
pub fn mac(endpoint: &Endpoint) -> Option<[u8; 6]> {
    endpoint.mac.or_else(|| {
        let [a, b, c, d] = endpoint.ip?.octets();
        Some([0x02, 0x42, a, b, c, d])
    })
}

/// Sets up a container's device inside its namespace: addresses, up, the way out.
///
/// # Errors
///
/// What the kernel refuses.
pub fn configure(
    network: &Network,
    netns: BorrowedFd<'_>,
    endpoint: &Endpoint,
) -> Result<Connected> {
    let failed = |action| refused(action, &endpoint.device);
    namespace::within(netns, || {
        let mut links = Links::open().map_err(failed("ask for"))?;
        let device = find(&mut links, &endpoint.device)?;
        if endpoint.ip6.is_some() {
            sysctl::enable_ipv6(&endpoint.device)?;
        }
        if heeds_no_routers(network, endpoint) && sysctl::has_ipv6() {
            sysctl::heed_no_routers(&endpoint.device)?;
        }
        if endpoint.mac.is_some() {
            sysctl::announce(&endpoint.device)?;
        }
        let mut messages = Vec::new();
        if endpoint.ip6.is_none() && sysctl::has_ipv6() {
            messages.push(link::without_link_local(&endpoint.device));
        }
        messages.extend(addresses(network, endpoint, device.index));
        messages.push(link::set_up(&endpoint.device));
        links.change(&messages, &[Errno::EXIST]).map_err(failed("set up"))?;
        if endpoint.is_default {
            let routes = routes(network, endpoint, device.index);
            links.change(&routes, &[]).map_err(failed("lead the default route through"))?;
        }
        Ok(Connected { mac: device.mac.unwrap_or_default(), mtu: device.mtu })
    })?
}

/// Whether every router that a container could hear of is an impostor: its neighbours on a bridge, and
/// anybody where it has no IPv6. On a wire of the world's it is a host like others there.
fn heeds_no_routers(network: &Network, endpoint: &Endpoint) -> bool {
    matches!(network.driver, Driver::Bridge { .. }) || endpoint.ip6.is_none()
}

/// Leads a container's default route through this endpoint, in place of another.
///
/// # Errors
///
/// What the kernel refuses.
pub fn lead_through(network: &Network, netns: BorrowedFd<'_>, endpoint: &Endpoint) -> Result<()> {
    let failed = |action| refused(action, &endpoint.device);
    namespace::within(netns, || {
        let mut links = Links::open().map_err(failed("ask for"))?;
        let device = find(&mut links, &endpoint.device)?;
        let routes = routes(network, endpoint, device.index);
        links.change(&routes, &[]).map_err(failed("lead the default route through"))
    })?
}

fn addresses(network: &Network, endpoint: &Endpoint, index: u32) -> Vec<Message> {
    let mut messages = Vec::new();
    if let (Some(ip), Some(subnet)) = (endpoint.ip, network.ipv4) {
        let broadcast = broadcast(&subnet);
        messages.push(link::add_address(index, ip.into(), subnet.prefix, broadcast));
    }
    if let (Some(ip), Some(subnet)) = (endpoint.ip6, network.ipv6) {
        messages.push(link::add_address(index, ip.into(), subnet.prefix, None));
    }
    messages
}

/// The address that means every host of an IPv4 subnet, if it has one.
#[must_use]
pub fn broadcast(subnet: &Subnet<std::net::Ipv4Addr>) -> Option<std::net::IpAddr> {
    let prefix = Prefix::around(subnet.network.into(), subnet.prefix)?;
    (subnet.prefix < 31).then(|| prefix.last())
}

fn routes(network: &Network, endpoint: &Endpoint, index: u32) -> Vec<Message> {
    if network.internal {
        return Vec::new();
    }
    let ipv4 = endpoint.ip.and(network.ipv4).and_then(|subnet| subnet.gateway);
    let ipv6 = endpoint.ip6.and(network.ipv6).and_then(|subnet| subnet.gateway);
    let gateways = ipv4.map(Into::into).into_iter().chain(ipv6.map(Into::into));
    gateways.map(|gateway| link::add_default_route(index, gateway)).collect()
}

/// The device of a name.
///
/// # Errors
///
/// That there is none.
pub fn find(links: &mut Links, name: &str) -> Result<Link> {
    links
        .find(name)
        .map_err(refused("ask for", name))?
        .ok_or_else(|| Error::Device { device: name.to_owned(), reason: "there is no such device" })
}

/// Takes a device away; one that is gone is no error.
///
/// # Errors
///
/// What the kernel refuses.
pub fn remove(links: &mut Links, name: &str) -> Result<()> {
    links.change(&[link::remove(name)], &[Errno::NODEV]).map_err(refused("remove", name))
}

/// The greatest packet that what leaves the host may have.
///
/// # Errors
///
/// What the kernel refuses.
pub fn default_mtu(links: &mut Links) -> Result<u32> {
    let failed = |action| refused(action, "the default route");
    let Some(index) = links.default_routes().map_err(failed("find"))?.first().copied() else {
        return Ok(ETHERNET);
    };
    let all = links.all().map_err(failed("find the device of"))?;
    Ok(all.iter().find(|link| link.index == index).map_or(ETHERNET, |link| link.mtu))
}

/// Names what was refused.
pub fn refused(action: &'static str, object: &str) -> impl Fn(Refused) -> Error + use<> {
    let object = object.to_owned();
    move |refused| Error::Kernel { action, object: object.clone(), source: refused.into() }
}
