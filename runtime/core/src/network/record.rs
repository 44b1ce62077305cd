//! What the database keeps of a network and of an endpoint, as JSON with a version.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use isopod_monitor_protocol::launch::{Forward, Protocol};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::addresses::{self, Pool};
use crate::state::{EndpointRow, NetworkRow};
use crate::{Error, Result};

/// The version of both records.
pub const VERSION: u32 = 1;

/// How a network is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DriverKind {
    /// A bridge of the host and veth pairs.
    Bridge,
    /// Devices of their own on a device of the host.
    Macvlan,
    /// The host's own network; one is built in.
    Host,
    /// Nothing but a loopback device; one is built in.
    Null,
}

impl DriverKind {
    /// docker's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Macvlan => "macvlan",
            Self::Host => "host",
            Self::Null => "null",
        }
    }
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// How it is made.
    pub driver: DriverKind,
    /// Its IPv4 addresses.
    pub ipv4: Option<Pool>,
    /// Its IPv6 addresses.
    pub ipv6: Option<Pool>,
    /// Without a way to the world and to other networks.
    pub internal: bool,
    /// The driver's options, as they were given.
    pub options: BTreeMap<String, String>,
    /// The bridge's name; empty for other drivers.
    pub device: String,
}

/// The option that sets the largest packet, in bytes.
pub(super) const MTU: &str = "com.docker.network.driver.mtu";
/// The option that names the bridge.
pub(super) const BRIDGE_NAME: &str = "com.docker.network.bridge.name";
/// Whether a bridge's containers reach each other.
pub(super) const ICC: &str = "com.docker.network.bridge.enable_icc";
/// Whether the source addresses of what leaves the host are replaced.
pub(super) const MASQUERADE: &str = "com.docker.network.bridge.enable_ip_masquerade";
/// macvlan's device of the host.
pub(super) const PARENT: &str = "parent";
/// `bridge`, `private`, `vepa` or `passthru`.
pub(super) const MACVLAN_MODE: &str = "macvlan_mode";

impl NetworkRecord {
    /// Reads the record of a row.
    pub(super) fn parse(row: &NetworkRow) -> Result<Self> {
        parse(&row.record, || format!("record of network {}", row.name))
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a record is JSON")
    }

    /// As the kernel's side knows it; `None` for the built-in ones that have nothing to be made.
    pub(super) fn to_model(&self, id: &str) -> Option<isopod_network::Network> {
        let switch = |name: &str| self.options.get(name).is_none_or(|text| is_true(text));
        let driver = match self.driver {
            DriverKind::Bridge => isopod_network::Driver::Bridge {
                device: self.device.clone(),
                masquerade: switch(MASQUERADE),
                inter_container: switch(ICC),
            },
            DriverKind::Macvlan => isopod_network::Driver::Macvlan {
                parent: self.options.get(PARENT).cloned(),
                mode: self.options.get(MACVLAN_MODE).cloned().unwrap_or_else(|| "bridge".into()),
            },
            DriverKind::Host | DriverKind::Null => return None,
        };
        Some(isopod_network::Network {
            id: id.to_owned(),
            driver,
            ipv4: self.ipv4.as_ref().and_then(addresses::ipv4),
            ipv6: self.ipv6.as_ref().and_then(addresses::ipv6),
            internal: self.internal,
            mtu: self.options.get(MTU).and_then(|text| text.parse().ok()),
        })
    }
}

/// Go's `strconv.ParseBool`, for options that were checked when they were given.
pub(super) fn is_true(text: &str) -> bool {
    matches!(text, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// A container's place on a network, while the container runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRecord {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// 64 hex characters.
    pub id: String,
    /// The device's name in the container.
    pub device: String,
    /// Its hardware address.
    pub mac: Option<String>,
    /// Whether the default route leads here.
    pub is_default: bool,
    /// Names beside the container's own that were asked for.
    pub aliases: Vec<String>,
    /// All names that the network's name server knows it by.
    pub names: Vec<String>,
    /// The ports that are published through it, as they are bound.
    pub ports: Vec<Published>,
}

impl EndpointRecord {
    /// Reads the record of a row.
    pub(super) fn parse(row: &EndpointRow) -> Result<Self> {
        parse(&row.record, || format!("record of the endpoint of container {}", row.container))
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a record is JSON")
    }

    /// What tells the host's end apart from others.
    pub(super) fn tag(&self) -> &str {
        self.id.get(..11).unwrap_or(&self.id)
    }
}

/// A port of the host that leads to one of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Of which protocol.
    pub protocol: Protocol,
    /// The host's address, as it is bound.
    pub host: SocketAddr,
    /// The container's.
    pub target: SocketAddr,
}

impl Published {
    /// As the monitor knows it.
    #[must_use]
    pub fn to_forward(&self) -> Forward {
        Forward { protocol: self.protocol, host: self.host, target: self.target }
    }
}

fn parse<T: DeserializeOwned>(text: &str, what: impl Fn() -> String) -> Result<T> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let corrupt = |error: serde_json::Error| Error::Corrupt {
        path: PathBuf::from(what()),
        detail: error.to_string(),
    };
    let Versioned { version } = serde_json::from_str(text).map_err(corrupt)?;
    if version > VERSION {
        return Err(Error::Version { path: what().into(), found: version, known: VERSION });
    }
    serde_json::from_str(text).map_err(corrupt)
}
