//! Removing networks that nobody is on.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use isopod_network::Driver;
use isopod_sys::lock::Lock;
use isopod_sys::step::step;

use super::DEFAULT;
use super::find::{Network, Networks};
use super::release::LAST_ACTS;
use crate::container::Container;
use crate::layout::private_folder;
use crate::state::{Durability, EndpointRow, NetworkRow};
use crate::{Error, Result};

/// Between two looks at who is still on a network.
const PAUSE: Duration = Duration::from_millis(5);

impl Networks<'_> {
    /// Removes the one that `text` names.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::InUse`] while containers that run are on it; one that is built in.
    pub fn remove(&self, text: &str) -> Result<Network> {
        let network = self.find(text)?;
        if network.is_built_in() {
            return Err(Error::Invalid(format!(
                "network {} is built in and can't be removed",
                network.name
            )));
        }
        let deadline = Instant::now() + LAST_ACTS;
        loop {
            self.reclaim()?;
            match self.remove_unused(&network) {
                // Whoever saw its containers' end is about to give back what they had.
                Err(Error::InUse { .. })
                    if Instant::now() < deadline && !self.is_lived_on(&network)? =>
                {
                    std::thread::sleep(PAUSE);
                }
                other => return other.map(|()| network),
            }
        }
    }

    /// Whether a container on it lives.
    fn is_lived_on(&self, network: &Network) -> Result<bool> {
        for endpoint in self.endpoints(network)? {
            let container =
                self.runtime.containers(&endpoint.namespace).by_id(&endpoint.container)?;
            // One whose life can't be told counts, and one without a monitor is just ending.
            let lives = |container: Container<'_>| match container.status() {
                Ok(status) => status.phase.is_alive() && container.has_listening_monitor(),
                Err(_) => true,
            };
            if container.is_some_and(lives) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes those that nobody is on and that `choose` picks; the built-in ones stay.
    ///
    /// # Errors
    /// What could not be removed for another reason than being in use; the others are gone.
    pub fn prune(&self, choose: impl Fn(&Network) -> bool) -> Result<Vec<Network>> {
        self.reclaim()?;
        let mut removed = Vec::new();
        let mut failure = None;
        let used = self.runtime.containers_networks()?;
        for network in self.list()? {
            let is_used = used.contains(&network.name) || used.contains(&network.id);
            if network.is_built_in() || is_used || !choose(&network) {
                continue;
            }
            match self.remove_unused(&network) {
                Ok(()) => removed.push(network),
                Err(Error::InUse { .. } | Error::NotFound { .. }) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if removed.is_empty() {
            self.remove_last()?;
        }
        failure.map_or(Ok(removed), Err)
    }

    fn remove_unused(&self, network: &Network) -> Result<()> {
        // Nobody joins it meanwhile: whoever does holds this shared until the row is written.
        let lock = self.lock(network, Lock::exclusive)?;
        self.refuse_used(network)?;
        self.forget(network)?;
        step("network.deleted");
        let folder = self.folder(&network.id);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("cannot remove", &folder)(error));
            }
            _ => {}
        }
        drop(lock);
        self.happened("destroy", network, None);
        step("network.last");
        self.remove_last()
    }

    /// With the last network that somebody made goes what all of them share, the default bridge among it; a
    /// container that asks for that makes it anew.
    fn remove_last(&self) -> Result<()> {
        let bridge = self.find(DEFAULT)?;
        let folder = self.folder(&bridge.id);
        let path = folder.join("lock");
        private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
        // Somebody is just joining it.
        let Some(_lock) = Lock::try_exclusive(&path).map_err(Error::io("cannot lock", &path))?
        else {
            return Ok(());
        };
        let is_last = self.list()?.iter().all(Network::is_built_in);
        match is_last && self.all_endpoints()?.is_empty() {
            true => Ok(self.host()?.remove_all()?),
            false => Ok(()),
        }
    }

    fn refuse_used(&self, network: &Network) -> Result<()> {
        let rows = self.runtime.state().read(|c| EndpointRow::of_network(c, &network.id))?;
        if rows.is_empty() {
            return Ok(());
        }
        let mut names: Vec<String> = rows
            .iter()
            .map(|row| self.runtime.container_name(&row.namespace, &row.container))
            .collect();
        names.sort_unstable();
        Err(Error::InUse {
            what: "network",
            name: network.name.clone(),
            by: format!("container {}: stop or disconnect it first", names.join(", ")),
        })
    }

    /// Takes it away from the kernel, then from the database.
    pub(super) fn forget(&self, network: &Network) -> Result<()> {
        let _parents = self.lock_file("parents.lock", Lock::exclusive)?;
        let is_shared = self.shares_its_parent(network)?;
        if let Some(model) = network.record.to_model(&network.id).filter(|_| !is_shared) {
            self.host()?.remove_network(&model)?;
        }
        step("network.unmade");
        self.delete_row(network)
    }

    /// Takes it away from the database.
    pub(super) fn delete_row(&self, network: &Network) -> Result<()> {
        let state = self.runtime.state();
        let deleted = state.write(Durability::Power, |transaction| {
            NetworkRow::delete(transaction, &network.id).map_err(state.error())
        })?;
        match deleted {
            true => Ok(()),
            false => Err(Error::NotFound { what: "network", name: network.name.clone() }),
        }
    }

    /// Whether another network is on the same device of the host: what was made for that stays for the other.
    fn shares_its_parent(&self, network: &Network) -> Result<bool> {
        let parent = |network: &Network| match network.record.to_model(&network.id)?.driver {
            Driver::Macvlan { parent, .. } => parent,
            Driver::Bridge { .. } => None,
        };
        let Some(its) = parent(network) else { return Ok(false) };
        let mut others = self.list()?.into_iter().filter(|other| other.id != network.id);
        Ok(others.any(|other| parent(&other).as_ref() == Some(&its)))
    }

    /// The lock on all rules: shared by whoever publishes or gives back, alone for whoever writes all of them
    /// anew. Before any network's.
    pub(super) fn lock_rules(
        &self,
        how: impl Fn(&std::path::Path) -> io::Result<Lock>,
    ) -> Result<Lock> {
        self.lock_file("rules.lock", how)
    }

    /// A lock of all networks, which lies beside their folders.
    fn lock_file(
        &self,
        name: &str,
        how: impl Fn(&std::path::Path) -> io::Result<Lock>,
    ) -> Result<Lock> {
        let path = self.folder(name);
        let folder = path.parent().unwrap_or(&path);
        private_folder(folder).map_err(Error::io("cannot make", folder))?;
        how(&path).map_err(Error::io("cannot lock", &path))
    }

    /// Its lock: shared by whoever joins it, alone for whoever removes it.
    pub(super) fn lock(
        &self,
        network: &Network,
        how: impl Fn(&std::path::Path) -> io::Result<Lock>,
    ) -> Result<Lock> {
        let folder = self.folder(&network.id);
        let path = folder.join("lock");
        loop {
            match private_folder(&folder).and_then(|()| how(&path)) {
                // Whoever removed it was faster than our look at the folder that we had just made.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other.map_err(Error::io("cannot lock", &path)),
            }
        }
    }
}
