//! Which of the descriptors that came with `Run` is what.

use std::io;
use std::os::fd::OwnedFd;

use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::message::Handed;

/// Why what was handed over can't be used.
#[derive(Debug, thiserror::Error)]
pub enum HandedError {
    /// Their numbers differ; more than the process may have were lost on the way.
    #[error("{said} descriptors were announced, {came} arrived")]
    Count {
        /// Announced.
        said: usize,
        /// Arrived.
        came: usize,
    },
    /// The same again.
    #[error("{0} was handed over twice")]
    Twice(&'static str),
    /// Not as many sockets as there are ports.
    #[error("launch.json has {wanted} forwards, {came} sockets were handed over")]
    Forwards {
        /// In `launch.json`.
        wanted: usize,
        /// Handed over.
        came: usize,
    },
    /// A name server's sockets without a name server, or the reverse.
    #[error("launch.json and what was handed over disagree about the name server")]
    Resolver,
    /// One can't be used.
    #[error("cannot use a socket that was handed over: {0}")]
    Socket(io::Error),
}

/// Namespaces of another container that this one joins, for one start.
#[derive(Debug, Default)]
pub struct Joined {
    /// That of its processes.
    pub pid: Option<OwnedFd>,
    /// System V IPC and message queues.
    pub ipc: Option<OwnedFd>,
    /// Host and domain name.
    pub uts: Option<OwnedFd>,
    /// Mounts; only looked into.
    pub mount: Option<OwnedFd>,
}

/// Descriptors, in their places.
#[derive(Debug, Default)]
pub struct Sorted {
    /// The container's network namespace.
    pub namespace: Option<OwnedFd>,
    /// Its user namespace.
    pub users: Option<OwnedFd>,
    /// Another container's others.
    pub joined: Joined,
    /// The name server's datagram socket.
    pub datagram: Option<OwnedFd>,
    /// Its listener.
    pub stream: Option<OwnedFd>,
    /// Published ports, in the order of `launch.forwards`.
    pub forwards: Vec<OwnedFd>,
}

/// Sorts them, and holds them against what `launch` announces.
pub fn sort(
    launch: &Launch,
    what: &[Handed],
    descriptors: Vec<OwnedFd>,
) -> Result<Sorted, HandedError> {
    if what.len() != descriptors.len() {
        return Err(HandedError::Count { said: what.len(), came: descriptors.len() });
    }
    let mut sorted = Sorted::default();
    for (kind, descriptor) in what.iter().zip(descriptors) {
        let (place, name) = match kind {
            Handed::NetworkNamespace => (&mut sorted.namespace, "a network namespace"),
            Handed::UserNamespace => (&mut sorted.users, "a user namespace"),
            Handed::PidNamespace => (&mut sorted.joined.pid, "a pid namespace"),
            Handed::IpcNamespace => (&mut sorted.joined.ipc, "an IPC namespace"),
            Handed::UtsNamespace => (&mut sorted.joined.uts, "a UTS namespace"),
            Handed::MountNamespace => (&mut sorted.joined.mount, "a mount namespace"),
            Handed::ResolverDatagram => (&mut sorted.datagram, "a name server's datagram socket"),
            Handed::ResolverStream => (&mut sorted.stream, "a name server's listener"),
            Handed::Forward => {
                sorted.forwards.push(descriptor);
                continue;
            }
        };
        if place.replace(descriptor).is_some() {
            return Err(HandedError::Twice(name));
        }
    }
    if sorted.forwards.len() != launch.forwards.len() {
        let (wanted, came) = (launch.forwards.len(), sorted.forwards.len());
        return Err(HandedError::Forwards { wanted, came });
    }
    let has_sockets = sorted.datagram.is_some() || sorted.stream.is_some();
    if has_sockets != launch.resolver.is_some() {
        return Err(HandedError::Resolver);
    }
    Ok(sorted)
}
