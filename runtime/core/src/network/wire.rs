//! Connecting a container that starts: first what may be refused (ports, addresses), then the kernel's
//! part, which may go on beside the rest of the start. Whatever fails, nothing is left.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use isopod_monitor_protocol::launch::Forward;
use isopod_network::{Error as NetworkError, Warning, namespace, sockets};
use isopod_sys::lock::Lock;
use isopod_sys::step::step;

use super::endpoint::{self, Endpoint};
use super::find::{Network, Networks};
use super::plan::Plan;
use super::ports::{self, Held};
use super::record::Published;
use super::release::Made;
use crate::container::{Attachment, Connections, Container};
use crate::state::{Durability, State};
use crate::{Error, Result};

/// A container's places on its networks, which are given back when this is dropped before
/// [`Reserved::keep`].
#[derive(Debug)]
pub(crate) struct Reserved<'a> {
    networks: Networks<'a>,
    container: (String, String),
    plan: Plan,
    endpoints: Vec<Endpoint>,
    held: Vec<Held>,
    /// How many endpoints have their device, and how many their ports: what is to be taken away again.
    connected: AtomicUsize,
    published: AtomicUsize,
    is_kept: bool,
    // Nobody removes the networks meanwhile, nor writes all rules anew without our ports.
    _locks: Vec<Lock>,
}

/// What the kernel's part made, for the monitor.
#[derive(Debug)]
pub(crate) struct Wired {
    /// The container's network namespace.
    pub netns: OwnedFd,
    /// Its name server's sockets, UDP and TCP.
    pub resolver: (OwnedFd, OwnedFd),
    /// What may stop the networks' traffic.
    pub warnings: Vec<Warning>,
}

impl<'a> Reserved<'a> {
    /// Takes addresses and ports for a container that is not running.
    ///
    /// # Errors
    /// A network that is not there, an address or port that somebody has; nothing is taken then.
    pub(crate) fn new(
        networks: Networks<'a>,
        container: &Container<'_>,
        attachments: &[Attachment],
    ) -> Result<Self> {
        // What is left of an earlier run whose end nobody saw.
        networks.release(container.namespace(), container.id())?;
        match Self::attempt(networks, container, attachments) {
            // Maybe by one that was killed, and what it had has not been given back yet.
            Err(Error::InUse { .. } | Error::Network(NetworkError::PortInUse { .. })) => {
                networks.reclaim()?;
                Self::attempt(networks, container, attachments)
            }
            other => other,
        }
    }

    fn attempt(
        networks: Networks<'a>,
        container: &Container<'_>,
        attachments: &[Attachment],
    ) -> Result<Self> {
        let plan = Plan::new(networks, container, attachments)?;
        let rules = networks.lock_rules(Lock::shared)?;
        let held = ports::hold(&plan.publish)?;
        let locks = plan
            .places
            .iter()
            .map(|place| networks.lock(&place.network, Lock::shared))
            .chain([Ok(rules)])
            .collect::<Result<Vec<_>>>()?;
        let state: &State = networks.runtime.state();
        let who = (container.namespace(), container.id());
        let publisher = plan.publisher.map(|index| plan.places[index].network.id.clone());
        let former = networks.former(who.0, who.1);
        let endpoints = state.write(Durability::Process, |transaction| {
            let wanted = plan.wanted(container);
            endpoint::allocate(transaction, state, who, (&wanted, &former), |endpoint| {
                match publisher.as_ref() == Some(&endpoint.network) {
                    true => ports::published(&held, endpoint),
                    false => Vec::new(),
                }
            })
        })?;
        step("endpoint.rows");
        Ok(Self {
            networks,
            container: (who.0.to_owned(), who.1.to_owned()),
            plan,
            endpoints,
            held,
            connected: AtomicUsize::new(0),
            published: AtomicUsize::new(0),
            is_kept: false,
            _locks: locks,
        })
    }

