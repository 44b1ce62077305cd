//! What was asked for when a container was created, as it is kept.
//!
//! Values are in the words of the command lines (`nofile=1024:2048`, `512m` already as bytes): they
//! are checked when the container is created and read again at every start, as docker does, so that a changed
//! `/etc/passwd` in the image's root is seen. Unknown fields are refused: a newer release wrote them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

pub use isopod_monitor_protocol::launch::{Protocol, Restart};

use serde::{Deserialize, Serialize};

use super::LogAttributes;

/// Whose habits a container follows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// docker's: generated hosts, hostname and resolv.conf, image volumes, `--entrypoint` beside a command.
    #[default]
    Docker,
    /// ctr's: none of these; a command replaces the whole of the image's.
    Ctr,
}

/// Everything about a container but its name, image and log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whose habits.
    pub profile: Profile,
    /// Replaces the image's entrypoint (and drops its command); empty: none at all.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's command, for `ctr` entrypoint and all.
    pub command: Vec<String>,
    /// `KEY=value`, or `KEY` to remove one of the image's.
    pub env: Vec<String>,
    /// Replaces the image's working folder.
    pub working_dir: Option<String>,
    /// `user[:group]`, names or numbers; replaces the image's.
    pub user: Option<String>,
    /// Further groups, names or numbers.
    pub group_add: Vec<String>,
    /// Whether the process has a terminal.
    pub terminal: bool,
    /// Whether standard input stays open while nobody is attached.
    pub open_stdin: bool,
    /// Whether it closes when the first session that fed it leaves.
    pub stdin_once: bool,
    /// The hostname; default: the id's first 12 characters, or the host's own with its UTS namespace.
    pub hostname: Option<String>,
    /// The NIS domain name.
    pub domainname: Option<String>,
    /// All capabilities and devices, no seccomp, nothing masked.
    pub privileged: bool,
    /// `no_new_privs`.
    pub no_new_privileges: bool,
    /// Capabilities beside the default ones, or `ALL`.
    pub cap_add: Vec<String>,
    /// Default capabilities to go without, or `ALL`.
    pub cap_drop: Vec<String>,
    /// System call filter.
    pub seccomp: Seccomp,
    /// AppArmor profile.
    pub apparmor: AppArmor,
    /// Leave `/proc` and `/sys` paths unmasked and writable.
    pub unconfined_paths: bool,
    /// A root file system that can't be written.
    pub read_only: bool,
    /// Beside what every container has.
    pub mounts: Vec<Mount>,
    /// Containers whose volumes and binds it got when it was created, `CONTAINER[:ro|rw]` each.
    pub volumes_from: Vec<String>,
    /// Whose `/dev/shm` is, where the IPC namespace is its own.
    pub shared_memory: SharedMemory,
    /// Bytes of `/dev/shm`; default 64 MiB.
    pub shm_size: Option<u64>,
    /// `host[:container[:rwm]]`.
    pub devices: Vec<String>,
    /// Limits of its cgroup.
    pub resources: Resources,
    /// `name=soft[:hard]`.
    pub ulimits: Vec<String>,
    /// `name=value`.
    pub sysctls: Vec<String>,
    /// Which namespaces it shares.
    pub namespaces: Namespaces,
    /// Whose users its own are.
    pub users: Users,
    /// How it is connected.
    pub network: Network,
    /// Ports of the host that lead to it; ranges are one entry a port.
    pub publish: Vec<Publish>,
    /// Publish every exposed port on a free one of the host.
    pub publish_all: bool,
    /// Ports that it listens on, beside those that the image names.
    pub expose: Vec<Port>,
    /// Name servers instead of the host's.
    pub dns: Vec<IpAddr>,
    /// Search domains instead of the host's; a single `.`: none.
    pub dns_search: Vec<String>,
    /// Options of resolv.conf(5) instead of the host's.
    pub dns_options: Vec<String>,
    /// Lines of its `/etc/hosts`.
    pub extra_hosts: Vec<ExtraHost>,
    /// When it is started again.
    pub restart: Restart,
    /// How its health is looked after; replaces the image's where it says so.
    pub health: HealthSettings,
    /// Run a small init as its first process, which reaps and passes signals on (docker's `--init`).
    pub init: bool,
    /// The first process's out-of-memory score, -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Annotations of the OCI specification.
    pub annotations: BTreeMap<String, String>,
    /// Replaces the image's stop signal.
    pub stop_signal: Option<String>,
    /// Seconds between the stop signal and SIGKILL; default 10; -1: it is never killed.
    pub stop_timeout: Option<i64>,
    /// Propagation of the root mount: `private`, `slave`, `shared`, each with `r` before it.
    pub rootfs_propagation: Option<String>,
    /// The cgroup below which its own lies; absolute.
    pub cgroup_parent: Option<String>,
}

