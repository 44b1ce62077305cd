//! The network side of a container: what whoever started it handed over, kept for as long as the
//! monitor lives, so that a restart by policy finds everything in its place.
//!
//! - [`handed`]: which descriptor is what;
//! - [`limit`]: how many descriptors the monitor may have;
//! - [`resolver`]: the name server in the container's network namespace;
//! - [`forward`]: published ports whose traffic the kernel's rules don't send on;
//! - [`replaced`]: files that others replace.
//!
//! The monitor itself stays in its caller's network namespace: what is made here (connections to
//! other name servers and to the container) starts there. All of it is bounded in number, memory and time.

mod forward;
mod handed;
mod limit;
mod replaced;
mod resolver;
mod socket;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Instant;

use isopod_monitor_protocol::launch::{Forward, Launch};
use isopod_monitor_protocol::message::Handed;

use crate::poll::{Part, Poller};
use forward::Forwarder;
pub use handed::{HandedError, Joined};
pub use limit::restore as restore_limit;
use resolver::NameServer;

/// See the module.
#[derive(Debug)]
pub struct Network {
    poller: Rc<Poller>,
    namespace: Option<OwnedFd>,
    users: Option<OwnedFd>,
    names: Option<NameServer>,
    ports: Option<Forwarder>,
}

impl Network {
    /// Nothing yet; ready to be handed what `launch` announces.
    pub fn new(poller: &Rc<Poller>, launch: &Launch) -> Self {
        if !launch.forwards.is_empty() || launch.resolver.is_some() {
            limit::raise();
        }
        Self { poller: Rc::clone(poller), namespace: None, users: None, names: None, ports: None }
    }

    /// Takes what came with `Run`; other containers' namespaces are returned.
    pub fn take(
        &mut self,
        launch: &Launch,
        what: &[Handed],
        descriptors: Vec<OwnedFd>,
    ) -> Result<Joined, HandedError> {
        let sorted = handed::sort(launch, what, descriptors)?;
        self.namespace = sorted.namespace;
        self.users = sorted.users;
        if let Some(resolver) = &launch.resolver {
            let server = NameServer::new(&self.poller, resolver, sorted.datagram, sorted.stream);
            self.names = Some(server.map_err(HandedError::Socket)?);
        }
        if !launch.forwards.is_empty() {
            let forwarder = Forwarder::new(&self.poller, &launch.forwards, sorted.forwards);
            self.ports = Some(forwarder.map_err(HandedError::Socket)?);
        }
        Ok(sorted.joined)
    }

    /// Leads published ports elsewhere.
    pub fn lead(&mut self, forwards: &[Forward]) {
        if let Some(ports) = &mut self.ports {
            ports.lead(forwards);
        }
    }

    /// The network namespace that was handed over.
    pub fn namespace(&self) -> Option<BorrowedFd<'_>> {
        self.namespace.as_ref().map(AsFd::as_fd)
    }

    /// The user namespace that was handed over, to which the network namespace belongs.
    pub fn users(&self) -> Option<BorrowedFd<'_>> {
        self.users.as_ref().map(AsFd::as_fd)
    }

    /// Does what became possible.
    pub fn handle(&mut self, part: Part, id: u32) {
        match part {
            Part::Forward | Part::Outer | Part::Inner | Part::Datagram => {
                if let Some(ports) = &mut self.ports {
                    ports.handle(part, id);
                }
            }
            _ => {
                if let Some(names) = &mut self.names {
                    names.handle(part, id);
                }
            }
        }
    }

    /// When [`Network::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let names = self.names.as_ref().and_then(NameServer::deadline);
        let ports = self.ports.as_ref().and_then(Forwarder::deadline);
        names.into_iter().chain(ports).min()
    }

    /// Gives up what has waited for too long.
    pub fn expire(&mut self) {
        if self.deadline().is_none() {
            return;
        }
        let now = Instant::now();
        if let Some(names) = &mut self.names {
            names.expire(now);
        }
        if let Some(ports) = &mut self.ports {
            ports.expire(now);
        }
    }

    /// Gives everything up: the ports are free, the namespace goes when nothing else holds it.
    pub fn close(&mut self) {
        self.names = None;
        self.ports = None;
        self.namespace = None;
        self.users = None;
    }
}
