//! Limits a cgroup enforces, as requests give them and a specification carries them
//! (runtime-spec, config-linux.md, "Control groups").

use oci_spec::runtime::{
    LinuxBlockIoBuilder, LinuxCpuBuilder, LinuxDeviceCgroup, LinuxHugepageLimitBuilder,
    LinuxMemoryBuilder, LinuxPidsBuilder, LinuxResources, LinuxResourcesBuilder,
};

use crate::host::{CgroupLayout, Host};

/// The least memory a process can be started in, bytes: docker's limit.
pub const LEAST_MEMORY: u64 = 6 << 20;

/// The period a number of processors is spread over, microseconds.
const CPU_PERIOD: u64 = 100_000;

/// Why a limit is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ResourceError {
    /// Nothing starts in less.
    #[error("memory limit of {0} bytes is below the least of {LEAST_MEMORY}")]
    LittleMemory(u64),
    /// One limit contradicts another.
    #[error("{what} of {value} is {relation} {other_what} of {other}")]
    Contradiction {
        /// The limit at fault.
        what: &'static str,
        /// As asked for.
        value: u64,
        /// `above` or `below`.
        relation: &'static str,
        /// The other limit.
        other_what: &'static str,
        /// As asked for.
        other: u64,
    },
    /// A swap limit says memory and swap together.
    #[error("a limit of memory and swap together needs a memory limit")]
    SwapWithoutMemory,
    /// The kernel does not count it.
    #[error("{0} is not something this machine's cgroups can limit")]
    Unsupported(&'static str),
    /// Outside what the kernel takes.
    #[error("{what} of {value} is outside {range}")]
    Range {
        /// The limit.
        what: &'static str,
        /// As asked for.
        value: u64,
        /// What would be taken.
        range: &'static str,
    },
    /// Two ways of saying the same.
    #[error("a number of processors excludes a quota and a period")]
    CpusAndQuota,
    /// Not a list of numbers and ranges.
    #[error("{0:?} is not a list like 0-3,7")]
    List(String),
    /// Not all of a list can be used.
    #[error("{what} {asked} are not all there: this machine has {online}")]
    Offline {
        /// What is listed.
        what: &'static str,
        /// As asked for.
        asked: String,
        /// Those that are online.
        online: String,
    },
    /// Not a page size.
    #[error("{0:?} is no huge page size like 2MB")]
    PageSize(String),
    /// Not `controller.file`, or one that moves processes.
    #[error("{0:?} is no limit of a cgroup v2 controller")]
    Unified(String),
}

/// The swap limit of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Swap {
    /// As much swap as memory, as docker has it; none said to `ctr`.
    #[default]
    Default,
    /// No limit.
    Unlimited,
    /// Memory and swap together, bytes.
    Total(u64),
}

/// Limits; what is `None` is not limited.
#[derive(Debug, Clone, Default)]
pub struct Resources {
    /// Bytes.
    pub memory: Option<u64>,
    /// Memory and swap.
    pub memory_swap: Swap,
    /// The soft limit, bytes.
    pub memory_reservation: Option<u64>,
    /// 0 to 100; cgroup v1 only.
    pub memory_swappiness: Option<u64>,
    /// Processes wait for memory instead of being killed; cgroup v1 only.
    pub oom_kill_disable: bool,
    /// Billionths of a processor.
    pub nano_cpus: Option<u64>,
    /// Relative weight, 2 to 262144.
    pub cpu_shares: Option<u64>,
    /// Microseconds.
    pub cpu_period: Option<u64>,
    /// Microseconds of each period; -1 is unlimited.
    pub cpu_quota: Option<i64>,
    /// A list like `0-3,7`.
    pub cpuset_cpus: Option<String>,
    /// A list like `0`.
    pub cpuset_mems: Option<String>,
    /// Tasks; zero and less are unlimited.
    pub pids_limit: Option<i64>,
    /// Relative weight of block I/O, 10 to 1000.
    pub blkio_weight: Option<u16>,
    /// Page size (`2MB`, `1GB`) and bytes.
    pub hugetlb: Vec<(String, u64)>,
    /// Files of cgroup v2 controllers and what to write; cgroup v2 only.
    pub unified: Vec<(String, String)>,
}