/// Which system calls are allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "profile")]
pub enum Seccomp {
    /// The built-in profile.
    #[default]
    Default,
    /// All.
    Unconfined,
    /// Those of this profile, JSON in docker's format.
    Profile(String),
}

/// Which AppArmor profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "name")]
pub enum AppArmor {
    /// The built-in one where the kernel has AppArmor.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// One that the kernel has loaded.
    Named(String),
}

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Mount {
    /// A file or folder of the host.
    Bind {
        /// Absolute.
        source: PathBuf,
        /// Absolute, in the container.
        destination: String,
        /// Options of mount(8), such as `ro` or `rslave`; `rbind` is implied.
        options: Vec<String>,
        /// Make a missing source as a folder (docker's `-v`; `--mount` refuses).
        create_source: bool,
    },
    /// A volume.
    Volume {
        /// Its name; `None` makes an anonymous one.
        name: Option<String>,
        /// Absolute, in the container.
        destination: String,
        /// Options of mount(8).
        options: Vec<String>,
        /// Don't copy the image's content in at the first use.
        no_copy: bool,
        /// A folder inside it, which must be there when the container starts; empty: all.
        #[serde(default)]
        subpath: String,
        /// Labels of the volume, should it be made for this.
        #[serde(default)]
        labels: BTreeMap<String, String>,
        /// What its driver is told, should it be made for this.
        #[serde(default)]
        driver_options: BTreeMap<String, String>,
    },
    /// An image's file system, read-only.
    Image {
        /// The image's name; resolved and kept from the collector when the container is created.
        source: String,
        /// A file or folder inside it; empty: all.
        subpath: String,
        /// Absolute, in the container.
        destination: String,
        /// Options of mount(8).
        options: Vec<String>,
    },
    /// Memory.
    Tmpfs {
        /// Absolute, in the container.
        destination: String,
        /// Options of mount(8), such as `size=64m`.
        options: Vec<String>,
    },
    /// Any other type, as `ctr --mount type=…` gives it.
    Other {
        /// `proc`, `sysfs`, …
        fs_type: String,
        /// The device or name.
        source: String,
        /// Absolute, in the container.
        destination: String,
        /// Options of mount(8).
        options: Vec<String>,
    },
}

impl Mount {
    /// Where it appears.
    #[must_use]
    pub fn destination(&self) -> &str {
        match self {
            Self::Bind { destination, .. }
            | Self::Volume { destination, .. }
            | Self::Image { destination, .. }
            | Self::Tmpfs { destination, .. }
            | Self::Other { destination, .. } => destination,
        }
    }
}

/// Limits; `None` leaves the kernel's default. Sizes in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resources {
    /// Memory.
    pub memory: Option<i64>,
    /// Memory and swap together; -1: unlimited swap.
    pub memory_swap: Option<i64>,
    /// Memory below which reclaim starts late.
    pub memory_reservation: Option<i64>,
    /// 0 to 100; cgroup v1 only.
    pub memory_swappiness: Option<u64>,
    /// CPUs × 10⁹, docker's `--cpus`.
    pub nano_cpus: Option<u64>,
    /// Relative weight, 2 to 262144.
    pub cpu_shares: Option<u64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// Microseconds in a period.
    pub cpu_quota: Option<i64>,
    /// As in `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes, likewise.
    pub cpuset_mems: Option<String>,
    /// Tasks; -1 or 0: unlimited.
    pub pids_limit: Option<i64>,
    /// 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// Rules such as `c 1:3 rwm`.
    pub device_cgroup_rules: Vec<String>,
    /// Don't kill on out of memory; cgroup v1 only.
    pub oom_kill_disable: bool,
    /// cgroup v2 files and their values.
    pub unified: BTreeMap<String, String>,
}

/// Whose namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "path")]
pub enum Namespace {
    /// One of its own.
    #[default]
    Private,
    /// The host's.
    Host,
    /// The one that this path names.
    Path(PathBuf),
    /// That of the container with this id, which must run when this one starts.
    Container(String),
}

/// What becomes of the IPC namespace and the `/dev/shm` that a container has of its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SharedMemory {
    /// They are its own.
    #[default]
    Private,
    /// Other containers may join them.
    Shareable,
    /// There is no `/dev/shm`.
    None,
}

/// The namespaces that can be shared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Namespaces {
    /// Process ids.
    pub pid: Namespace,
    /// System V IPC, POSIX queues, `/dev/shm`.
    pub ipc: Namespace,
    /// Hostname.
    pub uts: Namespace,
    /// The view of cgroups.
    pub cgroup: Namespace,
}

