//! The mounts every container has.

use std::path::Path;

use oci_spec::runtime::Mount as OciMount;

use super::oci;
use crate::host::CgroupLayout;
use crate::namespaces::Namespace;
use crate::request::{Profile, SharedMemory};

/// Where a container sees its cgroup.
pub(crate) const CGROUP: &str = "/sys/fs/cgroup";

/// The size of `/dev/shm` unless told otherwise, bytes.
const SHM_SIZE: u64 = 64 << 20;

/// What the default mounts depend on.
#[derive(Debug)]
pub struct DefaultMounts<'a> {
    /// Whose containers these should look like.
    pub profile: Profile,
    /// sysfs and cgroups can be written to.
    pub privileged: bool,
    /// With the host's, its shared memory is bound instead.
    pub ipc: &'a Namespace,
    /// What lies at `/dev/shm`.
    pub shared_memory: &'a SharedMemory,
    /// None are mounted where there are none.
    pub cgroups: &'a CgroupLayout,
    /// Bytes.
    pub shm_size: Option<u64>,
}

/// The mounts, each after the folder it lies in.
///
/// sysfs shows the network namespace of whoever mounts it: with the host's network the
/// host's devices, which takes privileges the runtime has as root and a user namespace
/// would take away.
pub(crate) fn defaults(facts: &DefaultMounts<'_>) -> Vec<OciMount> {
    let hidden = ["nosuid", "noexec", "nodev"];
    let access = if facts.privileged { "rw" } else { "ro" };
    let shm_size = format!("size={}", facts.shm_size.unwrap_or(SHM_SIZE));
    let mut mounts = vec![
        mount("/proc", "proc", "proc", &hidden),
        mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
        ),
        mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", access]),
    ];
    // mqueue shows the IPC namespace of whoever mounts it; shared memory is only a folder.
    mounts.push(mount("/dev/mqueue", "mqueue", "mqueue", &hidden));
    let bound = ["rbind", "nosuid", "noexec", "nodev"];
    match (facts.shared_memory, facts.ipc) {
        (SharedMemory::Absent, _) => {}
        (SharedMemory::Bound(source), _) => {
            let options: Vec<String> = bound.iter().map(|option| (*option).to_owned()).collect();
            mounts.push(oci(Path::new("/dev/shm"), "bind", source, &options));
        }
        (SharedMemory::Usual, Namespace::Host) => {
            mounts.push(mount("/dev/shm", "bind", "/dev/shm", &bound));
        }
        (SharedMemory::Usual, _) => {
            let options = ["nosuid", "noexec", "nodev", "mode=1777", &shm_size];
            mounts.push(mount("/dev/shm", "tmpfs", "shm", &options));
        }
    }
    match facts.profile {
        Profile::Docker if *facts.cgroups != CgroupLayout::Absent => {
            mounts.push(mount(
                CGROUP,
                "cgroup",
                "cgroup",
                &["nosuid", "noexec", "nodev", "relatime", access],
            ));
        }
        Profile::Docker => {}
        Profile::Ctr => {
            let options = ["nosuid", "strictatime", "mode=755", "size=65536k"];
            mounts.push(mount("/run", "tmpfs", "tmpfs", &options));
        }
    }
    mounts
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> OciMount {
    let options: Vec<String> = options.iter().map(|option| (*option).to_owned()).collect();
    oci(Path::new(destination), kind, Path::new(source), &options)
}
