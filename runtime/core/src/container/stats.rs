//! What a container uses, read from its cgroups: v1, hybrid and v2.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use isopod_sys::cgroup::Hierarchies;

use super::Container;
use crate::{Error, Result};

/// A look at a running container's use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Nanoseconds of processor time since it started.
    pub cpu_nanoseconds: u64,
    /// Of which in user space.
    pub cpu_user_nanoseconds: u64,
    /// Of which in the kernel.
    pub cpu_system_nanoseconds: u64,
    /// Bytes of memory, page cache that can go at once left out.
    pub memory_bytes: u64,
    /// Bytes of memory in all.
    pub memory_total_bytes: u64,
    /// Its limit; `None`: none.
    pub memory_limit_bytes: Option<u64>,
    /// Tasks.
    pub pids: u64,
    /// Their limit; `None`: none.
    pub pids_limit: Option<u64>,
}

impl Container<'_> {
    /// The processes in its cgroup, by their ids on the host; empty when it does not run.
    ///
    /// # Errors
    /// The cgroups can't be read.
    pub fn processes(&self) -> Result<Vec<i32>> {
        let cgroup = PathBuf::from(self.cgroup());
        let failed =
            |source| Error::System { action: "cannot list a container's processes", source };
        let mut pids = hierarchies()?.processes(&cgroup).map_err(failed)?;
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// What it uses now.
    ///
    /// # Errors
    /// The cgroups can't be read. One that does not run uses nothing.
    pub fn stats(&self) -> Result<Stats> {
        let hierarchies = hierarchies()?;
        let cgroup = PathBuf::from(self.cgroup());
        let mut stats = Stats::default();
        if hierarchies.is_unified() {
            if let Some(folder) = hierarchies.v2_folder(&cgroup) {
                stats.read_v2(&folder)?;
            }
            return Ok(stats);
        }
        if let Some(folder) = hierarchies.folder("cpuacct", &cgroup) {
            stats.cpu_nanoseconds = number(&folder.join("cpuacct.usage"))?.unwrap_or(0);
            stats.cpu_user_nanoseconds = number(&folder.join("cpuacct.usage_user"))?.unwrap_or(0);
            stats.cpu_system_nanoseconds = number(&folder.join("cpuacct.usage_sys"))?.unwrap_or(0);
        }
        if let Some(folder) = hierarchies.folder("memory", &cgroup) {
            stats.memory_total_bytes = number(&folder.join("memory.usage_in_bytes"))?.unwrap_or(0);
            let cache = field(&folder.join("memory.stat"), "total_inactive_file")?.unwrap_or(0);
            stats.memory_bytes = stats.memory_total_bytes.saturating_sub(cache);
            // The kernel says "no limit" as the largest number of whole pages.
            let limit = number(&folder.join("memory.limit_in_bytes"))?;
            stats.memory_limit_bytes = limit.filter(|limit| *limit < i64::MAX as u64 - (1 << 20));
        }
        if let Some(folder) = hierarchies.folder("pids", &cgroup) {
            stats.pids = number(&folder.join("pids.current"))?.unwrap_or(0);
            stats.pids_limit = number(&folder.join("pids.max"))?;
        }
        Ok(stats)
    }
}

impl Stats {
    fn read_v2(&mut self, folder: &Path) -> Result<()> {
        let cpu = folder.join("cpu.stat");
        self.cpu_nanoseconds = field(&cpu, "usage_usec")?.unwrap_or(0) * 1000;
        self.cpu_user_nanoseconds = field(&cpu, "user_usec")?.unwrap_or(0) * 1000;
        self.cpu_system_nanoseconds = field(&cpu, "system_usec")?.unwrap_or(0) * 1000;
        self.memory_total_bytes = number(&folder.join("memory.current"))?.unwrap_or(0);
        let cache = field(&folder.join("memory.stat"), "inactive_file")?.unwrap_or(0);
        self.memory_bytes = self.memory_total_bytes.saturating_sub(cache);
        self.memory_limit_bytes = number(&folder.join("memory.max"))?;
        self.pids = number(&folder.join("pids.current"))?.unwrap_or(0);
        self.pids_limit = number(&folder.join("pids.max"))?;
        Ok(())
    }
}

fn hierarchies() -> Result<Hierarchies> {
    Hierarchies::find()
        .map_err(|source| Error::System { action: "cannot find the cgroup hierarchies", source })
}

/// A file's text; `None` where it is not there: the cgroup went, or the controller is off.
fn text(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::io("cannot read", path)(error)),
    }
}

/// A file that holds one number; `max` is none.
fn number(path: &Path) -> Result<Option<u64>> {
    Ok(text(path)?.and_then(|text| text.trim().parse().ok()))
}

/// A number in a file of `name value` lines.
fn field(path: &Path, name: &str) -> Result<Option<u64>> {
    let text = text(path)?.unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    Ok(value.and_then(|value| value.trim().parse().ok()))
}
