//! Making networks: what was asked for is checked, addresses are found, the row is written, the bridge made.

use std::collections::BTreeMap;
use std::net::IpAddr;

use isopod_network::{Host, Prefix, Warning, subnets};
use isopod_sys::step::step;

use super::addresses::Pool;
use super::find::{Network, Networks};
use super::record::{
    BRIDGE_NAME, DriverKind, ICC, MACVLAN_MODE, MASQUERADE, MTU, NetworkRecord, PARENT, VERSION,
};
use super::{BUILT_IN, DEFAULT};
use crate::state::{Durability, Labels, NetworkRow};
use crate::{Error, Result, id};

/// What to make.
#[derive(Debug, Clone, Default)]
pub struct CreateNetwork {
    /// Its name.
    pub name: String,
    /// `bridge` (the default) or `macvlan`.
    pub driver: Option<String>,
    /// At most one of each family; automatic ones where none is given.
    pub subnets: Vec<Prefix>,
    /// Of the subnets, in any order.
    pub gateways: Vec<IpAddr>,
    /// Parts of the subnets, in any order.
    pub ranges: Vec<Prefix>,
    /// Addresses of the subnets that are somebody else's, by name.
    pub reserved: Vec<(String, IpAddr)>,
    /// Without IPv4 addresses.
    pub no_ipv4: bool,
    /// With IPv6 addresses.
    pub ipv6: bool,
    /// Without a way to the world.
    pub internal: bool,
    /// Labels.
    pub labels: Labels,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
}

impl Networks<'_> {
    /// Makes a network.
    ///
    /// # Errors
    /// The name is taken or no name; what was asked for can't be; no subnet is free; the kernel refuses.
    /// Nothing is left behind then.
    pub fn create(&self, asked: CreateNetwork) -> Result<(Network, Vec<Warning>)> {
        id::check("network name", &asked.name)?;
        if asked.name == "default" {
            return Err(Error::Invalid(
                "a network can't be called default: it is another name of the network bridge"
                    .to_owned(),
            ));
        }
        self.ensure_built_in()?;
        let id = id::random();
        let mut record = NetworkRecord {
            version: VERSION,
            driver: driver(asked.driver.as_deref())?,
            ipv4: None,
            ipv6: None,
            internal: asked.internal,
            device: String::new(),
            options: asked.options.clone(),
        };
        check_options(record.driver, &record.options)?;
        if record.driver == DriverKind::Bridge {
            let name = record.options.get(BRIDGE_NAME).cloned();
            record.device = name.unwrap_or_else(|| format!("br-{}", &id[..12]));
        }
        let occupied = self.host()?.occupied()?;
        let state = self.runtime.state();
        let row = state.write(Durability::Power, |transaction| {
            let wrap = state.error();
            if let Some(other) = NetworkRow::exact(transaction, &asked.name).map_err(&wrap)? {
                return Err(Error::AlreadyExists {
                    what: "network name",
                    name: asked.name.clone(),
                    by: format!("network {}", other.id.get(..12).unwrap_or(&other.id)),
                });
            }
            let others = NetworkRow::list(transaction).map_err(&wrap)?;
            let others = others.into_iter().map(Network::from_row).collect::<Result<Vec<_>>>()?;
            check_device(&record, &others)?;
            give_subnets(&mut record, &asked, &id, &occupied, &others)?;
            let (name, labels) = (&asked.name, &asked.labels);
            NetworkRow::insert(transaction, &id, name, labels, &record.to_text()).map_err(&wrap)
        })?;
        step("network.row");
        let network = Network::from_row(row)?;
        match self.make(&network) {
            Ok(warnings) => {
                step("network.made");
                self.happened("create", &network, None);
                Ok((network, warnings))
            }
            Err(error) => {
                if let Err(second) = self.forget(&network) {
                    tracing::warn!(network = network.name, error = %second, "cannot undo a failed create");
                    // Whoever may make nothing may take nothing away either. Should anything be left, it has
                    // this instance's mark, by which it goes with the last network.
                    self.delete_row(&network).ok();
                }
                Err(error)
            }
        }
    }

    fn make(&self, network: &Network) -> Result<Vec<Warning>> {
        let Some(model) = network.record.to_model(&network.id) else { return Ok(Vec::new()) };
        Ok(self.host()?.ensure_network(&model)?)
    }

    /// Sees to the networks that are always there.
    pub(super) fn ensure_built_in(&self) -> Result<()> {
        let state = self.runtime.state();
        if state.read(|c| NetworkRow::exact(c, DEFAULT))?.is_some() {
            return Ok(());
        }
        let occupied = self.host()?.occupied()?;
        state.write(Durability::Power, |transaction| {
            let wrap = state.error();
            for name in BUILT_IN {
                if NetworkRow::exact(transaction, name).map_err(&wrap)?.is_some() {
                    continue;
                }
                let id = id::random();
                let mut record = NetworkRecord {
                    version: VERSION,
                    driver: match name {
                        "host" => DriverKind::Host,
                        "none" => DriverKind::Null,
                        _ => DriverKind::Bridge,
                    },
                    ipv4: None,
                    ipv6: None,
                    internal: false,
                    device: String::new(),
                    options: BTreeMap::new(),
                };
                if name == DEFAULT {
                    record.device = match self.tag() {
                        None => "isopod0".to_owned(),
                        Some(tag) => format!("isopod-{tag}"),
                    };
                    let others = NetworkRow::list(transaction).map_err(&wrap)?;
                    let others =
                        others.into_iter().map(Network::from_row).collect::<Result<Vec<_>>>()?;
                    let asked = CreateNetwork::default();
                    give_subnets(&mut record, &asked, &id, &occupied, &others)?;
                }
                let labels = Labels::new();
                NetworkRow::insert(transaction, &id, name, &labels, &record.to_text())
                    .map_err(&wrap)?;
            }
            Ok(())
        })
    }

    /// The kernel's side of this instance.
    pub(crate) fn host(&self) -> Result<Host> {
        Ok(Host::open(&self.tag().unwrap_or_default())?)
    }
}