impl Resources {
    /// The document's form, with `devices` as the rules of the device controller.
    ///
    /// # Errors
    /// See [`ResourceError`].
    pub fn to_oci(
        &self,
        devices: Vec<LinuxDeviceCgroup>,
        host: &Host,
    ) -> Result<LinuxResources, ResourceError> {
        let mut resources = LinuxResourcesBuilder::default().devices(devices);
        if let Some(memory) = self.memory_to_oci(host)? {
            resources = resources.memory(memory);
        }
        if let Some(cpu) = self.cpu_to_oci(host)? {
            resources = resources.cpu(cpu);
        }
        if let Some(limit) = self.pids_limit {
            let limit = if limit > 0 { limit } else { -1 };
            let pids = LinuxPidsBuilder::default().limit(limit).build();
            resources = resources.pids(pids.expect(UNREQUIRED));
        }
        if let Some(weight) = self.blkio_weight.filter(|weight| *weight != 0) {
            check_range("block I/O weight", weight.into(), 10..=1000, "10 to 1000")?;
            let block_io = LinuxBlockIoBuilder::default().weight(weight).build();
            resources = resources.block_io(block_io.expect(UNREQUIRED));
        }
        if !self.hugetlb.is_empty() {
            let limits: Result<Vec<_>, _> =
                self.hugetlb.iter().map(|(size, limit)| huge_pages(size, *limit)).collect();
            resources = resources.hugepage_limits(limits?);
        }
        if !self.unified.is_empty() {
            if host.cgroups != CgroupLayout::V2 {
                return Err(ResourceError::Unsupported("a file of cgroup v2"));
            }
            for (key, value) in &self.unified {
                check_unified(key, value)?;
            }
            let unified: std::collections::HashMap<_, _> = self.unified.iter().cloned().collect();
            resources = resources.unified(unified);
        }
        Ok(resources.build().expect(UNREQUIRED))
    }

    fn memory_to_oci(
        &self,
        host: &Host,
    ) -> Result<Option<oci_spec::runtime::LinuxMemory>, ResourceError> {
        let mut memory = LinuxMemoryBuilder::default();
        let mut any = false;
        if let Some(limit) = self.memory {
            if limit < LEAST_MEMORY {
                return Err(ResourceError::LittleMemory(limit));
            }
            memory = memory.limit(signed("memory limit", limit)?);
            any = true;
        }
        if let Some(swap) = self.swap_total(host)? {
            memory = memory.swap(swap);
            any = true;
        }
        if let Some(reservation) = self.memory_reservation.filter(|bytes| *bytes != 0) {
            if let Some(limit) = self.memory.filter(|limit| reservation > *limit) {
                return Err(ResourceError::Contradiction {
                    what: "memory reservation",
                    value: reservation,
                    relation: "above",
                    other_what: "the memory limit",
                    other: limit,
                });
            }
            memory = memory.reservation(signed("memory reservation", reservation)?);
            any = true;
        }
        if let Some(swappiness) = self.memory_swappiness {
            check_range("memory swappiness", swappiness, 0..=100, "0 to 100")?;
            if !matches!(host.cgroups, CgroupLayout::V1(_)) {
                return Err(ResourceError::Unsupported("memory swappiness"));
            }
            memory = memory.swappiness(swappiness);
            any = true;
        }
        if self.oom_kill_disable {
            if !matches!(host.cgroups, CgroupLayout::V1(_)) {
                return Err(ResourceError::Unsupported(
                    "an out-of-memory killer that is switched off (cgroup v2 has no such setting)",
                ));
            }
            memory = memory.disable_oom_killer(true);
            any = true;
        }
        Ok(any.then(|| memory.build().expect(UNREQUIRED)))
    }

    /// Memory and swap together: what the specification calls swap.
    fn swap_total(&self, host: &Host) -> Result<Option<i64>, ResourceError> {
        let total = match (self.memory_swap, self.memory) {
            (Swap::Default, Some(memory)) if host.swap_accounting => {
                signed("memory and swap", memory.saturating_mul(2))?
            }
            (Swap::Default, _) => return Ok(None),
            (Swap::Unlimited, _) => -1,
            (Swap::Total(_), None) => return Err(ResourceError::SwapWithoutMemory),
            (Swap::Total(total), Some(memory)) if total < memory => {
                return Err(ResourceError::Contradiction {
                    what: "memory and swap",
                    value: total,
                    relation: "below",
                    other_what: "the memory limit",
                    other: memory,
                });
            }
            (Swap::Total(total), Some(_)) => signed("memory and swap", total)?,
        };
        if !host.swap_accounting {
            return Err(ResourceError::Unsupported("swap"));
        }
        Ok(Some(total))
    }

