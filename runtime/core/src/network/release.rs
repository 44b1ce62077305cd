//! Giving back what a container had on its networks: whatever ended it.

use std::collections::BTreeSet;

use std::time::{Duration, Instant};

use isopod_monitor_protocol::state;
use isopod_sys::lock::Lock;
use isopod_sys::step::step;

use super::endpoint::Endpoint;
use super::find::{Network, Networks};
use super::ports;
use crate::container::{Container, Network as SettingsNetwork, Record};
use crate::state::{ContainerRow, Durability, NetworkRow};
use crate::{Error, Result, Runtime};

/// How long a monitor whose container has ended may take to let its sockets go.
pub(super) const LAST_ACTS: Duration = Duration::from_secs(2);

/// The file in a container's state folder that says that another one lives in its network namespace, which
/// then outlives the container.
const SHARED: &str = "netns.shared";

/// What the kernel has of an endpoint, as far as it has to be taken away.
#[derive(Debug, Clone, Copy)]
pub(super) struct Made {
    /// The device on the host.
    pub device: bool,
    /// Published ports, if it has any.
    pub ports: bool,
}

impl Made {
    /// Everything, or all but the device, which has gone with its network namespace.
    pub(super) fn with_device(device: bool) -> Self {
        Self { device, ports: true }
    }
}

