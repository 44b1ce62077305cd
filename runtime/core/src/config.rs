//! Where an instance lives and what it starts.

use std::path::PathBuf;

/// One instance of the runtime; several live side by side with folders of their own.
#[derive(Debug, Clone)]
pub struct Config {
    /// Data that outlives a boot: blobs, layers, containers, the database.
    pub root: PathBuf,
    /// What belongs to this boot: sockets, locks, mount points. Best on a tmpfs.
    pub state: PathBuf,
    /// The cgroup below which everything of this instance runs, absolute, in every hierarchy.
    pub cgroup_parent: String,
    /// Who makes the cgroups of new containers.
    pub cgroup_manager: CgroupManager,
    /// The monitor's binary.
    pub monitor: MonitorProgram,
    /// Program and first arguments that start this product again for the same instance;
    /// a monitor calls it for the clean-up that needs the database. Empty: never.
    pub program: Vec<String>,
}

/// Who makes a container's cgroup. A container keeps the one that it was created with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CgroupManager {
    /// We, in the kernel's files.
    #[default]
    Cgroupfs,
    /// systemd: a scope a container, `isopod-<id>.scope`.
    Systemd,
}

impl CgroupManager {
    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cgroupfs => "cgroupfs",
            Self::Systemd => "systemd",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Cgroupfs, Self::Systemd].into_iter().find(|manager| manager.name() == name)
    }
}

/// Where the monitor's binary comes from.
#[derive(Debug, Clone)]
pub enum MonitorProgram {
    /// Carried inside the calling program; written once to `<root>/bin/<sha256>/`.
    Embedded {
        /// The ELF file.
        bytes: &'static [u8],
        /// Its SHA-256 in lower-case hex, computed when it was built in.
        sha256: &'static str,
    },
    /// A file, for embedders and tests.
    File(PathBuf),
}