fn driver(name: Option<&str>) -> Result<DriverKind> {
    match name {
        None | Some("" | "bridge") => Ok(DriverKind::Bridge),
        Some("macvlan") => Ok(DriverKind::Macvlan),
        Some(other @ ("host" | "null")) => Err(Error::Invalid(format!(
            "there is one network of the driver {other}, and it is built in"
        ))),
        Some(other) => Err(Error::Unsupported(format!(
            "network driver {other:?} is not supported: drivers are bridge and macvlan"
        ))),
    }
}

/// Every option is known, and has a value that means something.
fn check_options(driver: DriverKind, options: &BTreeMap<String, String>) -> Result<()> {
    for (name, value) in options {
        let wrong = |reason: &str| {
            Err(Error::Invalid(format!("network option {name}={value} is refused: {reason}")))
        };
        match (driver, name.as_str()) {
            (_, MTU) if value.parse::<u32>().is_ok_and(|mtu| (68..=65_535).contains(&mtu)) => {}
            (_, MTU) => return wrong("it is no number from 68 to 65535"),
            (DriverKind::Bridge, BRIDGE_NAME) if is_device(value) => {}
            // As docker's: the loopback's packets never leave.
            (DriverKind::Macvlan, PARENT) if value == "lo" => {
                return wrong("the loopback device is no parent of a macvlan network");
            }
            (DriverKind::Macvlan, PARENT) if is_device(value) => {}
            (DriverKind::Bridge, BRIDGE_NAME) | (DriverKind::Macvlan, PARENT) => {
                return wrong("a device has a name of at most 15 characters without / and spaces");
            }
            (DriverKind::Bridge, ICC | MASQUERADE) => {
                if !matches!(
                    value.to_ascii_lowercase().as_str(),
                    "1" | "t" | "true" | "0" | "f" | "false"
                ) {
                    return wrong("it is neither true nor false");
                }
            }
            (DriverKind::Macvlan, MACVLAN_MODE) => {
                if !matches!(value.as_str(), "bridge" | "private" | "vepa" | "passthru") {
                    return wrong("modes are bridge, private, vepa and passthru");
                }
            }
            _ => {
                return Err(Error::Unsupported(format!(
                    "network option {name} is not supported for the driver {}",
                    driver.as_str()
                )));
            }
        }
    }
    Ok(())
}

/// What the kernel takes for a device's name, as far as it can be told without it.
fn is_device(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '%');
    (1..=15).contains(&name.len()) && name != "." && name != ".." && name.chars().all(plain)
}

/// Two networks on one bridge would undo each other's addresses.
fn check_device(record: &NetworkRecord, others: &[Network]) -> Result<()> {
    let is_same =
        |other: &&Network| !record.device.is_empty() && other.record.device == record.device;
    match others.iter().find(is_same) {
        None => Ok(()),
        Some(other) => Err(Error::AlreadyExists {
            what: "bridge",
            name: record.device.clone(),
            by: format!("network {}", other.name),
        }),
    }
}