impl Networks<'_> {
    /// Gives back what a container that has ended had. Its devices go with its network namespace, unless
    /// another container lives in that.
    ///
    /// # Errors
    /// What the kernel refuses to take away; it is tried again by whoever comes next.
    pub(crate) fn release(&self, namespace: &str, id: &str) -> Result<()> {
        let endpoints = self.endpoints_of(namespace, id)?;
        if endpoints.is_empty() {
            return Ok(());
        }
        if endpoints.iter().any(|endpoint| !endpoint.record.ports.is_empty()) {
            // It holds the ports' sockets until its last acts are done.
            self.await_monitor(namespace, id);
        }
        let marker = self.runtime.layout().container_state(namespace, id).join(SHARED);
        let made = Made::with_device(marker.exists());
        self.release_these(endpoints.iter().map(|endpoint| (endpoint, made)))
    }

    /// Waits until a container's monitor, whose container has ended, is gone.
    pub(super) fn await_monitor(&self, namespace: &str, id: &str) {
        let lock = self.runtime.layout().container_state(namespace, id).join(state::LOCK);
        let deadline = Instant::now() + LAST_ACTS;
        while matches!(Lock::try_exclusive(&lock), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// As [`Networks::release`], devices and all.
    pub(crate) fn release_wholly(&self, namespace: &str, id: &str) -> Result<()> {
        let endpoints = self.endpoints_of(namespace, id)?;
        self.release_these(endpoints.iter().map(|endpoint| (endpoint, Made::with_device(true))))
    }

    /// Notes that a container's network namespace is another's too.
    pub(crate) fn mark_shared(&self, namespace: &str, id: &str) -> Result<()> {
        let path = self.runtime.layout().container_state(namespace, id).join(SHARED);
        std::fs::write(&path, []).map_err(Error::io("cannot write", &path))
    }

    pub(super) fn release_these<'e>(
        &self,
        endpoints: impl IntoIterator<Item = (&'e Endpoint, Made)>,
    ) -> Result<()> {
        // Whoever writes all rules anew would bring them back.
        let _rules = self.lock_rules(Lock::shared)?;
        let mut failure = None;
        for (endpoint, made) in endpoints {
            // The row goes last: as long as something is left, there is something to find it by.
            let result = self.unmake(endpoint, made).and_then(|network| {
                let state = self.runtime.state();
                step("endpoint.unmade");
                state.write(Durability::Process, |transaction| {
                    endpoint.to_row().delete(transaction).map_err(state.error())
                })?;
                step("endpoint.deleted");
                let Some(network) = network else { return Ok(()) };
                self.happened("disconnect", &network, Some(&endpoint.container));
                self.write_names(&network)
            });
            if let Err(error) = result {
                failure = failure.or(Some(error));
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Takes away the kernel's part of an endpoint.
    fn unmake(&self, endpoint: &Endpoint, made: Made) -> Result<Option<Network>> {
        let row = self.runtime.state().read(|c| NetworkRow::exact(c, &endpoint.network))?;
        let network = row.map(Network::from_row).transpose()?;
        let has_ports = made.ports && !endpoint.record.ports.is_empty();
        if !has_ports && !made.device {
            return Ok(network);
        }
        let host = self.host()?;
        if has_ports {
            host.unpublish(&ports::to_maps(&endpoint.record.ports))?;
        }
        let model = network.as_ref().and_then(|network| network.record.to_model(&network.id));
        if let Some(model) = model.filter(|_| made.device) {
            host.disconnect(&model, None, &endpoint.to_model())?;
        }
        Ok(network)
    }

    /// Gives back what containers had that don't run any more and whose end nobody saw. One that is just
    /// being started, stopped or removed is left to whoever does that.
    ///
    /// # Errors
    /// The database failed; the kernel refuses to take something away.
    pub fn reclaim(&self) -> Result<()> {
        let endpoints = self.all_endpoints()?;
        let containers: BTreeSet<_> = endpoints
            .into_iter()
            .map(|endpoint| (endpoint.namespace, endpoint.container))
            .collect();
        for (namespace, id) in containers {
            match self.runtime.containers(&namespace).by_id(&id)? {
                None => self.release_wholly(&namespace, &id)?,
                Some(container) => container.release_if_over()?,
            }
        }
        Ok(())
    }
}

impl Container<'_> {
    /// Gives back what it had on its networks if it does not run: for whoever saw its end.
    ///
    /// # Errors
    /// The kernel refuses to take something away.
    pub fn release_if_over(&self) -> Result<()> {
        if self.runtime().networks().endpoints_of(self.namespace(), self.id())?.is_empty() {
            return Ok(());
        }
        let is_alive = match self.status() {
            Ok(status) => status.phase.is_alive(),
            // It can't be told: what is not given back does less harm than what is taken from a living one.
            Err(_) => true,
        };
        match is_alive {
            true => Ok(()),
            false => self.release_unless_busy(),
        }
    }

    /// Gives back what it had on its networks, unless somebody is starting, stopping or removing it, who sees
    /// to that. The caller has just seen that it does not run.
    pub(crate) fn release_unless_busy(&self) -> Result<()> {
        let path = self.state().join("operation.lock");
        let _operation = match Lock::try_exclusive(&path) {
            Ok(Some(lock)) => Some(lock),
            Ok(None) => return Ok(()),
            // A boot took the folder away: nothing of it is left.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("cannot lock", &path)(error)),
        };
        // Somebody may have started it between our look and our lock.
        if self.has_monitor()? && self.claims_life()? {
            return Ok(());
        }
        self.runtime().networks().release(self.namespace(), self.id())
    }
}

impl Runtime {
    /// The names of the networks that containers are to be on whenever they run.
    pub(super) fn containers_networks(&self) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for row in self.state().read(ContainerRow::list_all)? {
            // One that can't be read keeps no network.
            let Ok(record) = Record::parse(&row) else { continue };
            if let SettingsNetwork::Networks(attachments) = record.settings.network {
                names.extend(
                    attachments.into_iter().filter(|one| !one.leaving).map(|one| one.network),
                );
            }
        }
        Ok(names)
    }

    /// How a person knows a container.
    pub(super) fn container_name(&self, namespace: &str, id: &str) -> String {
        let row = self.state().read(|c| ContainerRow::exact(c, namespace, id)).ok().flatten();
        row.and_then(|row| row.name).unwrap_or_else(|| id.get(..12).unwrap_or(id).to_owned())
    }
}
