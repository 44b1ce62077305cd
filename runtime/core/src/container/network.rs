//! A container's side of its networks: what a start takes and hands to the monitor.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use isopod_monitor_protocol::data;
use isopod_monitor_protocol::launch::{Forward, Launch, Resolver};
use isopod_monitor_protocol::message::{Handed, Reply, Request};
use isopod_monitor_protocol::state;

use super::settings::Network;
use super::{Attachment, Container};
use crate::network::Reserved;
use crate::state::{ContainerRow, Durability};
use crate::{Error, Result};

/// What a start takes on networks before anything else.
#[derive(Debug)]
pub(super) enum Places<'a> {
    /// Nothing: the host's, nothing at all, or a namespace that somebody else made.
    None,
    /// Another container's, which runs.
    Shared {
        /// Whose.
        owner: Box<Container<'a>>,
        /// Its network namespace.
        netns: OwnedFd,
    },
    /// Its own.
    Own {
        /// Addresses and ports.
        reserved: Box<Reserved<'a>>,
    },
}

/// What the monitor is handed, in the order of the descriptors.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    pub kinds: Vec<Handed>,
    pub descriptors: Vec<OwnedFd>,
}

impl Parcel {
    pub(super) fn add(&mut self, kind: Handed, descriptor: OwnedFd) {
        self.kinds.push(kind);
        self.descriptors.push(descriptor);
    }

    pub(super) fn borrowed(&self) -> Vec<BorrowedFd<'_>> {
        self.descriptors.iter().map(AsFd::as_fd).collect()
    }
}

impl<'a> Container<'a> {
    /// Takes what the settings say; refused where somebody else has it.
    pub(super) fn take_places(&self) -> Result<Places<'a>> {
        match &self.record.settings.network {
            Network::None | Network::Host | Network::Namespace(_) => Ok(Places::None),
            Network::Container(id) => self.share(id),
            Network::Networks(attachments) => self.reserve(attachments),
        }
    }

    fn reserve(&self, attachments: &[Attachment]) -> Result<Places<'a>> {
        let staying: Vec<Attachment> =
            attachments.iter().filter(|attachment| !attachment.leaving).cloned().collect();
        if staying.len() < attachments.len() {
            self.keep_network(Network::Networks(staying.clone()))?;
        }
        let reserved = Reserved::new(self.runtime.networks(), self, &staying)?;
        Ok(Places::Own { reserved: Box::new(reserved) })
    }

    fn share(&self, id: &str) -> Result<Places<'a>> {
        let missing = || Error::NotFound { what: "container", name: id.to_owned() };
        let owner = self.runtime.containers(self.namespace()).by_id(id)?.ok_or_else(missing)?;
        let netns = owner.network_namespace()?;
        self.runtime.networks().mark_shared(owner.namespace(), owner.id())?;
        Ok(Places::Shared { owner: Box::new(owner), netns })
    }

    /// Its network namespace.
    ///
    /// # Errors
    /// [`Error::State`] if it does not run; the monitor refuses.
    pub(crate) fn network_namespace(&self) -> Result<OwnedFd> {
        if matches!(self.record.settings.network, Network::Host | Network::Namespace(_)) {
            // Not the monitor's to give: it is only joined.
            return self.open_namespace("net");
        }
        let mut connection = self.connect()?;
        match self.ask_running(&mut connection, Request::NetworkNamespace)? {
            Reply::Ok => connection.take_descriptors().pop().ok_or_else(|| {
                Error::Monitor(format!("the monitor of {} sent no network namespace", self.name()))
            }),
            other => Err(self.unexpected(&other)),
        }
    }

    /// The ports that its monitor holds, as they led when it was started.
    pub(crate) fn forwards(&self) -> Vec<Forward> {
        let launch = std::fs::read(self.data().join(data::LAUNCH)).ok();
        let launch = launch.and_then(|bytes| serde_json::from_slice::<Launch>(&bytes).ok());
        launch.map(|launch| launch.forwards).unwrap_or_default()
    }

    /// Leads what reaches the ports' sockets elsewhere; those that are left out, nowhere.
    ///
    /// # Errors
    /// The monitor can't be reached, though it runs.
    pub(crate) fn lead_forwards(&self, forwards: Vec<Forward>) -> Result<()> {
        match self.ask(Request::SetForwards { forwards }) {
            // It has ended meanwhile.
            Err(Error::State { .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// `resolver.json`.
    pub(crate) fn resolver_path(&self) -> PathBuf {
        self.state().join(state::RESOLVER)
    }

    /// Keeps another network setting for its next starts.
    pub(crate) fn keep_network(&self, network: Network) -> Result<()> {
        let mut record = self.record.clone();
        record.settings.network = network;
        let (namespace, id, text) = (self.namespace(), self.id(), record.to_text());
        let state = self.runtime.state();
        state.write(Durability::Power, |transaction| {
            let kept = ContainerRow::set_record(transaction, namespace, id, &text);
            match kept.map_err(state.error())? {
                true => Ok(()),
                false => Err(Error::NotFound { what: "container", name: self.name().to_owned() }),
            }
        })
    }

    /// Gives back what it had on its networks: for whoever holds its operation lock and saw its end.
    pub(super) fn release_networks(&self) -> Result<()> {
        self.runtime.networks().release(self.namespace(), self.id())
    }
}

impl Places<'_> {
    /// What the monitor's launch description says of them.
    pub(super) fn describe(&self, container: &Container<'_>) -> (Vec<Forward>, Option<Resolver>) {
        match self {
            Self::None | Self::Shared { .. } => (Vec::new(), None),
            Self::Own { reserved } => {
                (reserved.forwards(), Some(Resolver { names: container.resolver_path() }))
            }
        }
    }

    /// Makes the kernel's part, and packs what the monitor is to have of it. May run on another thread.
    /// `netns` is the namespace to connect where there is one already.
    pub(super) fn wire(&self, netns: Option<OwnedFd>) -> Result<Parcel> {
        let mut parcel = Parcel::default();
        let copy = |descriptor: &OwnedFd| {
            let action = "cannot copy a descriptor";
            descriptor.try_clone().map_err(|source| Error::System { action, source })
        };
        match self {
            Self::None => {}
            Self::Shared { netns, .. } => parcel.add(Handed::NetworkNamespace, copy(netns)?),
            Self::Own { reserved } => {
                let wired = reserved.wire(netns)?;
                for warning in &wired.warnings {
                    tracing::warn!(%warning, "a network may not work");
                }
                parcel.add(Handed::NetworkNamespace, wired.netns);
                let (datagram, stream) = wired.resolver;
                parcel.add(Handed::ResolverDatagram, datagram);
                parcel.add(Handed::ResolverStream, stream);
                for socket in reserved.sockets() {
                    parcel.add(Handed::Forward, copy(socket)?);
                }
            }
        }
        Ok(parcel)
    }

    /// The container runs.
    pub(super) fn keep(self) {
        if let Self::Own { reserved } = self {
            reserved.keep();
        }
    }
}
