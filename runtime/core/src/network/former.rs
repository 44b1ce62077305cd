//! The addresses that a container had when it last ran. It has them again as long as nobody else has taken
//! them: who restarts a container, or has its policy do it, does not expect it to move.
//!
//! They lie in its state folder, which a boot takes away. Nothing depends on them.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use isopod_sys::atomic::{self, Durability};
use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::find::Networks;
use crate::{Error, Result};

/// The file in the state folder.
const FILE: &str = "addresses.json";

/// What a container had on one network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Former {
    /// The network's id.
    pub network: String,
    /// Its address.
    pub ip: Option<Ipv4Addr>,
    /// Its address.
    pub ip6: Option<Ipv6Addr>,
    /// Its device's hardware address.
    pub mac: Option<String>,
}

impl Networks<'_> {
    /// What the container had when it last ran; nothing where that is not known.
    pub(super) fn former(&self, namespace: &str, id: &str) -> Vec<Former> {
        let bytes = fs::read(self.former_path(namespace, id)).ok();
        bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
    }

    /// Keeps what the container has for its next start.
    ///
    /// # Errors
    /// The file can't be written.
    pub(super) fn remember(
        &self,
        (namespace, id): (&str, &str),
        endpoints: &[Endpoint],
    ) -> Result<()> {
        let had = |endpoint: &Endpoint| Former {
            network: endpoint.network.clone(),
            ip: endpoint.ip,
            ip6: endpoint.ip6,
            mac: endpoint.record.mac.clone(),
        };
        let all: Vec<Former> = endpoints.iter().map(had).collect();
        let bytes = serde_json::to_vec(&all).expect("addresses are JSON");
        let path = self.former_path(namespace, id);
        atomic::write(&path, &bytes, 0o600, Durability::Process)
            .map_err(Error::io("cannot write", &path))
    }

    fn former_path(&self, namespace: &str, id: &str) -> PathBuf {
        self.runtime.layout().container_state(namespace, id).join(FILE)
    }
}
