//! The arithmetic held against a slow and plain one, and against docker's documented pools.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The address bit by bit.
fn bits_of(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |n| octet >> n & 1 == 1)).collect()
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from),]
}

fn any_prefix() -> impl Strategy<Value = Prefix> {
    (any_address(), any::<u8>()).prop_map(|(address, length)| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        Prefix::around(address, length % (most + 1)).unwrap()
    })
}

proptest! {
    #[test]
    fn a_prefix_contains_what_begins_with_its_bits(prefix in any_prefix(), address in any_address()) {
        let begins = address.is_ipv4() == prefix.network.is_ipv4()
            && bits_of(address).starts_with(&bits_of(prefix.network)[..prefix.length.into()]);
        prop_assert_eq!(prefix.contains(address), begins);
        prop_assert!(prefix.contains(prefix.network) && prefix.contains(prefix.last()));
        let rest = bits_of(prefix.last())[prefix.length.into()..].to_vec();
        prop_assert!(rest.iter().all(|bit| *bit));
    }

    #[test]
    fn overlap_is_a_common_address(one in any_prefix(), two in any_prefix()) {
        let shared = usize::from(one.length.min(two.length));
        let common = one.network.is_ipv4() == two.network.is_ipv4()
            && bits_of(one.network)[..shared] == bits_of(two.network)[..shared];
        prop_assert_eq!(one.overlaps(&two), common);
        prop_assert_eq!(one.overlaps(&two), two.overlaps(&one));
        prop_assert_eq!(one.covers(&two), common && one.length <= two.length);
        prop_assert!(one.overlaps(&one) && one.covers(&one));
    }

    #[test]
    fn a_prefix_is_read_as_it_is_written(prefix in any_prefix()) {
        prop_assert_eq!(prefix.to_string().parse::<Prefix>().unwrap(), prefix);
    }

    #[test]
    fn nothing_makes_the_reader_panic(text in "[0-9a-f./: ]{0,24}") {
        let _ = text.parse::<Prefix>();
    }

    #[test]
    fn a_free_subnet_overlaps_nothing(taken in prop::collection::vec(any_prefix(), 0..20)) {
        // Short prefixes take everything; those say little.
        let taken: Vec<_> = taken.into_iter().filter(|t| t.length > 4).collect();
        for free in [free_ipv4(&taken), free_ipv6([1, 2, 3, 4, 5], &taken)].into_iter().flatten() {
            prop_assert!(!taken.iter().any(|t| t.overlaps(&free)), "{free} {taken:?}");
            prop_assert!(validate(free, default_gateway(free), None).is_ok());
        }
    }

    /// Until a range is full, each host's address in it comes exactly once, and none else.
    #[test]
    fn addresses_are_given_until_there_are_none(
        length in 24_u8..=31, inner in 24_u8..=31, start in any::<u8>(), last in any::<Option<u8>>()
    ) {
        let subnet = Prefix::around(ip(&format!("10.0.0.{start}")), length).unwrap();
        let range = Prefix::around(subnet.network, inner.max(length)).unwrap();
        let mut taken: HashSet<IpAddr> = default_gateway(subnet).into_iter().collect();
        let mut last = last.map(|last| ip(&format!("10.0.0.{last}")));
        let mut given = Vec::new();
        while let Some(next) = next_address(subnet, Some(range), last, |a| taken.contains(&a)) {
            prop_assert!(taken.insert(next));
            given.push(next);
            last = Some(next);
        }
        let mut expected: Vec<IpAddr> = (0..=255_u8)
            .map(|n| ip(&format!("10.0.0.{n}")))
            .filter(|a| range.contains(*a) && subnet.is_host(*a) && Some(*a) != default_gateway(subnet))
            .collect();
        given.sort();
        expected.sort();
        prop_assert_eq!(given, expected);
    }
}

