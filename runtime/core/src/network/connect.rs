//! Connecting and disconnecting containers: running ones at once, and all of them for their next starts.

use std::os::fd::AsFd;

use isopod_sys::lock::Lock;
use isopod_sys::step::step;

use super::endpoint::{self, Endpoint, Wanted};
use super::find::{Network, Networks};
use super::plan;
use super::ports;
use super::record::Published;
use super::release::Made;
use super::wire::connections;
use crate::container::{Attachment, Container, Network as Setting};
use crate::state::{Durability, NetworkRow};
use crate::{Error, Result};

impl Networks<'_> {
    /// Connects a container to another network; its names are there at once.
    ///
    /// # Errors
    /// It is on that network; its own network can't have others beside it; an address is taken; the kernel
    /// refuses. Nothing has changed then.
    pub fn connect(&self, container: &Container<'_>, attachment: &Attachment) -> Result<()> {
        let _operation = container.lock_operation()?;
        let network = self.find(&attachment.network)?;
        plan::check_place(&network, attachment)?;
        let attachment = Attachment { network: network.name.clone(), ..attachment.clone() };
        let mut attachments = attachments(container)?;
        if let Some(left) = attachments.iter().position(|one| one.leaving && is_on(one, &network)) {
            // By a disconnection that was killed.
            let left = attachments.remove(left);
            if container.status()?.phase.is_alive() {
                self.unplug(container, &network, &attachments)?;
            }
            tracing::debug!(network = left.network, "finished a disconnection");
        }
        if attachments.iter().any(|other| is_on(other, &network)) {
            return Err(Error::AlreadyExists {
                what: "endpoint on network",
                name: network.name,
                by: format!("container {}", container.name()),
            });
        }
        let before = attachments.clone();
        attachments.push(attachment.clone());
        let is_alive = container.status()?.phase.is_alive();
        if is_alive {
            self.plug(container, &network, &attachment, &attachments)?;
            step("plug.made");
        }
        let kept = container.keep_network(Setting::Networks(attachments));
        if kept.is_err() && is_alive {
            self.unplug(container, &network, &before).ok();
        }
        kept
    }

    /// Disconnects a container from a network.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it is not on that network; the kernel refuses.
    pub fn disconnect(&self, container: &Container<'_>, network: &str) -> Result<()> {
        let _operation = container.lock_operation()?;
        let before = attachments(container)?;
        let network = match self.find(network) {
            // Somebody removed it since the container was made, and it can be named by what the container knows.
            Err(Error::NotFound { .. }) if before.iter().any(|one| one.network == network) => {
                let staying = before.into_iter().filter(|one| one.network != network).collect();
                return container.keep_network(Setting::Networks(staying));
            }
            other => other?,
        };
        let staying: Vec<Attachment> =
            before.iter().filter(|one| !is_on(one, &network)).cloned().collect();
        if staying.len() == before.len() {
            return Err(Error::NotFound {
                what: "endpoint on network",
                name: format!("{} of container {}", network.name, container.name()),
            });
        }
        if container.status()?.phase.is_alive() {
            // Said before it is done: else who is killed in between leaves a container that can't be started once the
            // network is removed, which nothing keeps any more.
            let leaves = |one: &Attachment| Attachment {
                leaving: one.leaving || is_on(one, &network),
                ..one.clone()
            };
            container.keep_network(Setting::Networks(before.iter().map(leaves).collect()))?;
            step("unplug.said");
            if let Err(error) = self.unplug(container, &network, &staying) {
                container.keep_network(Setting::Networks(before)).ok();
                return Err(error);
            }
            step("unplug.unmade");
        }
        container.keep_network(Setting::Networks(staying))
    }

    /// Has a container that was given another name found by it: for whoever renamed it.
    ///
    /// # Errors
    /// The database failed; a file can't be written.
    pub fn renamed(&self, container: &Container<'_>) -> Result<()> {
        let Setting::Networks(attachments) = &container.settings().network else { return Ok(()) };
        for mut endpoint in self.endpoints_of(container.namespace(), container.id())? {
            let Some(network) = self.by_id(&endpoint.network)? else { continue };
            let Some(attachment) = attachments.iter().find(|one| is_on(one, &network)) else {
                continue;
            };
            endpoint.record.names = plan::names(&network, attachment, container);
            let state = self.runtime.state();
            state.write(Durability::Process, |transaction| {
                endpoint.to_row().set_record(transaction).map_err(state.error())
            })?;
            self.write_names(&network)?;
        }
        Ok(())
    }

    /// Gives a running container a device; with it, it is on `attachments`.
    fn plug(
        &self,
        container: &Container<'_>,
        network: &Network,
        attachment: &Attachment,
        attachments: &[Attachment],
    ) -> Result<()> {
        let _rules = self.lock_rules(Lock::shared)?;
        let netns = container.network_namespace()?;
        let _lock = self.lock(network, Lock::shared)?;
        let others = self.endpoints_of(container.namespace(), container.id())?;
        let wanted = Wanted {
            network,
            attachment,
            device: free_device(&others),
            is_default: false,
            names: plan::names(network, attachment, container),
        };
        let state = self.runtime.state();
        let who = (container.namespace(), container.id());
        let endpoints = state.write(Durability::Process, |transaction| {
            endpoint::allocate(transaction, state, who, (&[wanted], &[]), |_| Vec::new())
        })?;
        let made = || -> Result<()> {
            let model = network.record.to_model(&network.id);
            let host = self.host()?;
            for (model, endpoint) in model.iter().zip(&endpoints) {
                for warning in host.ensure_network(model)? {
                    tracing::warn!(%warning, "a network may not work");
                }
                host.connect(model, netns.as_fd(), &endpoint.to_model())?;
            }
            step("plug.connected");
            self.rearrange(container, attachments)?;
            self.write_names(network)?;
            self.tell(container)
        };
        let result = made();
        if result.is_ok() {
            self.happened("connect", network, Some(container.id()));
        } else {
            // The error to report is why; what is left has a row, by which it is found.
            let made = Made::with_device(true);
            self.release_these(endpoints.iter().map(|endpoint| (endpoint, made))).ok();
            self.rearrange(container, attachments).ok();
        }
        result
    }

    /// Takes a running container's device away; without it, it is on `attachments`.
    fn unplug(
        &self,
        container: &Container<'_>,
        network: &Network,
        attachments: &[Attachment],
    ) -> Result<()> {
        let _rules = self.lock_rules(Lock::shared)?;
        let netns = container.network_namespace()?;
        let all = self.endpoints_of(container.namespace(), container.id())?;
        let gone: Vec<_> =
            all.into_iter().filter(|endpoint| endpoint.network == network.id).collect();
        let host = self.host()?;
        for endpoint in &gone {
            host.unpublish(&ports::to_maps(&endpoint.record.ports))?;
            if let Some(model) = network.record.to_model(&network.id) {
                host.disconnect(&model, Some(netns.as_fd()), &endpoint.to_model())?;
            }
        }
        step("unplug.disconnected");
        let state = self.runtime.state();
        state.write(Durability::Process, |transaction| {
            gone.iter().try_for_each(|endpoint| {
                endpoint.to_row().delete(transaction).map_err(state.error())
            })
        })?;
        self.rearrange(container, attachments)?;
        self.write_names(network)?;
        self.happened("disconnect", network, Some(container.id()));
        self.tell(container)
    }

    /// Tells a running container by its files where it is now.
    fn tell(&self, container: &Container<'_>) -> Result<()> {
        let endpoints = self.endpoints_of(container.namespace(), container.id())?;
        self.remember((container.namespace(), container.id()), &endpoints)?;
        let networks = endpoints
            .iter()
            .map(|endpoint| {
                let not_found =
                    || Error::NotFound { what: "network", name: endpoint.network.clone() };
                self.by_id(&endpoint.network)?.ok_or_else(not_found)
            })
            .collect::<Result<Vec<_>>>()?;
        let all: Vec<&Network> = networks.iter().collect();
        self.write_resolver(&container.resolver_path(), &all, &container.settings().dns)?;
        let places: Vec<_> = networks.iter().zip(&endpoints).collect();
        container.rewrite_files(&connections(&places))
    }

    pub(super) fn by_id(&self, id: &str) -> Result<Option<Network>> {
        let row = self.runtime.state().read(|c| NetworkRow::exact(c, id))?;
        row.map(Network::from_row).transpose()
    }

    /// Makes rules and devices anew after somebody took them away: a firewall's restart, a flush.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn reload(&self) -> Result<Vec<isopod_network::Warning>> {
        self.reclaim()?;
        // What is published between our look and our rules would be lost.
        let _rules = self.lock_rules(Lock::exclusive)?;
        let endpoints = self.all_endpoints()?;
        let networks = self.list()?;
        let in_use = networks
            .iter()
            .filter(|network| endpoints.iter().any(|endpoint| endpoint.network == network.id));
        let models: Vec<_> =
            in_use.filter_map(|network| network.record.to_model(&network.id)).collect();
        let published: Vec<Published> =
            endpoints.iter().flat_map(|endpoint| endpoint.record.ports.clone()).collect();
        Ok(self.host()?.reload(&models, &ports::to_maps(&published))?)
    }
}

fn attachments(container: &Container<'_>) -> Result<Vec<Attachment>> {
    let mode = match &container.settings().network {
        Setting::Networks(attachments) => return Ok(attachments.clone()),
        Setting::None => "none",
        Setting::Host => "host",
        Setting::Namespace(_) => "ns:PATH",
        Setting::Container(_) => "container:NAME",
    };
    Err(Error::Invalid(format!(
        "container {} was made with --network {mode}: it can't have other networks beside that",
        container.name()
    )))
}

pub(super) fn is_on(attachment: &Attachment, network: &Network) -> bool {
    attachment.network == network.name || attachment.network == network.id
}

/// The first name of a device that is free.
fn free_device(others: &[Endpoint]) -> String {
    let is_free = |name: &String| !others.iter().any(|endpoint| endpoint.record.device == *name);
    (0..=others.len())
        .map(|number| format!("eth{number}"))
        .find(is_free)
        .expect("there is one name more than there are devices")
}
