//! A container's place on a network: made in one transaction with its addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::addresses::{self, Pool};
use super::find::Network;
use super::former::Former;
use super::record::{EndpointRecord, NetworkRecord, Published, VERSION};
use crate::container::Attachment;
use crate::state::{EndpointRow, NetworkRow, State};
use crate::{Error, Result, id};

/// A container's place on a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The network's id.
    pub network: String,
    /// The container's namespace.
    pub namespace: String,
    /// The container's id.
    pub container: String,
    /// Its address.
    pub ip: Option<Ipv4Addr>,
    /// Its address.
    pub ip6: Option<Ipv6Addr>,
    /// The rest.
    pub record: EndpointRecord,
}

impl Endpoint {
    pub(super) fn from_row(row: EndpointRow) -> Result<Self> {
        let record = EndpointRecord::parse(&row)?;
        let EndpointRow { network, namespace, container, ip, ip6, .. } = row;
        Ok(Self { network, namespace, container, ip, ip6, record })
    }

    pub(super) fn to_row(&self) -> EndpointRow {
        EndpointRow {
            network: self.network.clone(),
            namespace: self.namespace.clone(),
            container: self.container.clone(),
            ip: self.ip,
            ip6: self.ip6,
            record: self.record.to_text(),
        }
    }

    /// As the kernel's side knows it.
    pub(super) fn to_model(&self) -> isopod_network::Endpoint {
        isopod_network::Endpoint {
            tag: self.record.tag().to_owned(),
            device: self.record.device.clone(),
            mac: self.record.mac.as_deref().and_then(parse_mac),
            ip: self.ip,
            ip6: self.ip6,
            is_default: self.record.is_default,
        }
    }
}

/// What a new endpoint is to be like.
#[derive(Debug)]
pub(super) struct Wanted<'w> {
    pub network: &'w Network,
    pub attachment: &'w Attachment,
    pub device: String,
    pub is_default: bool,
    pub names: Vec<String>,
}

