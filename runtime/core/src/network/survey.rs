//! What there should be of networks beside what there is, for whoever looks for damage.

use isopod_network::{Driver, Inspection};
use std::fmt::Write as _;
use std::net::IpAddr;

use super::endpoint::Endpoint;
use super::find::{Network, Networks};
use super::ports;
use super::record::Published;
use crate::Result;
use crate::state::{EndpointRow, NetworkRow};

impl Network {
    /// Reads a row.
    pub(crate) fn read(row: &NetworkRow) -> Result<Self> {
        Self::from_row(row.clone())
    }
}

impl Endpoint {
    /// Reads a row.
    pub(crate) fn read(row: &EndpointRow) -> Result<Self> {
        Self::from_row(row.clone())
    }
}

impl Networks<'_> {
    /// Looks at the kernel's side; `endpoints` are those of containers that run.
    pub(crate) fn inspect(
        &self,
        networks: &[Network],
        endpoints: &[Endpoint],
    ) -> Result<Inspection> {
        let models = |networks: &mut dyn Iterator<Item = &Network>| -> Vec<_> {
            networks.filter_map(|network| network.record.to_model(&network.id)).collect()
        };
        let all = models(&mut networks.iter());
        let is_used = |network: &&Network| endpoints.iter().any(|e| e.network == network.id);
        let used = models(&mut networks.iter().filter(is_used));
        let tags: Vec<String> =
            endpoints.iter().map(|endpoint| endpoint.record.tag().to_owned()).collect();
        let published: Vec<Published> =
            endpoints.iter().flat_map(|endpoint| endpoint.record.ports.clone()).collect();
        Ok(self.host()?.inspect(&all, &used, &tags, &ports::to_maps(&published))?)
    }

    /// Takes away a device of ours that nothing stands for.
    pub(crate) fn remove_device(&self, name: &str) -> Result<()> {
        Ok(self.host()?.remove_device(name)?)
    }

    /// Whether the kernel's side may hold anything of ours at all: an instance that never had a network asks nothing.
    pub(crate) fn has_kernel_side(networks: &[Network]) -> bool {
        networks.iter().any(|network| {
            matches!(
                network.record.to_model(&network.id).map(|model| model.driver),
                Some(Driver::Bridge { .. } | Driver::Macvlan { .. })
            )
        })
    }

    /// What a network's file of names holds when these are on it.
    pub(crate) fn names_of<'e>(endpoints: impl IntoIterator<Item = &'e Endpoint>) -> String {
        let mut text = String::new();
        for endpoint in endpoints {
            let names = endpoint.record.names.join(" ");
            if names.is_empty() {
                continue;
            }
            let addresses = [endpoint.ip.map(IpAddr::V4), endpoint.ip6.map(IpAddr::V6)];
            for address in addresses.into_iter().flatten() {
                // Writing to a String can't fail.
                writeln!(text, "{address} {names}").ok();
            }
        }
        text
    }
}