    fn cpu_to_oci(
        &self,
        host: &Host,
    ) -> Result<Option<oci_spec::runtime::LinuxCpu>, ResourceError> {
        let mut cpu = LinuxCpuBuilder::default();
        let mut any = false;
        let (quota, period) = match self.nano_cpus {
            Some(_) if self.cpu_quota.is_some() || self.cpu_period.is_some() => {
                return Err(ResourceError::CpusAndQuota);
            }
            Some(nano) => {
                let quota = u128::from(nano) * u128::from(CPU_PERIOD) / 1_000_000_000;
                let quota = i64::try_from(quota).unwrap_or(i64::MAX);
                (Some(quota), Some(CPU_PERIOD))
            }
            None => (self.cpu_quota, self.cpu_period),
        };
        if let Some(quota) = quota.filter(|quota| *quota != 0 || self.nano_cpus.is_some()) {
            if quota != -1 && quota < 1000 {
                return Err(ResourceError::Range {
                    what: "processor quota",
                    value: u64::try_from(quota).unwrap_or(0),
                    range: "1000 microseconds (0.01 processors) and more",
                });
            }
            cpu = cpu.quota(quota);
            any = true;
        }
        if let Some(period) = period.filter(|period| *period != 0) {
            let range = "1000 to 1000000 microseconds";
            check_range("processor period", period, 1000..=1_000_000, range)?;
            cpu = cpu.period(period);
            any = true;
        }
        if let Some(shares) = self.cpu_shares.filter(|shares| *shares != 0) {
            check_range("processor shares", shares, 2..=262_144, "2 to 262144")?;
            cpu = cpu.shares(shares);
            any = true;
        }
        if let Some(cpus) = self.cpuset_cpus.as_deref().filter(|list| !list.is_empty()) {
            check_list("processors", cpus, host.processors.as_deref())?;
            cpu = cpu.cpus(cpus);
            any = true;
        }
        if let Some(mems) = self.cpuset_mems.as_deref().filter(|list| !list.is_empty()) {
            check_list("memory nodes", mems, host.memory_nodes.as_deref())?;
            cpu = cpu.mems(mems);
            any = true;
        }
        Ok(any.then(|| cpu.build().expect(UNREQUIRED)))
    }
}

const UNREQUIRED: &str = "no field of this builder is required";

fn signed(what: &'static str, value: u64) -> Result<i64, ResourceError> {
    i64::try_from(value).map_err(|_| ResourceError::Range { what, value, range: "63 bits" })
}

fn check_range(
    what: &'static str,
    value: u64,
    allowed: std::ops::RangeInclusive<u64>,
    range: &'static str,
) -> Result<(), ResourceError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    Err(ResourceError::Range { what, value, range })
}

/// `0-3,7`: numbers up to 8191 and rising ranges of them, all among those that are `online`.
fn check_list(what: &'static str, list: &str, online: Option<&str>) -> Result<(), ResourceError> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|n| digits && *n < 8192)
    };
    let item = |text: &str| match text.split_once('-') {
        Some((low, high)) => number(low).zip(number(high)).filter(|(l, h)| l <= h),
        None => number(text).map(|n| (n, n)),
    };
    let ranges = |list: &str| list.split(',').map(item).collect::<Option<Vec<_>>>();
    let asked = ranges(list).ok_or_else(|| ResourceError::List(list.to_owned()))?;
    let Some((online, there)) = online.and_then(|online| Some((online, ranges(online)?))) else {
        return Ok(());
    };
    let is_there = |n: u32| there.iter().any(|(low, high)| (*low..=*high).contains(&n));
    if asked.iter().all(|(low, high)| (*low..=*high).all(is_there)) {
        return Ok(());
    }
    Err(ResourceError::Offline { what, asked: list.to_owned(), online: online.to_owned() })
}

fn huge_pages(
    size: &str,
    limit: u64,
) -> Result<oci_spec::runtime::LinuxHugepageLimit, ResourceError> {
    let number = ["KB", "MB", "GB"].iter().find_map(|unit| size.strip_suffix(unit));
    if !number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
        return Err(ResourceError::PageSize(size.to_owned()));
    }
    let limit = signed("huge page limit", limit)?;
    let builder = LinuxHugepageLimitBuilder::default().page_size(size).limit(limit);
    Ok(builder.build().expect(UNREQUIRED))
}

/// A file of a controller, never one of `cgroup.*`, which move and kill processes, and
/// never a path (security.md, row 20).
fn check_unified(key: &str, value: &str) -> Result<(), ResourceError> {
    const CONTROLLERS: [&str; 8] =
        ["cpu", "cpuset", "hugetlb", "io", "memory", "misc", "pids", "rdma"];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let controller = key.split_once('.').map(|(controller, _)| controller);
    if !controller.is_some_and(|name| CONTROLLERS.contains(&name))
        || !key.bytes().all(plain)
        || key.contains("..")
        || value.contains('\0')
    {
        return Err(ResourceError::Unified(key.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
