//! What this machine and this process can give a container.
//!
//! Gathered once and passed in, so that the builder itself reads nothing of the host but
//! the devices it is asked for, and tests can state any machine.

use std::fs;
use std::io;
use std::path::PathBuf;

use oci_spec::runtime::Capability;

use crate::capabilities::CapabilitySet;
use crate::seccomp::Machine;
use crate::ulimit::HardLimits;

/// Why the machine could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file of the kernel cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: &'static str,
        /// What reading it returned.
        source: io::Error,
    },
    /// A file of the kernel does not hold what it should.
    #[error("{path} does not hold {what}")]
    Malformed {
        /// Which.
        path: &'static str,
        /// What was looked for.
        what: &'static str,
    },
}

/// How cgroups are mounted at `/sys/fs/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CgroupLayout {
    /// One hierarchy, version 2.
    V2,
    /// One hierarchy a controller, version 1, perhaps with an empty version 2 beside
    /// ("hybrid"): the mount points, such as `/sys/fs/cgroup/memory`.
    V1(Vec<PathBuf>),
    /// None.
    Absent,
}

/// The facts.
#[derive(Debug, Clone)]
pub struct Host {
    /// What the runtime holds and can hand on, cut to what the kernel knows.
    pub capabilities: CapabilitySet,
    /// Where cgroups are.
    pub cgroups: CgroupLayout,
    /// Whether the kernel counts swap against cgroups.
    pub swap_accounting: bool,
    /// Whether the kernel filters system calls.
    pub seccomp: bool,
    /// Whether the kernel confines by AppArmor profiles.
    pub apparmor: bool,
    /// The AppArmor profile a confined container gets, loaded by the caller; `None`: none.
    pub default_apparmor: Option<String>,
    /// Whether SELinux is on; this crate sets no labels.
    pub selinux: bool,
    /// The architecture of filters.
    pub machine: Machine,
    /// The kernel's version, major and minor.
    pub kernel: (u32, u32),
    /// The runtime's own out-of-memory score adjustment.
    pub oom_score_adj: i32,
    /// The runtime's own hard limits.
    pub limits: HardLimits,
    /// The processors that are online, as in `0-3`; `None` where the kernel does not say.
    pub processors: Option<String>,
    /// The memory nodes that are online, likewise.
    pub memory_nodes: Option<String>,
}

impl Host {
    /// Looks at this machine and process.
    ///
    /// AppArmor's default profile is left out, since loading it is the caller's business.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn detect() -> Result<Self, HostError> {
        let status = read("/proc/self/status")?;
        let last: u32 = number("/proc/sys/kernel/cap_last_cap", "a number")?;
        let bounding = status_field(&status, "CapBnd", 16)?;
        let permitted = status_field(&status, "CapPrm", 16)?;
        let held = CapabilitySet::from_bits(bounding & permitted);
        let cgroups = cgroup_layout(&read("/proc/self/mountinfo")?);
        Ok(Self {
            capabilities: held.intersection(CapabilitySet::up_to(last)),
            swap_accounting: swap_accounting(&cgroups),
            cgroups,
            seccomp: status.lines().any(|line| line.starts_with("Seccomp:")),
            apparmor: fs::read_to_string("/sys/module/apparmor/parameters/enabled")
                .is_ok_and(|text| text.starts_with('Y')),
            default_apparmor: None,
            selinux: fs::metadata("/sys/fs/selinux/enforce").is_ok(),
            machine: Machine::BUILT_FOR,
            kernel: kernel_version()?,
            oom_score_adj: number("/proc/self/oom_score_adj", "a number")?,
            limits: HardLimits::of_this_process(),
            processors: online("/sys/devices/system/cpu/online"),
            memory_nodes: online("/sys/devices/system/node/online"),
        })
    }

    /// How many processors are online; `None` where the kernel does not say.
    #[must_use]
    pub fn online_processors(&self) -> Option<u64> {
        let number = |text: &str| text.parse::<u64>().ok();
        let count = |item: &str| match item.split_once('-') {
            Some((low, high)) => number(high)?.checked_sub(number(low)?)?.checked_add(1),
            None => number(item).map(|_| 1),
        };
        self.processors.as_deref()?.split(',').map(count).sum()
    }

    /// Whether the runtime may raise hard limits and lower out-of-memory scores.
    #[must_use]
    pub fn can_raise_limits(&self) -> bool {
        self.capabilities.contains(Capability::SysResource)
    }
}

