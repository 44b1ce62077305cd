//! `launch.json`: all a monitor needs to know to start a container, again after a reboot too.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::status::Exit;
use crate::time::Timestamp;

/// What to start and what to do with its output and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// [`crate::VERSION`] of the writer.
    pub version: u32,
    /// The container's id.
    pub id: String,
    /// Its namespace (`default`, `k8s.io`, …).
    pub namespace: String,
    /// The data folder, which is also the OCI bundle: `config.json` lies in it.
    pub data: PathBuf,
    /// The state folder: socket, lock, mount point, libcontainer's state.
    pub state: PathBuf,
    /// How the launcher makes the root file system appear at `<state>/rootfs`.
    pub rootfs: Rootfs,
    /// Where output goes beside the sessions that are attached.
    pub log: Log,
    /// Whether the container's standard input stays open while nobody is attached
    /// (docker's `-i`); otherwise it reads end of file once no session feeds it.
    pub open_stdin: bool,
    /// Close standard input for good when the first session that fed it leaves (docker's `StdinOnce`).
    pub stdin_once: bool,
    /// Whether the process has a terminal (also `process.terminal` in the specification).
    pub terminal: bool,
    /// Absolute cgroup path of the monitor itself, below every hierarchy's root.
    pub monitor_cgroup: PathBuf,
    /// When the container is started again after it has ended.
    #[serde(default)]
    pub restart: Restart,
    /// Whether another container's namespaces are joined, which are handed over for one start: by the time a
    /// policy starts this one again that container may have others, so a command looks them up anew.
    #[serde(default)]
    pub joins_another: bool,
    /// How its health is looked after.
    #[serde(default)]
    pub health: Option<Health>,
    /// Where traffic goes that reaches a published port's socket, in the order in which `Run` hands
    /// the sockets over.
    #[serde(default)]
    pub forwards: Vec<Forward>,
    /// What the name server in its network namespace reads; with `Handed::Resolver…` sockets.
    #[serde(default)]
    pub resolver: Option<Resolver>,
    /// Where its events are recorded.
    #[serde(default)]
    pub journal: Option<Journal>,
    /// What the specification mounts from `<state>/parts/<index>`.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// What a start that a restart policy asked for goes on from; `None` for everybody else's.
    #[serde(default)]
    pub again: Option<Again>,
    /// Run after the container has ended for good and its status is written, or after the monitor was
    /// killed: program and arguments, started with no environment. Empty: nothing. Used for whatever needs
    /// the database: `--rm` of a detached container, networks, restart policies.
    pub after_exit: Vec<String>,
}

/// A start by a restart policy after the last monitor was killed: the new one waits as the old one would have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// How often the policy has started it, this time included.
    pub restarts: u32,
    /// Milliseconds to wait before this start.
    pub pause: u64,
    /// Whether that has been waited already.
    #[serde(default)]
    pub has_waited: bool,
    /// When it was last started.
    pub started_at: Option<Timestamp>,
    /// How it last ended.
    pub exit: Option<Exit>,
}

/// A file or folder that the launcher looks up, whatever symlinks say inside of where it belongs, and mounts by
/// descriptor: nobody can move it in between.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Part {
    /// Inside a folder that containers write to.
    Inside {
        /// Absolute.
        folder: PathBuf,
        /// Inside it.
        path: PathBuf,
    },
    /// Inside the file system of an image, which can't be written.
    Image {
        /// The folders of its layers, topmost first; at least one.
        layers: Vec<PathBuf>,
        /// Inside it; empty: all.
        path: PathBuf,
    },
    /// The `/dev/shm` of another container, whose mount namespace is handed over.
    SharedMemory,
}

/// docker's restart policies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "policy")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// After a failure.
    OnFailure {
        /// This often at most; `None`: always.
        max: Option<u32>,
    },
    /// Always, and after a boot.
    Always,
    /// Always; after a boot unless it was stopped by hand before.
    UnlessStopped,
}