    /// Makes the network namespace, or takes `netns`, with its devices, and publishes the ports. May run on another
    /// thread.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub(crate) fn wire(&self, netns: Option<OwnedFd>) -> Result<Wired> {
        let host = self.networks.host()?;
        let netns = match netns {
            Some(netns) => namespace::adopt(netns)?,
            None => namespace::create()?,
        };
        step("endpoint.namespace");
        let mut warnings = Vec::new();
        for (place, endpoint) in self.plan.places.iter().zip(&self.endpoints) {
            let network = &place.network;
            if let Some(model) = network.record.to_model(&network.id) {
                warnings.extend(host.ensure_network(&model)?);
                step("endpoint.network");
                host.connect(&model, netns.as_fd(), &endpoint.to_model())?;
                step("endpoint.connected");
            }
            self.connected.fetch_add(1, Ordering::Relaxed);
        }
        // On networks without names too: others may be connected while it runs.
        let resolver = sockets::resolver(netns.as_fd())?;
        for endpoint in &self.endpoints {
            if !endpoint.record.ports.is_empty() {
                host.publish(&ports::to_maps(&endpoint.record.ports))?;
                step("endpoint.published");
            }
            self.published.fetch_add(1, Ordering::Relaxed);
        }
        for place in &self.plan.places {
            self.networks.write_names(&place.network)?;
            step("endpoint.named");
        }
        Ok(Wired { netns, resolver, warnings })
    }

    /// Where traffic goes that reaches a held port's socket.
    pub(crate) fn forwards(&self) -> Vec<Forward> {
        let ports = self.endpoints.iter().flat_map(|endpoint| &endpoint.record.ports);
        ports.map(Published::to_forward).collect()
    }

    /// The sockets that hold the ports, in the order of [`Reserved::forwards`].
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &OwnedFd> {
        self.held.iter().map(|held| &held.socket)
    }

    /// What the container's files say of them.
    pub(crate) fn connections(&self) -> Connections {
        let places = self.plan.places.iter().zip(&self.endpoints);
        connections(&places.map(|(place, endpoint)| (&place.network, endpoint)).collect::<Vec<_>>())
    }

    /// Its networks.
    pub(crate) fn networks(&self) -> Vec<&Network> {
        self.plan.places.iter().map(|place| &place.network).collect()
    }

    /// Writes `resolver.json`.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn write_resolver(&self, path: &Path, servers: &[IpAddr]) -> Result<()> {
        self.networks.write_resolver(path, &self.networks(), servers)
    }

    /// Keeps the addresses for the container's next start.
    ///
    /// # Errors
    /// They can't be written.
    pub(crate) fn remember(&self) -> Result<()> {
        let (namespace, id) = &self.container;
        self.networks.remember((namespace, id), &self.endpoints)
    }

    /// The container runs: from now on its end gives all of this back.
    pub(crate) fn keep(mut self) {
        for place in &self.plan.places {
            self.networks.happened("connect", &place.network, Some(&self.container.1));
        }
        self.is_kept = true;
    }
}

/// What a container's files say of its networks, which are in the order of its devices.
pub(super) fn connections(places: &[(&Network, &Endpoint)]) -> Connections {
    let both = |endpoint: &Endpoint| [endpoint.ip.map(IpAddr::V4), endpoint.ip6.map(IpAddr::V6)];
    let gateway = places.first().and_then(|(network, _)| {
        let pools = network.record.ipv4.iter().chain(&network.record.ipv6);
        pools.filter_map(|pool| pool.gateway).next()
    });
    Connections {
        addresses: places.iter().flat_map(|(_, endpoint)| both(endpoint)).flatten().collect(),
        host_gateway: gateway,
        has_names: places.iter().any(|(network, _)| network.has_names()),
        has_ipv6: places.iter().any(|(_, endpoint)| endpoint.ip6.is_some()),
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        let (connected, published) = (self.connected.get_mut(), self.published.get_mut());
        // What was never made takes no privilege to be rid of: whoever may not make it may still give it back.
        let made = |index| Made { device: index < *connected, ports: index < *published };
        let made = self.endpoints.iter().enumerate().map(|(index, one)| (one, made(index)));
        // The error to report is why it did not start; what is left has a row, by which it is found.
        if let Err(error) = self.networks.release_these(made) {
            let id = &self.container.1;
            tracing::warn!(container = id, %error, "cannot give the networks back");
        }
    }
}