/// Whose user namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub enum Users {
    /// The host's: root is the host's, with fewer capabilities.
    #[default]
    Host,
    /// One of its own with ids that no other container has, chosen when it is created.
    Auto {
        /// How many ids; default 65536.
        size: Option<u32>,
    },
    /// One of its own with these ids.
    Mapped(UserNamespace),
}

/// A user namespace with one range of users and one of groups, each from 0 up inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserNamespace {
    /// The host's user that root is, above 0.
    pub uid: u32,
    /// The host's group that root's is, above 0.
    pub gid: u32,
    /// How many users and groups there are.
    pub size: u32,
}

/// How a container is connected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "value")]
pub enum Network {
    /// A network namespace with nothing but a loopback device.
    #[default]
    None,
    /// The host's.
    Host,
    /// The network namespace that this path names.
    Namespace(PathBuf),
    /// The network namespace of the container with this id, which must run when this one starts.
    Container(String),
    /// A network namespace on these networks, one device each; at least one.
    Networks(Vec<Attachment>),
}

/// A container's place on a network, as it was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attachment {
    /// The network's name or id.
    pub network: String,
    /// Names beside the container's own, on this network.
    pub aliases: Vec<String>,
    /// A fixed address.
    pub ip: Option<Ipv4Addr>,
    /// A fixed address.
    pub ip6: Option<Ipv6Addr>,
    /// A fixed hardware address, as in `02:42:ac:11:00:02`.
    pub mac: Option<String>,
    /// The greatest gives the default route; among equals the first.
    pub gateway_priority: i64,
    /// It is being taken off this network: whoever was killed at it has left this, and no start puts it there again.
    pub leaving: bool,
}

/// A port of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// 1 to 65535.
    pub port: u16,
    /// Of which protocol.
    pub protocol: Protocol,
}

/// A port of the host that leads to one of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The host's address; `None`: all, IPv4 and IPv6.
    pub host_ip: Option<IpAddr>,
    /// The host's port; `None`: a free one, looked for at each start.
    pub host_port: Option<u16>,
    /// The last of the host's ports of which the first free one is taken; `None`: there is no choice.
    #[serde(default)]
    pub host_port_end: Option<u16>,
    /// The container's.
    pub container: Port,
}

/// A line of `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Its address; `None`: the host's on the container's first network (docker's `host-gateway`).
    pub ip: Option<IpAddr>,
}

/// docker's `--health-…` and `--no-healthcheck`: what is set replaces the image's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthSettings {
    /// No checks, whatever the image says.
    pub disabled: bool,
    /// `CMD` or `CMD-SHELL` and its words, as in the image's configuration.
    pub test: Option<Vec<String>>,
    /// Nanoseconds between checks.
    pub interval: Option<u64>,
    /// Nanoseconds that a check may take.
    pub timeout: Option<u64>,
    /// Nanoseconds after a start in which failures don't count.
    pub start_period: Option<u64>,
    /// Nanoseconds between checks in that time.
    pub start_interval: Option<u64>,
    /// Failures in a row before it is unhealthy.
    pub retries: Option<u32>,
}

/// Where output is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "driver", deny_unknown_fields)]
pub enum LogConfig {
    /// Nowhere.
    None,
    /// docker's json-file.
    JsonFile {
        /// Bytes before a file is rotated.
        max_size: Option<u64>,
        /// Files, the current one included.
        max_files: u32,
        /// What stands beside each line.
        #[serde(default, skip_serializing_if = "LogAttributes::is_empty")]
        attributes: LogAttributes,
        /// How it is written.
        #[serde(default, skip_serializing_if = "LogWriting::is_usual")]
        writing: LogWriting,
    },
    /// docker's `local`: rotated by default, and meant to be read by `logs` alone.
    Local {
        /// Bytes before a file is rotated.
        max_size: u64,
        /// Files, the current one included.
        max_files: u32,
        /// How it is written.
        #[serde(default, skip_serializing_if = "LogWriting::is_usual")]
        writing: LogWriting,
    },
}

/// How a log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LogWriting {
    /// Rotated files are compressed.
    #[serde(default)]
    pub compress: bool,
    /// Bytes that may wait for a slow disk before lines are dropped; `None`: the container waits for it.
    #[serde(default)]
    pub max_buffer: Option<u64>,
}

impl LogWriting {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self::JsonFile {
            max_size: None,
            max_files: 1,
            attributes: LogAttributes::default(),
            writing: LogWriting::default(),
        }
    }
}
