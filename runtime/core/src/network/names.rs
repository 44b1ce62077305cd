//! What name servers read: a file for each network with a line for each container on it, and for each
//! container one that says which of these files are its own.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use isopod_monitor_protocol::VERSION;
use isopod_monitor_protocol::resolver::Names;
use isopod_sys::atomic::{self, Durability};
use isopod_sys::lock::Lock;

use super::find::{Network, Networks};
use crate::layout::private_folder;
use crate::{Error, Result};

/// The host's resolver configuration.
pub(crate) const HOST_CONFIG: &str = "/etc/resolv.conf";

impl Networks<'_> {
    /// The file of a network's names.
    pub(crate) fn names_file(&self, id: &str) -> PathBuf {
        self.folder(id).join("names")
    }

    /// Writes a network's names anew: whoever comes or goes last has the last word, under a lock.
    pub(crate) fn write_names(&self, network: &Network) -> Result<()> {
        if !network.has_names() {
            return Ok(());
        }
        let folder = self.folder(&network.id);
        let path = folder.join("names.lock");
        private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
        let _alone = Lock::exclusive(&path).map_err(Error::io("cannot lock", &path))?;
        let text = Self::names_of(&self.endpoints(network)?);
        let path = self.names_file(&network.id);
        atomic::write(&path, text.as_bytes(), 0o600, Durability::Process)
            .map_err(Error::io("cannot write", &path))
    }

    /// Writes what a container's name server knows: the names of `networks`, and whom to ask for the rest.
    pub(super) fn write_resolver(
        &self,
        path: &Path,
        networks: &[&Network],
        servers: &[IpAddr],
    ) -> Result<()> {
        let names = Names {
            version: VERSION,
            networks: networks
                .iter()
                .filter(|network| network.has_names())
                .map(|network| self.names_file(&network.id))
                .collect(),
            servers: servers.to_vec(),
            host_config: PathBuf::from(HOST_CONFIG),
            is_isolated: !networks.iter().any(|network| network.leads_out()),
        };
        let bytes = serde_json::to_vec(&names).expect("names are JSON");
        atomic::write(path, &bytes, 0o600, Durability::Process)
            .map_err(Error::io("cannot write", path))
    }
}