/// Gives `container` a place on each network, with addresses that nobody else has, where possible those that
/// it had before; all or nothing.
/// `ports` makes what is published through an endpoint once its addresses are known.
pub(super) fn allocate(
    transaction: &rusqlite::Connection,
    state: &State,
    (namespace, container): (&str, &str),
    (wanted, former): (&[Wanted<'_>], &[Former]),
    ports: impl Fn(&Endpoint) -> Vec<Published>,
) -> Result<Vec<Endpoint>> {
    let wrap = state.error();
    let mut endpoints = Vec::new();
    for one in wanted {
        let (network, attachment) = (one.network, one.attachment);
        // Read again: it may have been removed since, and what it gave out last has changed.
        let row = NetworkRow::exact(transaction, &network.id).map_err(&wrap)?;
        let not_found = || Error::NotFound { what: "network", name: network.name.clone() };
        let mut record = NetworkRecord::parse(&row.ok_or_else(not_found)?)?;
        let (taken, taken6) = EndpointRow::addresses(transaction, &network.id).map_err(&wrap)?;
        let taken: Vec<IpAddr> = taken.into_iter().map(IpAddr::V4).collect();
        let taken6: Vec<IpAddr> = taken6.into_iter().map(IpAddr::V6).collect();
        let former = former.iter().find(|former| former.network == network.id);
        let ip = Asked {
            fixed: attachment.ip.map(IpAddr::V4),
            former: former.and_then(|former| former.ip).map(IpAddr::V4),
        };
        let ip6 = Asked {
            fixed: attachment.ip6.map(IpAddr::V6),
            former: former.and_then(|former| former.ip6).map(IpAddr::V6),
        };
        let ip = address(network, record.ipv4.as_mut(), ip, &taken)?;
        let ip6 = address(network, record.ipv6.as_mut(), ip6, &taken6)?;
        let (ip, ip6) = (ip.and_then(addresses::v4), ip6.and_then(addresses::v6));
        NetworkRow::set_record(transaction, &network.id, &record.to_text()).map_err(&wrap)?;
        let mac = match &attachment.mac {
            Some(mac) => Some(mac.clone()),
            // Without an IPv4 address it is random, and was so before.
            None => match former.filter(|_| ip.is_none()).and_then(|former| former.mac.clone()) {
                Some(mac) => Some(mac),
                None => Some(mac_of(ip)),
            },
        };
        let mut endpoint = Endpoint {
            network: network.id.clone(),
            namespace: namespace.to_owned(),
            container: container.to_owned(),
            ip,
            ip6,
            record: EndpointRecord {
                version: VERSION,
                id: id::random(),
                device: one.device.clone(),
                mac,
                is_default: one.is_default,
                aliases: attachment.aliases.clone(),
                names: one.names.clone(),
                ports: Vec::new(),
            },
        };
        endpoint.record.ports = ports(&endpoint);
        endpoint.to_row().insert(transaction).map_err(&wrap)?;
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

/// What a container would like to have.
struct Asked {
    /// Nothing else will do.
    fixed: Option<IpAddr>,
    /// What it had before.
    former: Option<IpAddr>,
}

/// The fixed address, the former one if it is still to be had, or the next one of the pool.
fn address(
    network: &Network,
    pool: Option<&mut Pool>,
    Asked { fixed, former }: Asked,
    taken: &[IpAddr],
) -> Result<Option<IpAddr>> {
    let name = &network.name;
    let Some(pool) = pool else {
        return match fixed {
            None => Ok(None),
            Some(address) => Err(Error::Invalid(format!(
                "address {address} can't be had: network {name} has no addresses of this family"
            ))),
        };
    };
    if let Some(address) = fixed {
        if !pool.is_for_containers(address) {
            return Err(Error::Invalid(format!(
                "address {address} can't be had on network {name}: it is not one of {} that \
                 containers may have",
                pool.subnet
            )));
        }
        if taken.contains(&address) {
            return Err(Error::InUse {
                what: "address",
                name: format!("{address} of network {name}"),
                by: "another container".to_owned(),
            });
        }
        return Ok(Some(address));
    }
    if let Some(former) = former.filter(|former| pool.gives(*former, taken)) {
        return Ok(Some(former));
    }
    let next = pool.next(taken).ok_or_else(|| Error::InUse {
        what: "every address of network",
        name: format!("{name} ({})", pool.range.unwrap_or(pool.subnet)),
        by: "its containers".to_owned(),
    })?;
    pool.last = Some(next);
    Ok(Some(next))
}

/// docker's locally administered addresses: after the IPv4 address, so that a neighbour's cache is right when
/// the address comes back; random without one.
fn mac_of(ip: Option<Ipv4Addr>) -> String {
    let octets = ip.map_or_else(
        || {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes).expect("the kernel's random source always answers");
            bytes
        },
        |ip| ip.octets(),
    );
    let [a, b, c, d] = octets;
    format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

/// Six octets in hex with colons or dashes, not a group's; `None` for anything else.
#[must_use]
pub fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut parts = text.split([':', '-']);
    let mut octets = [0; 6];
    for octet in &mut octets {
        // A number's own parser would take a sign too.
        let is_hex = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
        let part = parts.next().filter(is_hex)?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    let is_group = octets[0] & 1 == 1;
    (parts.next().is_none() && !is_group && octets != [0; 6]).then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_six_octets_of_one_station() {
        assert_eq!(parse_mac("02:42:ac:11:00:02"), Some([2, 0x42, 0xac, 0x11, 0, 2]));
        assert_eq!(parse_mac("02-42-AC-11-00-02"), Some([2, 0x42, 0xac, 0x11, 0, 2]));
        for bad in [
            "",
            "02:42",
            "02:42:ac:11:00:02:03",
            "01:00:5e:00:00:01",
            "+2:42:ac:11:00:02",
            "00:00:00:00:00:00",
            "2:42:ac:11:0:2",
            "zz:42:ac:11:00:02",
        ] {
            assert_eq!(parse_mac(bad), None, "{bad}");
        }
    }

    #[test]
    fn addresses_of_hardware_follow_those_of_the_network() {
        // docker's 172.17.0.2 has 02:42:ac:11:00:02.
        assert_eq!(mac_of(Some(Ipv4Addr::new(172, 17, 0, 2))), "02:42:ac:11:00:02");
        assert!(parse_mac(&mac_of(None)).is_some());
    }
}
