//! An instance's view of the network namespace it works in: the one door to everything here.

use std::os::fd::BorrowedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::conntrack;
use crate::driver::{self, refused};
use crate::error::{Error, Result};
use crate::firewall::{self, Look};
use crate::link::Links;
use crate::model::{Driver, Endpoint, Network, PortMap};
use crate::nft::{Rules, table_name};
use crate::subnets::Prefix;
use crate::warning::Warning;

/// The longest name of an instance.
const INSTANCE: usize = 16;

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
    /// The table's name, and the alias of our devices.
    pub(crate) name: String,
    links: Mutex<Option<Links>>,
    rules: Mutex<Option<Rules>>,
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
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if instance.len() > INSTANCE || !instance.bytes().all(plain) {
            return Err(Error::Invalid(format!(
                "the instance's name {instance:?} is not at most {INSTANCE} letters, digits and hyphens"
            )));
        }
        let name = table_name(instance);
        Ok(Self { name, links: Mutex::new(None), rules: Mutex::new(None) })
    }

    /// Makes a network's devices, addresses and rules where they are missing. Cheap when all is there:
    /// it warns of other firewalls only when it makes rules.
    ///
    /// # Errors
    ///
    /// What the kernel refuses. What this call has made by then is gone again.
    pub fn ensure_network(&self, network: &Network) -> Result<Vec<Warning>> {
        self.ensure(network, Look::AtIptables)
    }

    fn ensure(&self, network: &Network, look: Look) -> Result<Vec<Warning>> {
        let driver = driver::of(network, &self.name);
        check_name(network)?;
        if !is_bridge(network) {
            self.links(|links| driver.ensure(links, network))?;
            return Ok(Vec::new());
        }
        // Rules before devices: there is no moment at which a device is there without them.
        let was_there = self.rules(|rules| {
            let failed = || refused("make the table", &self.name);
            rules.install().map_err(failed())?;
            let was_there = rules.has_network(network).map_err(failed())?;
            if !was_there {
                rules.add_network(network).map_err(failed())?;
            }
            Ok(was_there)
        })?;
        self.links(|links| driver.ensure(links, network))
            .and_then(|()| {
                let look = if was_there { look } else { Look::Everywhere };
                self.rules(|rules| firewall::open(rules, network, look))
            })
            .inspect_err(|_| {
                if !was_there {
                    // The error that is told is the first one.
                    let _ = self.remove_network(network);
                }
            })
    }

    /// Takes a network's devices and rules away; what is gone already is no error.
    ///
    /// # Errors
    ///
    /// Everything the kernel refuses to take away.
    pub fn remove_network(&self, network: &Network) -> Result<()> {
        let driver = driver::of(network, &self.name);
        let mut failures = Vec::new();
        failures.extend(self.links(|links| driver.remove(links, network)).err());
        if let Driver::Bridge { device, .. } = &network.driver {
            let failed = refused("remove the network's rules from the table", &self.name);
            failures
                .extend(self.rules(|rules| rules.remove_network(network).map_err(failed)).err());
            failures.extend(self.rules(|rules| firewall::close(rules, device)).err());
        }
        all(failures)
    }

    /// Gives the network namespace `netns` its device on a network: up, with addresses and routes.
    ///
    /// # Errors
    ///
    /// What the kernel refuses. The device is gone again then.
    pub fn connect(
        &self,
        network: &Network,
        netns: BorrowedFd<'_>,
        endpoint: &Endpoint,
    ) -> Result<Connected> {
        let driver = driver::of(network, &self.name);
        self.links(|links| driver.connect(links, network, netns, endpoint))
    }

    /// Leads the default route of `netns` through an endpoint that is connected, in place of another.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn lead_through(
        &self,
        network: &Network,
        netns: BorrowedFd<'_>,
        endpoint: &Endpoint,
    ) -> Result<()> {
        driver::lead_through(network, netns, endpoint)
    }

    /// Takes a device away. Without `netns` (the container is gone), what is left of it on the host.
    ///
    /// # Errors
    ///
    /// What the kernel refuses to take away; a device that is gone is no error.
    pub fn disconnect(
        &self,
        network: &Network,
        netns: Option<BorrowedFd<'_>>,
        endpoint: &Endpoint,
    ) -> Result<()> {
        let driver = driver::of(network, &self.name);
        self.links(|links| driver.disconnect(links, netns, endpoint))
    }

    /// Leads ports of the host to containers: all or none. Ports that lead elsewhere by now are led
    /// anew: whoever calls this holds the port's socket. Ports whose families differ are left out, the
    /// socket's holder carries them.
    ///
    /// # Errors
    ///
    /// What the kernel refuses; no port is led then.
    pub fn publish(&self, ports: &[PortMap]) -> Result<()> {
        if !ports.iter().any(PortMap::is_of_one_family) {
            return Ok(());
        }
        let failed = || refused("publish ports in the table", &self.name);
        self.rules(|rules| rules.publish(ports).map_err(failed()))?;
        let forgotten =
            conntrack::forget(ports).map_err(refused("forget the connections of", "UDP ports"));
        forgotten.inspect_err(|_| {
            // The error that is told is the first one.
            let _ = self.unpublish(ports);
        })
    }

    /// Stops leading ports; those that lead elsewhere by now are left alone.
    ///
    /// # Errors
    ///
    /// What the kernel refuses to take away.
    pub fn unpublish(&self, ports: &[PortMap]) -> Result<()> {
        if !ports.iter().any(PortMap::is_of_one_family) {
            return Ok(());
        }
        let failed = || refused("unpublish ports in the table", &self.name);
        let mut failures = Vec::new();
        failures.extend(self.rules(|rules| rules.unpublish(ports).map_err(failed())).err());
        let failed = refused("forget the connections of", "UDP ports");
        failures.extend(conntrack::forget(ports).map_err(failed).err());
        all(failures)
    }

    /// Makes everything anew that somebody's flush or restart of a firewall took away: devices and rules
    /// of `networks`, and exactly `ports`. Connected containers stay connected.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn reload(&self, networks: &[Network], ports: &[PortMap]) -> Result<Vec<Warning>> {
        self.rules(|rules| {
            let mut elements: Vec<_> = networks.iter().flat_map(|n| rules.network(n)).collect();
            elements.extend(rules.ports(ports));
            rules.replace(elements).map_err(refused("make the table", &self.name))
        })?;
        let mut warnings = Vec::new();
        for network in networks {
            warnings.extend(self.ensure(network, Look::Everywhere)?);
        }
        conntrack::forget(ports).map_err(refused("forget the connections of", "UDP ports"))?;
        Ok(warnings)
    }

    /// Whether the instance's rules are there as it made them: a look of microseconds, which counts
    /// rules and reads none. An instance without networks has none, and is not intact.
    ///
    /// # Errors
    ///
    /// A kernel without nftables.
    pub fn is_intact(&self) -> Result<bool> {
        let failed = refused("look at the table", &self.name);
        self.rules(|rules| rules.is_intact().map_err(failed))
    }

    /// Takes away everything of the instance: rules, bridges, and its marks in other tables.
    ///
    /// # Errors
    ///
    /// Everything the kernel refuses to take away.
    pub fn remove_all(&self) -> Result<()> {
        let mut failures = Vec::new();
        let mut bridges = Vec::new();
        match self.rules(|rules| rules.bridges().map_err(refused("read the table", &self.name))) {
            Ok(known) => bridges = known,
            Err(error) => failures.push(error),
        }
        match self.links(|links| links.all().map_err(refused("list the", "devices"))) {
            Ok(there) => {
                let ours = there.into_iter().filter(|link| link.alias.as_ref() == Some(&self.name));
                for link in ours {
                    failures.extend(self.links(|links| driver::remove(links, &link.name)).err());
                    bridges.push(link.name);
                }
            }
            Err(error) => failures.push(error),
        }
        bridges.sort();
        bridges.dedup();
        for bridge in &bridges {
            failures.extend(self.rules(|rules| firewall::close(rules, bridge)).err());
        }
        let failed = refused("remove the table", &self.name);
        failures.extend(self.rules(|rules| rules.remove().map_err(failed)).err());
        all(failures)
    }

    /// What no new subnet may overlap: the host's addresses' subnets and the destinations of its routes
    /// (default routes left out), both families.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn occupied(&self) -> Result<Vec<Prefix>> {
        self.links(|links| links.occupied().map_err(refused("list the host's", "routes")))
    }

    pub(crate) fn links<T>(&self, work: impl FnOnce(&mut Links) -> Result<T>) -> Result<T> {
        let mut held = lock(&self.links);
        if held.is_none() {
            let failed = refused("open a socket for", "devices and routes");
            *held = Some(Links::open().map_err(failed)?);
        }
        work(held.as_mut().expect("it was put there"))
    }

    pub(crate) fn rules<T>(&self, work: impl FnOnce(&mut Rules) -> Result<T>) -> Result<T> {
        let mut held = lock(&self.rules);
        if held.is_none() {
            let failed = refused("open a socket for", "nftables");
            *held = Some(Rules::open(self.name.clone()).map_err(failed)?);
        }
        work(held.as_mut().expect("it was put there"))
    }
}

/// Nothing of a socket is half done when a thread panics: an exchange begins with a number of its own.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_bridge(network: &Network) -> bool {
    matches!(network.driver, Driver::Bridge { .. })
}

/// Before a name that the kernel would refuse, or cut short, is in our table.
fn check_name(network: &Network) -> Result<()> {
    let Driver::Bridge { device, .. } = &network.driver else { return Ok(()) };
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"/:".contains(&byte);
    if (1..=15).contains(&device.len())
        && device.bytes().all(plain)
        && ![".", ".."].contains(&device.as_str())
    {
        return Ok(());
    }
    Err(Error::Device {
        device: device.clone(),
        reason: "a device's name has from 1 to 15 visible characters, none of them / or :",
    })
}

/// One failure as itself, several together.
fn all(mut failures: Vec<Error>) -> Result<()> {
    match failures.len() {
        0 => Ok(()),
        1 => Err(failures.remove(0)),
        _ => Err(Error::Several(failures)),
    }
}
