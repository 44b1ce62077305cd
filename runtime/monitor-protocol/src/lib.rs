//! What monitors and their clients say to each other.
//!
//! - [`launch`]: the file a monitor is started with;
//! - [`filter`]: the system call filter, ready for the kernel;
//! - [`status`]: the file it keeps, which commands read without asking it;
//! - [`policy`]: whether a container that has ended is started again;
//! - [`message`]: requests, replies and events on its socket;
//! - [`journal`]: the record of what happens to containers;
//! - [`resolver`]: what a container's name server answers;
//! - [`frame`]: how a message and its descriptors travel;
//! - [`client`]: starting a monitor, reaching one, asking.
//!
//! Everything here carries [`VERSION`]: a later release must drive a container that
//! this one started. A field may be added with a default; a changed meaning is a new version.

pub mod client;
pub mod filter;
pub mod frame;
pub mod journal;
pub mod launch;
pub mod message;
pub mod policy;
pub mod resolver;
pub mod status;
pub mod time;

/// The version of the files and messages in this crate.
pub const VERSION: u32 = 1;

/// File names inside a container's data folder (`<root>/containers/<namespace>/<id>`).
pub mod data {
    /// The OCI runtime specification, written before every start.
    pub const SPEC: &str = "config.json";
    /// [`crate::filter::Filter`], written with [`SPEC`]; absent where that has no `linux.seccomp`.
    pub const FILTER: &str = "seccomp.bpf";
    /// [`crate::launch::Launch`].
    pub const LAUNCH: &str = "launch.json";
    /// [`crate::status::Status`].
    pub const STATUS: &str = "status.json";
    /// In debug builds, where a test wants the monitor killed; without an environment it would not know.
    pub const STEPS: &str = "steps";
}

/// File names inside a container's state folder (`<state>/containers/<namespace>/<id>`).
pub mod state {
    /// The control socket, mode 0600.
    pub const SOCKET: &str = "monitor.sock";
    /// Locked (`flock`) by the monitor for as long as it lives.
    pub const LOCK: &str = "monitor.lock";
    /// The folder over which the launcher mounts the root file system, in its own mount namespace.
    pub const ROOTFS: &str = "rootfs";
    /// The folder in which the launcher shows [`crate::launch::Part`]s, numbered from 0, in its own mount
    /// namespace.
    pub const PARTS: &str = "parts";
    /// The folder with the document that libcontainer reads in the place of `config.json`.
    pub const BUNDLE: &str = "bundle";
    /// libcontainer's own state.
    pub const OCI: &str = "oci";
    /// The path by which `config.json` names the network namespace that `Run` hands over
    /// ([`crate::message::Handed::NetworkNamespace`]): `linux.namespaces` has
    /// `{"type": "network", "path": "<state>/netns"}`. There is no such file: the launcher puts the
    /// descriptor in its place.
    pub const NETWORK_NAMESPACE: &str = "netns";
    /// As [`NETWORK_NAMESPACE`] for the pid namespace of another container.
    pub const PID_NAMESPACE: &str = "pidns";
    /// As [`NETWORK_NAMESPACE`] for the IPC namespace of another container.
    pub const IPC_NAMESPACE: &str = "ipcns";
    /// As [`NETWORK_NAMESPACE`] for the UTS namespace of another container.
    pub const UTS_NAMESPACE: &str = "utsns";
    /// As [`NETWORK_NAMESPACE`] for the user namespace that the container is to live in. With it all files that
    /// it is shown have the ids that they have on the disk, as ids of that namespace.
    pub const USER_NAMESPACE: &str = "userns";
    /// [`crate::resolver::Names`].
    pub const RESOLVER: &str = "resolver.json";
}