/// A list of the kernel's, which a kernel without such parts has not.
fn online(path: &str) -> Option<String> {
    let list = fs::read_to_string(path).ok()?;
    Some(list.trim().to_owned()).filter(|list| !list.is_empty())
}

fn read(path: &'static str) -> Result<String, HostError> {
    fs::read_to_string(path).map_err(|source| HostError::Read { path, source })
}

fn number<T: std::str::FromStr>(path: &'static str, what: &'static str) -> Result<T, HostError> {
    read(path)?.trim().parse().map_err(|_| HostError::Malformed { path, what })
}

fn status_field(status: &str, name: &'static str, radix: u32) -> Result<u64, HostError> {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|value| u64::from_str_radix(value.trim(), radix).ok())
        .ok_or(HostError::Malformed { path: "/proc/self/status", what: name })
}

fn kernel_version() -> Result<(u32, u32), HostError> {
    let path = "/proc/sys/kernel/osrelease";
    let release = read(path)?;
    let mut words = release.trim().split(|c: char| !c.is_ascii_digit());
    let mut next = || words.next().and_then(|word| word.parse().ok());
    next().zip(next()).ok_or(HostError::Malformed { path, what: "a version" })
}

/// The layout from `/proc/self/mountinfo` (proc(5)).
fn cgroup_layout(mountinfo: &str) -> CgroupLayout {
    let mut controllers = Vec::new();
    let mut unified = false;
    for line in mountinfo.lines() {
        let Some((head, tail)) = line.split_once(" - ") else { continue };
        let Some(place) = head.split(' ').nth(4) else { continue };
        match tail.split(' ').next() {
            Some("cgroup2") if place == "/sys/fs/cgroup" => unified = true,
            Some("cgroup") if place.starts_with("/sys/fs/cgroup/") => {
                controllers.push(PathBuf::from(place));
            }
            _ => {}
        }
    }
    match (unified, controllers.is_empty()) {
        (true, _) => CgroupLayout::V2,
        (false, false) => CgroupLayout::V1(controllers),
        (false, true) => CgroupLayout::Absent,
    }
}

fn swap_accounting(layout: &CgroupLayout) -> bool {
    match layout {
        CgroupLayout::V1(_) => {
            fs::metadata("/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes").is_ok()
        }
        // The root cgroup has no such file; a kernel with swap has it everywhere else.
        CgroupLayout::V2 => fs::metadata("/proc/swaps").is_ok(),
        CgroupLayout::Absent => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cgroup_layouts_are_told_apart() {
        let v2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup_layout(v2), CgroupLayout::V2);
        let hybrid = "\
            30 24 0:26 / /sys/fs/cgroup rw shared:9 - tmpfs tmpfs rw\n\
            31 30 0:27 / /sys/fs/cgroup/memory rw,relatime shared:10 - cgroup cgroup rw,memory\n\
            32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
            34 30 0:30 / /elsewhere rw - cgroup cgroup rw,pids\n";
        assert_eq!(
            cgroup_layout(hybrid),
            CgroupLayout::V1(vec![
                "/sys/fs/cgroup/memory".into(),
                "/sys/fs/cgroup/cpu,cpuacct".into()
            ])
        );
        assert_eq!(cgroup_layout("garbage\n"), CgroupLayout::Absent);
    }

    #[test]
    fn processors_are_counted_from_the_kernels_list() {
        let count = |list: &str| {
            Host { processors: Some(list.to_owned()), ..crate::testing::host() }.online_processors()
        };
        assert_eq!(count("0"), Some(1));
        assert_eq!(count("0-3,7,9-10"), Some(7));
        assert_eq!(count("all"), None);
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let host = Host::detect().unwrap();
        assert!(host.kernel >= (4, 0));
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let held = status_field(&status, "CapPrm", 16).unwrap();
        assert_eq!(host.capabilities.bits() & !held, 0);
    }
}
