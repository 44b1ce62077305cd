//! What the kernel can do for networks: tried in namespaces that go again, the host's untouched.

use std::os::fd::AsFd;

use rustix::io::Errno;

use crate::driver::refused;
use crate::error::Result;
use crate::link::{self, Links};
use crate::namespace;
use crate::nft::{Hook, Rules, table_name};

/// Something that networks need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// A network namespace.
    Namespace,
    /// A bridge.
    Bridge,
    /// A pair of devices in two namespaces.
    Veth,
    /// A macvlan device.
    Macvlan,
    /// A VLAN's device.
    Vlan,
    /// A VXLAN's device.
    Vxlan,
    /// Our table of nftables, rule by rule.
    Rules,
}

const ALL: [Ability; 7] = [
    Ability::Namespace,
    Ability::Bridge,
    Ability::Veth,
    Ability::Macvlan,
    Ability::Vlan,
    Ability::Vxlan,
    Ability::Rules,
];

impl Ability {
    /// What it is called.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "network namespaces",
            Self::Bridge => "bridges",
            Self::Veth => "veth pairs",
            Self::Macvlan => "macvlan devices",
            Self::Vlan => "VLAN devices",
            Self::Vxlan => "VXLAN devices",
            Self::Rules => "nftables",
        }
    }

    /// The kernel's module for it.
    #[must_use]
    pub fn module(self) -> &'static str {
        match self {
            Self::Namespace => "veth",
            Self::Bridge => "bridge",
            Self::Veth => "veth",
            Self::Macvlan => "macvlan",
            Self::Vlan => "8021q",
            Self::Vxlan => "vxlan",
            Self::Rules => "nf_tables nft_chain_nat nft_masq nft_ct",
        }
    }
}

/// The greatest packet of a probe's devices.
const MTU: u32 = 1500;

/// Tries each of them.
#[must_use]
pub fn abilities() -> Vec<(Ability, Result<()>)> {
    let (one, other) = match namespace::create().and_then(|one| Ok((one, namespace::create()?))) {
        Ok(both) => both,
        // Without a place to try it, nothing of the rest can be had either.
        Err(_) => return ALL.map(|ability| (ability, namespace::create().map(drop))).into(),
    };
    let within = |ability: Ability, work: &(dyn Fn() -> Result<()> + Sync)| {
        (ability, namespace::within(one.as_fd(), work).and_then(|outcome| outcome))
    };
    let try_link = |messages: &[crate::netlink::Message], what: &str| {
        let failed = || refused("make", what);
        Links::open().map_err(failed())?.change(messages, &[]).map_err(failed())
    };
    let mac = [2, 0, 0, 0, 0, 1];
    vec![
        (Ability::Namespace, Ok(())),
        within(Ability::Bridge, &|| try_link(&[link::add_bridge("bridge0", mac, MTU)], "a bridge")),
        within(Ability::Veth, &|| {
            let failed = || refused("make", "a pair of devices");
            let mut links = Links::open().map_err(failed())?;
            let bridge = links.find("bridge0").map_err(failed())?.map_or(0, |link| link.index);
            let pair = link::add_veth("veth0", bridge, MTU, other.as_fd(), "eth0", Some(mac));
            links.change(&[pair], &[]).map_err(failed())
        }),
        within(Ability::Macvlan, &|| {
            let failed = || refused("make", "a macvlan device");
            let mut links = Links::open().map_err(failed())?;
            let parent = parent(&mut links)?;
            let device = link::add_macvlan("macvlan0", parent, BRIDGED, MTU, other.as_fd(), None);
            links.change(&[device], &[]).map_err(failed())
        }),
        within(Ability::Vlan, &|| {
            let failed = || refused("make", "a VLAN's device");
            let mut links = Links::open().map_err(failed())?;
            let parent = parent(&mut links)?;
            links.change(&[link::add_vlan("parent0.7", parent, 7)], &[]).map_err(failed())
        }),
        within(Ability::Vxlan, &|| {
            try_link(&[link::add_vxlan("vxlan7", 7, 4789)], "a VXLAN's device")
        }),
        within(Ability::Rules, &|| {
            let failed = || refused("make", "a table of nftables");
            let mut rules = Rules::open(table_name("doctor")).map_err(failed())?;
            rules.install().map_err(failed())
        }),
    ]
}

/// The index of a device that others can be made on: one of a pair, as every kernel that has bridge networks has
/// them, and not all that have macvlan have dummy devices.
fn parent(links: &mut Links) -> Result<u32> {
    let failed = || refused("make", "a device as a parent");
    let pair = link::add_veth_pair("parent0", "parent1");
    links.change(&[pair], &[Errno::EXIST]).map_err(failed())?;
    Ok(links.find("parent0").map_err(failed())?.map_or(0, |link| link.index))
}

/// `MACVLAN_MODE_BRIDGE`.
const BRIDGED: u32 = 4;

/// The tables of others, in the namespace of this thread, whose chains drop what is forwarded and not accepted.
///
/// # Errors
///
/// What the kernel refuses to tell.
pub fn foreign_drops() -> Result<Vec<String>> {
    let failed = || refused("ask for the chains of", "other firewalls");
    let mut rules = Rules::open(table_name("doctor")).map_err(failed())?;
    let chains = rules.chains().map_err(failed())?;
    let is_foreign = |table: &str| {
        table != table_name("") && !table.starts_with(&format!("{}-", table_name("")))
    };
    let mut found: Vec<String> = chains
        .into_iter()
        .filter(|chain| chain.hook == Some(Hook::Forward as u32) && chain.drops)
        .filter(|chain| is_foreign(&chain.table))
        .map(|chain| format!("{} {}", chain.table, chain.name))
        .collect();
    found.sort();
    found.dedup();
    Ok(found)
}
