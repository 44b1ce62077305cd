//! The addresses of a network, of one family, as they are kept: which there are, whose they can't be, and
//! which was given out last.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use isopod_network::{Prefix, Subnet, subnets};
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// All of them.
    #[serde(with = "text")]
    pub subnet: Prefix,
    /// The way out: the host's own address on a bridge.
    pub gateway: Option<IpAddr>,
    /// Those that are given out without being asked for; `None`: all.
    #[serde(with = "optional_text", default)]
    pub range: Option<Prefix>,
    /// Those that are somebody else's, by their names.
    #[serde(default)]
    pub reserved: BTreeMap<String, IpAddr>,
    /// The one that was given out last.
    pub last: Option<IpAddr>,
}

impl Pool {
    /// With nothing given out.
    #[must_use]
    pub fn new(subnet: Prefix, gateway: Option<IpAddr>) -> Self {
        Self { subnet, gateway, range: None, reserved: BTreeMap::new(), last: None }
    }

    /// The next free address; `None` where all are taken.
    #[must_use]
    pub fn next(&self, taken: &[IpAddr]) -> Option<IpAddr> {
        let is_taken = |address| taken.contains(&address) || !self.is_for_containers(address);
        subnets::next_address(self.subnet, self.range, self.last, is_taken)
    }

    /// Whether it is one that is given out without being asked for, and free.
    #[must_use]
    pub fn gives(&self, address: IpAddr, taken: &[IpAddr]) -> bool {
        self.is_for_containers(address)
            && !taken.contains(&address)
            && self.range.is_none_or(|range| range.contains(address))
    }

    /// Whether a container may have it: of the subnet, and nobody else's.
    #[must_use]
    pub fn is_for_containers(&self, address: IpAddr) -> bool {
        self.subnet.is_host(address)
            && self.gateway != Some(address)
            && !self.reserved.values().any(|reserved| *reserved == address)
    }
}

/// As the kernel's side knows it.
pub(super) fn ipv4(pool: &Pool) -> Option<Subnet<Ipv4Addr>> {
    let IpAddr::V4(network) = pool.subnet.network else { return None };
    let gateway = pool.gateway.and_then(v4);
    Some(Subnet { network, prefix: pool.subnet.length, gateway })
}

/// As the kernel's side knows it.
pub(super) fn ipv6(pool: &Pool) -> Option<Subnet<Ipv6Addr>> {
    let IpAddr::V6(network) = pool.subnet.network else { return None };
    let gateway = pool.gateway.and_then(v6);
    Some(Subnet { network, prefix: pool.subnet.length, gateway })
}

pub(super) fn v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

pub(super) fn v6(address: IpAddr) -> Option<Ipv6Addr> {
    match address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    }
}

mod text {
    use isopod_network::Prefix;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(prefix: &Prefix, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(prefix)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Prefix, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod optional_text {
    use isopod_network::Prefix;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(prefix: &Option<Prefix>, to: S) -> Result<S::Ok, S::Error> {
        match prefix {
            Some(prefix) => to.collect_str(prefix),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Prefix>, D::Error> {
        let text: Option<String> = Option::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(10, 1, 2, last))
    }

    fn given(pool: &mut Pool, taken: &[IpAddr]) -> Option<IpAddr> {
        pool.last = pool.next(taken).or(pool.last);
        pool.next(taken).and(pool.last)
    }

    #[test]
    fn addresses_go_round_and_skip_those_that_are_not_for_containers() {
        let mut pool = Pool::new("10.1.2.0/29".parse().unwrap(), Some(address(1)));
        pool.reserved.insert("printer".to_owned(), address(4));
        let all: Vec<_> = (0..4).map(|_| given(&mut pool, &[address(3)])).collect();
        // .0 and .7 are the subnet's own, .1 the gateway's, .3 and .4 taken.
        assert_eq!(all, [2, 5, 6, 2].map(|last| Some(address(last))));
    }

    #[test]
    fn a_former_address_is_given_again_while_it_is_free_and_of_the_range() {
        let mut pool = Pool::new("10.1.2.0/24".parse().unwrap(), Some(address(1)));
        assert!(pool.gives(address(7), &[address(8)]));
        assert!(!pool.gives(address(7), &[address(7)]));
        assert!(!pool.gives(address(1), &[]), "the gateway's");
        assert!(!pool.gives("10.1.3.7".parse().unwrap(), &[]));
        pool.range = Some("10.1.2.64/28".parse().unwrap());
        assert!(!pool.gives(address(7), &[]));
        assert!(pool.gives(address(65), &[]));
    }

    #[test]
    fn a_full_subnet_has_no_next_address() {
        let pool = Pool::new("10.1.2.0/30".parse().unwrap(), Some(address(1)));
        assert_eq!(pool.next(&[]), Some(address(2)));
        assert_eq!(pool.next(&[address(2)]), None);
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let mut pool = Pool::new("10.1.2.0/24".parse().unwrap(), Some(address(1)));
        pool.range = Some("10.1.2.64/28".parse().unwrap());
        pool.last = Some(address(64));
        let text = serde_json::to_string(&pool).unwrap();
        assert!(text.contains(r#""subnet":"10.1.2.0/24""#), "{text}");
        assert_eq!(serde_json::from_str::<Pool>(&text).unwrap(), pool);
        assert_eq!(pool.next(&[]), Some(address(65)));
    }
}