/// A health check that is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The process, as of an exec; users already looked up.
    pub process: oci_spec::runtime::Process,
    /// Nanoseconds between checks.
    pub interval: u64,
    /// Nanoseconds that a check may take.
    pub timeout: u64,
    /// Nanoseconds after a start in which failures don't count.
    pub start_period: u64,
    /// Nanoseconds between checks in that time.
    pub start_interval: u64,
    /// Failures in a row before it is unhealthy.
    pub retries: u32,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A published port's socket on the host, and where what arrives at it goes. Almost nothing does: the
/// kernel's rules send it on before. What the rules can't send on (`[::1]`) is carried by the monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Of which protocol.
    pub protocol: Protocol,
    /// The address that the socket is bound to.
    pub host: SocketAddr,
    /// The container's.
    pub target: SocketAddr,
}

/// The name server of a container on networks where containers have names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// A [`crate::resolver::Names`] in JSON, read again whenever it was replaced.
    pub names: PathBuf,
}

/// The record of what happens to containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The file.
    pub path: PathBuf,
    /// What every event of this container says of it: `name`, `image` and its labels.
    pub attributes: BTreeMap<String, String>,
    /// Names of the volumes that it lets go of when it ends.
    #[serde(default)]
    pub volumes: Vec<String>,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Rootfs {
    /// An overlay, mounted by the launcher in its private mount namespace.
    Overlay {
        /// Lower folders, topmost first; at least one.
        lower: Vec<PathBuf>,
        /// The writable layer; `None` makes a read-only overlay.
        upper: Option<PathBuf>,
        /// overlayfs' work folder; on the file system of `upper`.
        work: Option<PathBuf>,
    },
    /// A folder that is there already (`ctr run --rootfs`), bound to the mount point.
    Folder {
        /// Its absolute path.
        path: PathBuf,
    },
}

/// The log of a container's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "driver")]
pub enum Log {
    /// Output goes only to attached sessions.
    None,
    /// docker's json-file: one `{"log":…,"stream":…,"time":…}` a line.
    JsonFile {
        /// The current file; rotated ones get `.1`, `.2`, …
        path: PathBuf,
        /// Rotate before a file grows beyond this many bytes; `None`: never.
        max_size: Option<u64>,
        /// How many files there are at most, the current one included; at least 1.
        max_files: u32,
        /// What stands beside each line, in docker's `attrs`; nothing where it is empty.
        #[serde(default)]
        attributes: BTreeMap<String, String>,
        /// Whether rotated files are packed: they are then called `.1.gz`, `.2.gz`, …
        #[serde(default)]
        compress: bool,
        /// How many bytes of lines may wait for a slow disk before further ones are dropped; `None`: the container
        /// waits for it.
        #[serde(default)]
        max_buffer: Option<u64>,
    },
    /// The CRI log format, rotated by the kubelet.
    Cri {
        /// The file.
        path: PathBuf,
    },
}

/// What follows the name of a rotated log file that is packed.
pub const PACKED: &str = ".gz";

/// The name of [`Origin::field`] (RFC 1952, 2.3.1.1).
const ORIGIN: [u8; 2] = *b"iO";

/// Which file a packed log file was, by which a reader that was reading that one knows it again. Inode numbers
/// alone are soon used anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Its inode number.
    pub inode: u64,
    /// When it was last written to, in nanoseconds since 1970.
    pub written: i64,
}

impl Origin {
    /// The file itself.
    #[must_use]
    pub fn of(file: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let written = file.mtime().wrapping_mul(1_000_000_000).wrapping_add(file.mtime_nsec());
        Self { inode: file.ino(), written }
    }

    /// The extra field of a packed file's header that says so.
    #[must_use]
    pub fn field(self) -> Vec<u8> {
        let (inode, written) = (self.inode.to_le_bytes(), self.written.to_le_bytes());
        [&ORIGIN[..], &16u16.to_le_bytes(), &inode, &written].concat()
    }

    /// What a header's extra field says, if it is [`Origin::field`].
    #[must_use]
    pub fn parse(extra: &[u8]) -> Option<Self> {
        let numbers = extra.strip_prefix(&ORIGIN)?.strip_prefix(&16u16.to_le_bytes())?;
        let (inode, written) = numbers.split_first_chunk()?;
        let (inode, written) = (u64::from_le_bytes(*inode), written.try_into().ok()?);
        Some(Self { inode, written: i64::from_le_bytes(written) })
    }
}
