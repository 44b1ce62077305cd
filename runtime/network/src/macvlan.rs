//! The macvlan driver: containers' devices beside a device of the host, on its wire, with hardware
//! addresses of their own. The host itself they don't reach, and no rule sees their traffic.

use std::os::fd::BorrowedFd;

use rustix::io::Errno;

use crate::driver::{Plumbing, configure, find, mac, refused, remove};
use crate::error::{Error, Result};
use crate::host::Connected;
use crate::link::{self, Link, Links};
use crate::model::{Endpoint, Network};
use crate::namespace;
use crate::sysctl;

/// A macvlan network.
pub struct Macvlan {
    pub(crate) parent: Option<String>,
    pub(crate) mode: String,
    pub(crate) alias: String,
}

impl Plumbing for Macvlan {
    fn ensure(&self, links: &mut Links, network: &Network) -> Result<()> {
        self.mode()?;
        let name = self.parent_of(network);
        if links.find(&name).map_err(refused("ask for", &name))?.is_some() {
            return Ok(());
        }
        match &self.parent {
            Some(_) => self.make_vlan(links, &name),
            None => self.make_dummy(links, &name),
        }
    }

    fn remove(&self, links: &mut Links, network: &Network) -> Result<()> {
        let name = self.parent_of(network);
        let is_ours = match links.find(&name).map_err(refused("ask for", &name))? {
            // Whoever made a device takes it away: of the host's own, nothing.
            Some(link) => self.parent.is_none() || link.alias.as_ref() == Some(&self.alias),
            None => false,
        };
        if is_ours { remove(links, &name) } else { Ok(()) }
    }

    fn connect(
        &self,
        links: &mut Links,
        network: &Network,
        netns: BorrowedFd<'_>,
        endpoint: &Endpoint,
    ) -> Result<Connected> {
        let mode = self.mode()?;
        let parent = find(links, &self.parent_of(network))?;
        let mtu = mtu(network, &parent)?;
        let device = &endpoint.device;
        let message = link::add_macvlan(device, parent.index, mode, mtu, netns, mac(endpoint));
        links.change(&[message], &[]).map_err(refused("make the device", device))?;
        configure(network, netns, endpoint).inspect_err(|_| {
            let _ = self.disconnect(links, Some(netns), endpoint);
        })
    }

    /// Without a namespace nothing is left: the device went with it.
    fn disconnect(
        &self,
        _links: &mut Links,
        netns: Option<BorrowedFd<'_>>,
        endpoint: &Endpoint,
    ) -> Result<()> {
        let Some(netns) = netns else { return Ok(()) };
        namespace::within(netns, || {
            let mut inside = Links::open().map_err(refused("ask for", &endpoint.device))?;
            remove(&mut inside, &endpoint.device)
        })?
    }
}

/// The device that a network lies on: the one it was given, else a dummy of its own.
pub(crate) fn parent_of(network: &Network, parent: Option<&str>) -> String {
    let id = network.id.get(..12).unwrap_or(&network.id);
    parent.map_or_else(|| format!("dm-{id}"), str::to_owned)
}

/// A device on another can't send greater packets than that.
fn mtu(network: &Network, parent: &Link) -> Result<u32> {
    match network.mtu {
        Some(mtu) if mtu > parent.mtu => Err(Error::Invalid(format!(
            "the network's MTU {mtu} is greater than that of its parent {}: {}",
            parent.name, parent.mtu
        ))),
        Some(mtu) => Ok(mtu),
        None => Ok(parent.mtu),
    }
}

impl Macvlan {
    /// `MACVLAN_MODE_*`.
    fn mode(&self) -> Result<u32> {
        match self.mode.as_str() {
            "private" => Ok(1),
            "vepa" => Ok(2),
            "bridge" => Ok(4),
            "passthru" => Ok(8),
            other => Err(Error::Invalid(format!(
                "macvlan has no mode {other:?}, only bridge, private, vepa and passthru"
            ))),
        }
    }

    fn parent_of(&self, network: &Network) -> String {
        parent_of(network, self.parent.as_deref())
    }

    /// `eth0.10` is the VLAN 10 on `eth0`, as docker reads it.
    fn make_vlan(&self, links: &mut Links, name: &str) -> Result<()> {
        let missing = || Error::Device {
            device: name.to_owned(),
            reason: "there is no such device for the network's parent",
        };
        let (below, id) = name.rsplit_once('.').ok_or_else(missing)?;
        let id: u16 = id.parse().ok().filter(|id| (1..4095).contains(id)).ok_or_else(missing)?;
        let below = find(links, below).map_err(|_| missing())?;
        let failed = || refused("make the VLAN", name);
        match links.change(&[link::add_vlan(name, below.index, id)], &[]) {
            // Somebody else's, or of another command of ours.
            Err(refused) if refused.errno == Errno::EXIST => Ok(()),
            result => result
                .and_then(|()| links.change(&[link::set_alias(name, &self.alias)], &[]))
                .map_err(failed()),
        }
    }

    /// A parent that leads nowhere. A kernel without dummy devices has pairs: one whose other end
    /// nobody holds does the same.
    fn make_dummy(&self, links: &mut Links, name: &str) -> Result<()> {
        let failed = refused("make the device", name);
        let alias = link::set_alias(name, &self.alias);
        match links.change(&[link::add_dummy(name), alias.clone()], &[Errno::EXIST]) {
            Err(refused) if refused.errno == Errno::OPNOTSUPP => {}
            result => return result.map_err(failed),
        }
        let other = name.replacen("dm-", "dn-", 1);
        let mut messages = vec![link::add_veth_pair(name, &other), link::set_up(&other), alias];
        if sysctl::has_ipv6() {
            messages.push(link::without_link_local(name));
            messages.push(link::without_link_local(&other));
        }
        links.change(&messages, &[Errno::EXIST]).map_err(failed)
    }
}