/// docker's documentation of `default-address-pools`: 172.17.0.0/16 to 172.31.0.0/16 as /16s, then
/// 192.168.0.0/16 as /20s.
#[test]
fn automatic_subnets_are_dockers() {
    let mut taken = Vec::new();
    while let Some(free) = free_ipv4(&taken) {
        taken.push(free);
    }
    let shown: Vec<String> = taken.iter().map(ToString::to_string).collect();
    let mut expected: Vec<String> = (17..32).map(|n| format!("172.{n}.0.0/16")).collect();
    expected.extend((0..16).map(|n| format!("192.168.{}.0/20", n * 16)));
    assert_eq!(shown, expected);
    assert_eq!(free_ipv4(&[prefix("172.16.0.0/12")]), Some(prefix("192.168.0.0/20")));
    assert_eq!(free_ipv4(&[prefix("172.17.5.0/24")]), Some(prefix("172.18.0.0/16")));
}

/// RFC 4193: fd, 40 bits of chance, 16 of the subnet.
#[test]
fn automatic_ipv6_subnets_are_unique_local() {
    let seed = [0xab, 0xcd, 0xef, 0x12, 0x34];
    let first = free_ipv6(seed, &[]).unwrap();
    assert_eq!(first, prefix("fdab:cdef:1234::/64"));
    assert_eq!(free_ipv6(seed, &[first]), Some(prefix("fdab:cdef:1234:1::/64")));
    assert_eq!(free_ipv6(seed, &[prefix("fd00::/8")]), None);
}

#[test]
fn what_is_no_subnet_is_refused_with_the_reason() {
    let reason = |text: &str| text.parse::<Prefix>().unwrap_err().to_string();
    assert_eq!(
        reason("10.1.2.3/16"),
        "10.1.2.3/16 has bits beyond its prefix: did you mean 10.1.0.0/16?"
    );
    for text in
        ["", "10.1.0.0", "10.1.0.0/", "10.1.0.0/33", "10.1.0.0/+8", "10.1/16", "fd00::/129", "/8"]
    {
        assert!(reason(text).contains("is no subnet such as 10.1.0.0/16"), "{text}");
    }
    let refused = |subnet: &str, gateway: Option<&str>, range: Option<&str>| {
        validate(prefix(subnet), gateway.map(ip), range.map(prefix)).unwrap_err().to_string()
    };
    assert!(refused("10.1.0.0/32", None, None).contains("from 1 to 31 bits"));
    assert!(refused("0.0.0.0/0", None, None).contains("bits of prefix"));
    assert!(refused("127.0.0.0/8", None, None).contains("not for hosts' addresses"));
    assert!(refused("224.0.0.0/4", None, None).contains("not for hosts' addresses"));
    for gateway in ["10.2.0.1", "10.1.0.0", "10.1.255.255", "fd00::1"] {
        let told = refused("10.1.0.0/16", Some(gateway), None);
        assert_eq!(
            told,
            format!("the gateway {gateway} is no host's address of the subnet 10.1.0.0/16")
        );
    }
    for range in ["10.2.0.0/24", "10.0.0.0/8", "fd00::/64"] {
        let told = refused("10.1.0.0/16", None, Some(range));
        assert_eq!(told, format!("the range {range} is not inside the subnet 10.1.0.0/16"));
    }
    validate(prefix("10.1.0.0/16"), Some(ip("10.1.0.1")), Some(prefix("10.1.4.0/24"))).unwrap();
    validate(prefix("fd00::/64"), Some(ip("fd00::1")), None).unwrap();
}

#[test]
fn gateways_and_addresses_are_the_first_that_hosts_may_have() {
    assert_eq!(default_gateway(prefix("172.17.0.0/16")), Some(ip("172.17.0.1")));
    assert_eq!(default_gateway(prefix("fd00:0:0:1::/64")), Some(ip("fd00:0:0:1::1")));
    // RFC 3021: both are hosts.
    assert_eq!(default_gateway(prefix("10.0.0.0/31")), Some(ip("10.0.0.0")));
    let subnet = prefix("172.17.0.0/16");
    let next =
        |last: Option<&str>| next_address(subnet, None, last.map(ip), |a| a == ip("172.17.0.1"));
    assert_eq!(next(None), Some(ip("172.17.0.2")));
    assert_eq!(next(Some("172.17.0.2")), Some(ip("172.17.0.3")));
    assert_eq!(next(Some("172.17.255.254")), Some(ip("172.17.0.2")));
    assert_eq!(next(Some("10.0.0.1")), Some(ip("172.17.0.2")));
    let six = next_address(prefix("fd00::/64"), None, None, |a| a == ip("fd00::1"));
    assert_eq!(six, Some(ip("fd00::2")));
}
