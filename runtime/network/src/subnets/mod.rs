//! Arithmetic of subnets: the pools automatic ones come from, what a network's numbers must keep to,
//! and the addresses an allocator may give. Pure functions; who has which address is the caller's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::error::{Error, Result};

/// A range of addresses with a common beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    /// Its first address.
    pub network: IpAddr,
    /// Bits.
    pub length: u8,
}

/// Where automatic IPv4 subnets come from, in this order: range, and bits of a subnet. Docker's own
/// default pools, so that people find their networks where they are used to.
const POOLS: [(Ipv4Addr, u8, u8); 6] = [
    (Ipv4Addr::new(172, 17, 0, 0), 16, 16),
    (Ipv4Addr::new(172, 18, 0, 0), 15, 16),
    (Ipv4Addr::new(172, 20, 0, 0), 14, 16),
    (Ipv4Addr::new(172, 24, 0, 0), 14, 16),
    (Ipv4Addr::new(172, 28, 0, 0), 14, 16),
    (Ipv4Addr::new(192, 168, 0, 0), 16, 20),
];

/// Bits of an automatic IPv6 subnet.
const ULA_SUBNET: u8 = 64;

impl Prefix {
    /// The range of `length` bits that `address` lies in; `None` if there are no such bits.
    #[must_use]
    pub fn around(address: IpAddr, length: u8) -> Option<Self> {
        if length > bits(address) {
            return None;
        }
        let network = from_number(number(address) & mask(address, length), address);
        Some(Self { network, length })
    }

    /// Whether `address` lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.network.is_ipv4()
            && number(address) & mask(address, self.length) == number(self.network)
    }

    /// Whether they have an address in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    /// Whether all of `other` lies in it.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.length >= self.length && self.contains(other.network)
    }

    /// Its last address: the broadcast address of an IPv4 subnet.
    #[must_use]
    pub fn last(&self) -> IpAddr {
        from_number(number(self.network) | !mask(self.network, self.length), self.network)
    }

    /// Whether a host may have `address`: inside, and not one that means the subnet or all of its hosts
    /// (RFC 3021 lets both addresses of a /31 be hosts').
    #[must_use]
    pub fn is_host(&self, address: IpAddr) -> bool {
        if !self.contains(address) {
            return false;
        }
        if self.length + 1 >= bits(self.network) {
            return true;
        }
        address != self.network && (address.is_ipv6() || address != self.last())
    }

    /// The hosts' addresses from the first to the last, lazily: a /64 has many.
    pub fn hosts(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let (this, last) = (*self, number(self.last()));
        let mut next = Some(number(this.network));
        std::iter::from_fn(move || {
            let now = next?;
            next = if now < last { now.checked_add(1) } else { None };
            Some(from_number(now, this.network))
        })
        .filter(move |address| this.is_host(*address))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

impl FromStr for Prefix {
    type Err = Error;

    /// Reads `10.1.0.0/16`. Bits beyond the prefix are an error, as they are docker's.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::Invalid(format!("{text:?} is no subnet such as 10.1.0.0/16"));
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        if !length.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let prefix = length
            .parse()
            .ok()
            .and_then(|length| Self::around(address, length))
            .ok_or_else(wrong)?;
        if prefix.network != address {
            return Err(Error::Invalid(format!(
                "{text} has bits beyond its prefix: did you mean {prefix}?"
            )));
        }
        Ok(prefix)
    }
}

/// The first subnet of the IPv4 pools that overlaps none of `taken`.
#[must_use]
pub fn free_ipv4(taken: &[Prefix]) -> Option<Prefix> {
    POOLS.iter().find_map(|&(pool, length, size)| {
        let step = 1_u32 << (32 - size);
        (0..1_u32 << (size - length))
            .map(|nth| Prefix {
                network: IpAddr::V4(Ipv4Addr::from_bits(pool.to_bits() + nth * step)),
                length: size,
            })
            .find(|candidate| !taken.iter().any(|t| t.overlaps(candidate)))
    })
}

/// The first /64 of an instance's unique local /48 (RFC 4193) that overlaps none of `taken`. `seed`
/// is what makes the range unique: 40 random bits that the instance keeps.
#[must_use]
pub fn free_ipv6(seed: [u8; 5], taken: &[Prefix]) -> Option<Prefix> {
    let [a, b, c, d, e] = seed;
    (0..=u16::MAX).find_map(|nth| {
        let [high, low] = nth.to_be_bytes();
        let network =
            Ipv6Addr::from_octets([0xfd, a, b, c, d, e, high, low, 0, 0, 0, 0, 0, 0, 0, 0]);
        let candidate = Prefix { network: IpAddr::V6(network), length: ULA_SUBNET };
        (!taken.iter().any(|t| t.overlaps(&candidate))).then_some(candidate)
    })
}

/// Checks what a person asked of a subnet: room for a gateway and a container, the gateway and the range
/// inside, nothing that routers treat in another way.
///
/// # Errors
///
/// What does not fit, and into what.
pub fn validate(subnet: Prefix, gateway: Option<IpAddr>, range: Option<Prefix>) -> Result<()> {
    let longest = bits(subnet.network) - 1;
    if subnet.length == 0 || subnet.length > longest {
        return Err(Error::Invalid(format!(
            "the subnet {subnet} must have from 1 to {longest} bits of prefix"
        )));
    }
    let first = subnet.network;
    if first.is_multicast() || first.is_loopback() || first.is_unspecified() {
        return Err(Error::Invalid(format!("the subnet {subnet} is not for hosts' addresses")));
    }
    if let Some(gateway) = gateway.filter(|gateway| !subnet.is_host(*gateway)) {
        return Err(Error::Invalid(format!(
            "the gateway {gateway} is no host's address of the subnet {subnet}"
        )));
    }
    if let Some(range) = range.filter(|range| !subnet.covers(range)) {
        return Err(Error::Invalid(format!("the range {range} is not inside the subnet {subnet}")));
    }
    Ok(())
}

/// The gateway of a subnet that nobody chose one for: its first host's address.
#[must_use]
pub fn default_gateway(subnet: Prefix) -> Option<IpAddr> {
    subnet.hosts().next()
}

/// The next address for a container after `last` (the one given out last; the search goes round), from
/// `range`, that `is_taken` does not know. Leaves out what is no host's address of `subnet`. An
/// address comes back as late as possible, so that nobody's old connections meet a new container.
pub fn next_address(
    subnet: Prefix,
    range: Option<Prefix>,
    last: Option<IpAddr>,
    is_taken: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let range = range.unwrap_or(subnet);
    let (first, end) = (number(range.network), number(range.last()));
    let start = match last.filter(|last| range.contains(*last)).map(number) {
        Some(last) if last < end => last + 1,
        _ => first,
    };
    let around = (start..=end).chain(first..start);
    around
        .map(|n| from_number(n, subnet.network))
        .find(|address| subnet.is_host(*address) && !is_taken(*address))
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address as a number; all bits above those of its family are 0.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address with a number, of the family of `like`.
fn from_number(number: u128, like: IpAddr) -> IpAddr {
    match like {
        #[expect(clippy::cast_possible_truncation, reason = "the bits above are of the mask alone")]
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(number as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

/// The first `length` bits of `like`'s family set, and all above them.
fn mask(like: IpAddr, length: u8) -> u128 {
    u128::MAX.checked_shl(u32::from(bits(like) - length)).unwrap_or(0)
}

#[cfg(test)]
mod tests;
