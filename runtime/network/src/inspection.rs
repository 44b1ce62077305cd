//! What the kernel has of an instance beside what it should have: looked at, and nothing changed.

use crate::driver::{refused, remove};
use crate::error::Result;
use crate::host::Host;
use crate::macvlan;
use crate::model::{Driver, Network, PortMap};
use crate::nft::Rules;

/// What is there and should not be, and what is not there and should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Devices that we made (bridges, dummies, VLANs), and pairs on our bridges, that no network and no endpoint
    /// stands for.
    pub stray_devices: Vec<String>,
    /// Devices of networks in use that are gone: bridges, and those that macvlan networks lie on.
    pub missing_devices: Vec<String>,
    /// Bridges that rules of ours speak of, and no network does.
    pub stray_rules: Vec<String>,
    /// Elements of our maps of ports that no endpoint has published.
    pub stray_ports: usize,
    /// Bridges of networks in use that our rules don't know; of all of them, where the table is damaged.
    pub missing_rules: Vec<String>,
    /// Published ports that our maps lack.
    pub missing_ports: usize,
}

impl Host {
    /// Looks. `networks` are all that the instance has, `used` those of them that containers are on, `tags` their
    /// endpoints', `ports` what these have published.
    ///
    /// # Errors
    ///
    /// What the kernel refuses to tell.
    pub fn inspect(
        &self,
        networks: &[Network],
        used: &[Network],
        tags: &[String],
        ports: &[PortMap],
    ) -> Result<Inspection> {
        let mut found = Inspection::default();
        self.devices(networks, used, tags, &mut found)?;
        self.firewall(networks, used, ports, &mut found)?;
        Ok(found)
    }

    /// Takes a stray device away; one that is gone is no error.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub fn remove_device(&self, name: &str) -> Result<()> {
        self.links(|links| remove(links, name))
    }

    fn devices(
        &self,
        networks: &[Network],
        used: &[Network],
        tags: &[String],
        found: &mut Inspection,
    ) -> Result<()> {
        let all = self.links(|links| links.all().map_err(refused("list the", "devices")))?;
        for link in &all {
            // Nothing of a container's carries our name: its devices lie in its own namespace and go with that.
            let is_ours = link.alias.as_ref() == Some(&self.name);
            if is_ours && !networks.iter().any(|network| device(network) == link.name) {
                found.stray_devices.push(link.name.clone());
            }
            let is_on_ours = link.master.is_some_and(|master| {
                all.iter().any(|bridge| {
                    bridge.index == master && bridge.alias.as_ref() == Some(&self.name)
                })
            });
            // Ours are called so, whoever else puts devices on our bridges.
            let tag = link.name.strip_prefix("veth").filter(|tag| tag.len() == 11);
            if let Some(tag) = tag.filter(|_| is_on_ours)
                && tag.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !tags.iter().any(|known| known == tag)
            {
                found.stray_devices.push(link.name.clone());
            }
        }
        let there = |name: &str| all.iter().any(|link| link.name == name);
        found.missing_devices = used.iter().map(device).filter(|name| !there(name)).collect();
        found.missing_devices.sort();
        // Several networks may lie on one device.
        found.missing_devices.dedup();
        Ok(())
    }

    fn firewall(
        &self,
        networks: &[Network],
        used: &[Network],
        ports: &[PortMap],
        found: &mut Inspection,
    ) -> Result<()> {
        let failed = || refused("look at the table", &self.name);
        self.rules(|rules| {
            let known = rules.bridges().map_err(failed())?;
            let strays = known.into_iter().filter(|name| !bridges(networks).any(|b| b == name));
            found.stray_rules = strays.collect();
            let (there, strays) = rules.count_ports(ports).map_err(failed())?;
            found.stray_ports = strays;
            found.missing_ports = Rules::led(ports).saturating_sub(there - strays);
            let is_intact = bridges(used).next().is_none() || rules.is_intact().map_err(failed())?;
            for network in used {
                if let Some(name) = bridge(network)
                    && !(is_intact && rules.has_network(network).map_err(failed())?)
                {
                    found.missing_rules.push(name.to_owned());
                }
            }
            Ok(())
        })
    }
}

/// The device of the host that a network is, or lies on.
fn device(network: &Network) -> String {
    match &network.driver {
        Driver::Bridge { device, .. } => device.clone(),
        Driver::Macvlan { parent, .. } => macvlan::parent_of(network, parent.as_deref()),
    }
}

fn bridge(network: &Network) -> Option<&str> {
    match &network.driver {
        Driver::Bridge { device, .. } => Some(device),
        Driver::Macvlan { .. } => None,
    }
}

fn bridges(networks: &[Network]) -> impl Iterator<Item = &str> {
    networks.iter().filter_map(bridge)
}
