//! Looking networks up, and who is on them.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::endpoint::Endpoint;
use super::record::{DriverKind, NetworkRecord};
use super::{BUILT_IN, DEFAULT};
use crate::state::{EndpointRow, Labels, NetworkRow};
use crate::{Error, Result, Runtime};

/// The networks of one instance, the same for every namespace.
#[derive(Debug, Clone, Copy)]
pub struct Networks<'a> {
    pub(super) runtime: &'a Runtime,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// 64 hex characters.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// Labels.
    pub labels: Labels,
    /// What it is like.
    pub record: NetworkRecord,
}

impl Network {
    pub(super) fn from_row(row: NetworkRow) -> Result<Self> {
        let record = NetworkRecord::parse(&row)?;
        let NetworkRow { id, name, created, labels, .. } = row;
        Ok(Self { id, name, created, labels, record })
    }

    /// Whether it can't be removed.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        BUILT_IN.contains(&self.name.as_str())
    }

    /// Whether its containers find each other by name: on all but the default one, as in docker.
    #[must_use]
    pub fn has_names(&self) -> bool {
        !self.is_built_in()
    }

    /// Whether it has a way out that can be the default route.
    #[must_use]
    pub fn leads_out(&self) -> bool {
        !self.record.internal
            && matches!(self.record.driver, DriverKind::Bridge | DriverKind::Macvlan)
    }
}

impl<'a> Networks<'a> {
    pub(crate) fn new(runtime: &'a Runtime) -> Self {
        Self { runtime }
    }

    pub(crate) fn runtime(&self) -> &'a Runtime {
        self.runtime
    }

    /// All, the built-in ones among them, oldest first.
    ///
    /// # Errors
    /// The database failed; a record is damaged.
    pub fn list(&self) -> Result<Vec<Network>> {
        self.ensure_built_in()?;
        let rows = self.runtime.state().read(NetworkRow::list)?;
        rows.into_iter().map(Network::from_row).collect()
    }

    /// The one that `text` names: a name, an id, or a unique beginning of an id.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ambiguous`].
    pub fn find(&self, text: &str) -> Result<Network> {
        // As `--network default` means in docker.
        let text = if text == "default" { DEFAULT } else { text };
        let state = self.runtime.state();
        if let Some(row) = state.read(|c| NetworkRow::exact(c, text))? {
            return Network::from_row(row);
        }
        if BUILT_IN.contains(&text) {
            self.ensure_built_in()?;
            if let Some(row) = state.read(|c| NetworkRow::exact(c, text))? {
                return Network::from_row(row);
            }
        }
        let mut rows = match text {
            "" => Vec::new(),
            _ => state.read(|c| NetworkRow::with_prefix(c, text))?,
        };
        match rows.len() {
            0 => Err(Error::NotFound { what: "network", name: text.to_owned() }),
            1 => Network::from_row(rows.remove(0)),
            _ => Err(Error::Ambiguous {
                what: "network",
                name: text.to_owned(),
                candidates: rows
                    .iter()
                    .map(|row| row.id.get(..12).unwrap_or(&row.id))
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// Who is on a network now.
    ///
    /// # Errors
    /// The database failed; a record is damaged.
    pub fn endpoints(&self, network: &Network) -> Result<Vec<Endpoint>> {
        let rows = self.runtime.state().read(|c| EndpointRow::of_network(c, &network.id))?;
        rows.into_iter().map(Endpoint::from_row).collect()
    }

    /// On which networks a container is now.
    ///
    /// # Errors
    /// The database failed; a record is damaged.
    pub fn endpoints_of(&self, namespace: &str, container: &str) -> Result<Vec<Endpoint>> {
        let of_it = |c: &_| EndpointRow::of_container(c, namespace, container);
        let rows = self.runtime.state().read(of_it)?;
        let mut all = rows.into_iter().map(Endpoint::from_row).collect::<Result<Vec<_>>>()?;
        all.sort_by(|a, b| a.record.device.cmp(&b.record.device));
        Ok(all)
    }

    /// Everybody on every network.
    ///
    /// # Errors
    /// The database failed; a record is damaged.
    pub fn all_endpoints(&self) -> Result<Vec<Endpoint>> {
        let rows = self.runtime.state().read(EndpointRow::list)?;
        rows.into_iter().map(Endpoint::from_row).collect()
    }

    /// What belongs to a network and this boot: its lock and its names.
    pub(super) fn folder(&self, id: &str) -> PathBuf {
        self.runtime.layout().network_state(id)
    }

    /// What tells this instance's devices and tables from those of others on the same host; `None`
    /// for the one in the usual place.
    pub(crate) fn tag(&self) -> Option<String> {
        let root = self.runtime.layout().root();
        if root == Path::new(USUAL_ROOT) {
            return None;
        }
        // FNV-1a: short, and the same in every release.
        let hash =
            root.as_os_str().as_encoded_bytes().iter().fold(0x811c_9dc5_u32, |hash, byte| {
                (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
            });
        Some(format!("{hash:08x}"))
    }
}

/// The data folder of the instance whose devices have plain names.
const USUAL_ROOT: &str = "/var/lib/isopod";
