//! What a container is asked to be.

use std::path::PathBuf;

use isopod_image::config::ContainerConfig;
use isopod_sys::root::Root;
use oci_spec::runtime::LinuxDeviceCgroup;

use crate::devices::DeviceRequest;
use crate::host::Host;
use crate::mounts::Mount;
use crate::namespaces::Namespaces;
use crate::paths::SystemPaths;
use crate::resources::Resources;
use crate::seccomp::Seccomp;
use crate::ulimit::Ulimit;

/// Whose containers this one should look like, where the tools differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Arguments follow the entry point; HOSTNAME is set; the cgroup is mounted; ports below
    /// 1024 and ping need no capability in a network namespace of the container's own.
    Docker,
    /// Arguments replace entry point and command; `/run` is a tmpfs; 1024 open files.
    Ctr,
}

/// The process, as far as a request changes what the image says.
#[derive(Debug, Clone, Default)]
pub struct ProcessRequest {
    /// Replaces the image's entry point and drops its command; empty for none at all.
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's command, with [`Profile::Ctr`] its entry point too.
    pub args: Vec<String>,
    /// `NAME=value` sets, a bare `NAME` removes.
    pub env: Vec<String>,
    /// Where it starts; absolute.
    pub cwd: Option<PathBuf>,
    /// `user[:group]`, names or numbers.
    pub user: Option<String>,
    /// Names or numbers.
    pub group_add: Vec<String>,
    /// On a terminal of its own.
    pub terminal: bool,
}

/// Which AppArmor profile a container runs under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum AppArmor {
    /// [`Host::default_apparmor`], where there is one.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// One that is loaded.
    Named(String),
}

/// How far a container is confined.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// All capabilities and devices, no filter, nothing masked.
    pub privileged: bool,
    /// Names, with or without `CAP_`, or `ALL`.
    pub cap_add: Vec<String>,
    /// Names, with or without `CAP_`, or `ALL`.
    pub cap_drop: Vec<String>,
    /// execve(2) grants nothing.
    pub no_new_privileges: bool,
    /// The system call filter.
    pub seccomp: Seccomp,
    /// The AppArmor profile.
    pub apparmor: AppArmor,
    /// What of the kernel's paths is hidden.
    pub system_paths: SystemPaths,
}

/// Everything a specification is built from.
#[derive(Debug)]
pub struct SpecRequest<'a> {
    /// What the image says; the default for a bare root file system.
    pub image: &'a ContainerConfig,
    /// The root file system, for looking up users; only read.
    pub root: &'a Root,
    /// What the machine can give.
    pub host: &'a Host,
    /// Whose containers this one should look like.
    pub profile: Profile,
    /// The root file system's path, absolute or relative to the bundle.
    pub rootfs: PathBuf,
    /// Nothing of it can be written.
    pub read_only_rootfs: bool,
    /// The process.
    pub process: ProcessRequest,
    /// How far it is confined.
    pub security: Security,
    /// Which namespaces are its own.
    pub namespaces: Namespaces,
    /// Needs a UTS namespace of its own.
    pub hostname: Option<String>,
    /// Needs a UTS namespace of its own.
    pub domainname: Option<String>,
    /// Generated files, source and destination; a mount on the same place replaces one.
    pub files: Vec<(PathBuf, PathBuf)>,
    /// Further mounts; volumes are binds by now.
    pub mounts: Vec<Mount>,
    /// What lies at `/dev/shm`.
    pub shared_memory: SharedMemory,
    /// The size of `/dev/shm`, bytes.
    pub shm_size: Option<u64>,
    /// Devices of the host.
    pub devices: Vec<DeviceRequest>,
    /// Rules beside those of the devices.
    pub device_cgroup_rules: Vec<LinuxDeviceCgroup>,
    /// Limits of its cgroup.
    pub resources: Resources,
    /// Limits of its process.
    pub ulimits: Vec<Ulimit>,
    /// Kernel parameters of its namespaces, name and value.
    pub sysctls: Vec<(String, String)>,
    /// -1000 to 1000.
    pub oom_score_adj: Option<i32>,
    /// Its cgroup; an absolute path below the mount points of the hierarchies.
    pub cgroups_path: Option<PathBuf>,
    /// Notes for hooks and inspectors.
    pub annotations: Vec<(String, String)>,
}

/// What lies at a container's `/dev/shm`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SharedMemory {
    /// Memory of its own, or with the host's IPC namespace the host's.
    #[default]
    Usual,
    /// Nothing.
    Absent,
    /// What this path shows.
    Bound(PathBuf),
}

impl<'a> SpecRequest<'a> {
    /// A confined container of `image` in `rootfs`, with everything else as usual.
    pub fn new(
        image: &'a ContainerConfig,
        root: &'a Root,
        rootfs: impl Into<PathBuf>,
        host: &'a Host,
        profile: Profile,
    ) -> Self {
        Self {
            image,
            root,
            host,
            profile,
            rootfs: rootfs.into(),
            read_only_rootfs: false,
            process: ProcessRequest::default(),
            security: Security::default(),
            namespaces: Namespaces::default(),
            hostname: None,
            domainname: None,
            files: Vec::new(),
            mounts: Vec::new(),
            shared_memory: SharedMemory::Usual,
            shm_size: None,
            devices: Vec::new(),
            device_cgroup_rules: Vec::new(),
            resources: Resources::default(),
            ulimits: Vec::new(),
            sysctls: Vec::new(),
            oom_score_adj: None,
            cgroups_path: None,
            annotations: Vec::new(),
        }
    }
}