/// The subnets that were asked for, or free ones.
fn give_subnets(
    record: &mut NetworkRecord,
    asked: &CreateNetwork,
    id: &str,
    occupied: &[Prefix],
    others: &[Network],
) -> Result<()> {
    let ours = others.iter().flat_map(|other| {
        let pools = other.record.ipv4.iter().chain(&other.record.ipv6);
        pools.map(move |pool| (pool.subnet, other.name.as_str()))
    });
    let ours: Vec<(Prefix, &str)> = ours.collect();
    let mut taken = occupied.to_vec();
    taken.extend(ours.iter().map(|(prefix, _)| *prefix));
    for subnet in &asked.subnets {
        if let Some((other, name)) = ours.iter().find(|(other, _)| other.overlaps(subnet)) {
            return Err(Error::InUse {
                what: "subnet",
                name: subnet.to_string(),
                by: format!("network {name} ({other})"),
            });
        }
    }
    let mut families = asked.subnets.iter().map(|subnet| subnet.network.is_ipv4());
    if families.clone().filter(|is_v4| *is_v4).count() > 1
        || families.clone().filter(|v4| !v4).count() > 1
    {
        return Err(Error::Unsupported(
            "a network has at most one subnet of each family, IPv4 and IPv6".to_owned(),
        ));
    }
    let has_v6 = families.clone().any(|is_v4| !is_v4);
    if has_v6 && !asked.ipv6 {
        return Err(Error::Invalid("an IPv6 subnet needs --ipv6 beside it".to_owned()));
    }
    if asked.no_ipv4 && (!asked.ipv6 || families.any(|is_v4| is_v4)) {
        return Err(Error::Invalid(
            "a network without IPv4 needs IPv6, and no IPv4 subnet".to_owned(),
        ));
    }
    if !asked.no_ipv4 {
        let subnet = match asked.subnets.iter().find(|subnet| subnet.network.is_ipv4()) {
            Some(subnet) => *subnet,
            None => subnets::free_ipv4(&taken).ok_or_else(|| none_free("IPv4"))?,
        };
        record.ipv4 = Some(pool(subnet, asked)?);
    }
    if asked.ipv6 {
        let subnet = match asked.subnets.iter().find(|subnet| subnet.network.is_ipv6()) {
            Some(subnet) => *subnet,
            None => subnets::free_ipv6(seed(id), &taken).ok_or_else(|| none_free("IPv6"))?,
        };
        record.ipv6 = Some(pool(subnet, asked)?);
    }
    let pools: Vec<&Pool> = record.ipv4.iter().chain(&record.ipv6).collect();
    let is_inside = |address: IpAddr| pools.iter().any(|pool| pool.subnet.contains(address));
    let stray = |what: &str, text: String| {
        Err(Error::Invalid(format!("{what} {text} is in no subnet of the network")))
    };
    if let Some(gateway) = asked.gateways.iter().find(|gateway| !is_inside(**gateway)) {
        return stray("gateway", gateway.to_string());
    }
    if let Some(range) = asked.ranges.iter().find(|range| !is_inside(range.network)) {
        return stray("address range", range.to_string());
    }
    if let Some((name, address)) = asked.reserved.iter().find(|(_, address)| !is_inside(*address)) {
        return stray("reserved address", format!("{name}={address}"));
    }
    Ok(())
}

fn none_free(family: &str) -> Error {
    Error::Unsupported(format!(
        "no {family} subnet is free: remove networks that are not used (network prune), or choose one"
    ))
}

/// The 40 bits that make a unique local range this network's own (RFC 4193).
fn seed(id: &str) -> [u8; 5] {
    let mut seed = [0; 5];
    for (index, byte) in seed.iter_mut().enumerate() {
        let hex = id.get(index * 2..index * 2 + 2).unwrap_or("00");
        *byte = u8::from_str_radix(hex, 16).unwrap_or_default();
    }
    seed
}

fn pool(subnet: Prefix, asked: &CreateNetwork) -> Result<Pool> {
    let mut gateways = asked.gateways.iter().filter(|gateway| subnet.contains(**gateway));
    let mut ranges = asked.ranges.iter().filter(|range| subnet.contains(range.network));
    let gateway = match gateways.next() {
        Some(gateway) => Some(*gateway),
        None => subnets::default_gateway(subnet),
    };
    let range = ranges.next().copied();
    if gateways.next().is_some() || ranges.next().is_some() {
        return Err(Error::Invalid(format!(
            "the subnet {subnet} has at most one gateway and one address range"
        )));
    }
    subnets::validate(subnet, gateway, range)?;
    let mut pool = Pool::new(subnet, gateway);
    pool.range = range;
    for (name, address) in asked.reserved.iter().filter(|(_, address)| subnet.contains(*address)) {
        pool.reserved.insert(name.clone(), *address);
    }
    Ok(pool)
}
