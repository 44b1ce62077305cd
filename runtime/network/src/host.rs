//! An instance's view of the network namespace it works in: the one door to everything here.

use std::os::fd::BorrowedFd;

use crate::error::{Error, Result};
use crate::model::{Endpoint, Network, PortMap};
use crate::subnets::Prefix;
use crate::warning::Warning;

/// What [`Host::connect`] made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The hardware address of the device in the container.
    pub mac: [u8; 6],
    /// Bytes of the greatest packet on it.
    pub mtu: u32,
}

/// An instance's view of a network namespace: the one in which its first call is made.
#[derive(Debug)]
pub struct Host {
    instance: String,
}

impl Host {
    /// The view of the instance called `instance`: empty for the default one, else at most 16 letters,
    /// digits and hyphens, which tell its table of rules (`isopod-<instance>`) from those of others.
    /// Opens nothing: sockets come with the first call that needs them.
    ///
    /// # Errors
    ///
    /// An instance's name that can't be part of a table's.
    pub fn open(instance: &str) -> Result<Self> {
        Ok(Self { instance: instance.to_owned() })
    }

    /// Makes a network's devices, addresses and rules where they are missing. Cheap when all is there.
    ///
    /// # Errors
    ///
    /// What the kernel refuses. What this call has made by then is gone again.
    pub fn ensure_network(&self, _network: &Network) -> Result<Vec<Warning>> {
        Err(Error::Invalid(self.instance.clone()))
    }

    /// Takes a network's devices and rules away; what is gone already is no error.
    ///
    /// # Errors
    ///
    /// Everything the kernel refuses to take away.
    pub fn remove_network(&self, _network: &Network) -> Result<()> {
        Err(Error::Invalid(self.instance.clone()))
    }

    /// Gives the network namespace `netns` its device on a network: up, with addresses and routes.
    ///
    /// # Errors
    ///
    /// What the kernel refuses. The device is gone again then.
    pub fn connect(
        &self,
        _network: &Network,
        _netns: BorrowedFd<'_>,
        _endpoint: &Endpoint,
    ) -> Result<Connected> {
        Err(Error::Invalid(self.instance.clone()))
    }

    /// Takes a device away. Without `netns` (the container is gone), what is left of it on the host.
    ///
    /// # Errors
    ///
    /// What the kernel refuses to take away; a device that is gone is no error.
    pub fn disconnect(
        &self,
        _network: &Network,
        _netns: Option<BorrowedFd<'_>>,
        _endpoint: &Endpoint,
    ) -> Result<()> {
        Err(Error::Invalid(self.instance.clone()))
    }

    /// Leads ports of the host to containers: all or none. Ports that lead elsewhere by now are led
    /// anew: whoever calls this holds the port's socket. Ports whose families differ are left out, the
    /// socket's holder carries them.
    ///
    /// # Errors
    ///
    /// What the kernel refuses; no port is led then.
    pub fn publish(&self, _ports: &[PortMap]) -> Result<()> {
        Err(Error::Invalid(self.instance.clone()))
    }

    /// Stops leading ports; those that lead elsewhere by now are left alone.
    ///
    /// # Errors
    ///
    /// What the kernel refuses to take away.
    pub fn unpublish(&self, _ports: &[PortMap]) -> Result<()> {
        Err(Error::Invalid(self.instance.clone()))
    }

    /// Makes everything anew that somebody's flush or restart of a firewall took away: devices and rules
    /// of `networks`, and exactly `ports`. Connected containers stay connected.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn reload(&self, _networks: &[Network], _ports: &[PortMap]) -> Result<Vec<Warning>> {
        Err(Error::Invalid(self.instance.clone()))
    }

    /// Whether the instance's rules are there as it made them: a look of microseconds, which counts
    /// rules and reads none. An instance without networks has none, and is not intact.
    ///
    /// # Errors
    ///
    /// A kernel without nftables.
    pub fn is_intact(&self) -> Result<bool> {
        Err(Error::Invalid(self.instance.clone()))
    }

    /// Takes away everything of the instance: rules, bridges, and its marks in other tables.
    ///
    /// # Errors
    ///
    /// Everything the kernel refuses to take away.
    pub fn remove_all(&self) -> Result<()> {
        Err(Error::Invalid(self.instance.clone()))
    }

    /// What no new subnet may overlap: the host's addresses' subnets and the destinations of its routes
    /// (default routes left out), both families.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn occupied(&self) -> Result<Vec<Prefix>> {
        Err(Error::Invalid(self.instance.clone()))
    }
}
