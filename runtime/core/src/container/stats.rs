//! What a container uses, read from its cgroups: v1, hybrid and v2.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use isopod_sys::cgroup::Hierarchies;

use super::{Container, Network};
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
    /// Bytes read from block devices.
    pub block_read_bytes: u64,
    /// Bytes written to block devices.
    pub block_written_bytes: u64,
}

/// Traffic of a network namespace, without its loopback device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
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

    /// What went through its network devices; nothing where it shares the host's, as in docker, and for
    /// one that does not run.
    ///
    /// # Errors
    /// Its state or its devices can't be read.
    pub fn traffic(&self) -> Result<Traffic> {
        let pid = self.status()?.pid;
        if pid == 0 || self.settings().network == Network::Host {
            return Ok(Traffic::default());
        }
        Ok(traffic(&text(Path::new(&format!("/proc/{pid}/net/dev")))?.unwrap_or_default()))
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
        if let Some(folder) = hierarchies.folder("blkio", &cgroup) {
            // The one that counts under every scheduler comes last.
            for file in ["blkio.bfq.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"]
            {
                let text = text(&folder.join(file))?.unwrap_or_default();
                stats.block_read_bytes = operations(&text, "Read");
                stats.block_written_bytes = operations(&text, "Write");
                if stats.block_read_bytes + stats.block_written_bytes > 0 {
                    break;
                }
            }
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
        let io = text(&folder.join("io.stat"))?.unwrap_or_default();
        self.block_read_bytes = counters(&io, "rbytes=");
        self.block_written_bytes = counters(&io, "wbytes=");
        Ok(())
    }
}

/// v1: `major:minor Operation bytes`, of all devices; partitions' bytes count for their disk alone.
fn operations(text: &str, operation: &str) -> u64 {
    let bytes = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        (words.next()? == operation).then(|| words.next()?.parse::<u64>().ok())?
    };
    text.lines().filter_map(bytes).sum()
}

/// v2: `major:minor key=bytes …`, of all devices.
fn counters(text: &str, key: &str) -> u64 {
    text.split_whitespace().filter_map(|word| word.strip_prefix(key)?.parse::<u64>().ok()).sum()
}

/// proc_pid_net(5), `dev`: after two lines of heads `name: received … sent …`.
fn traffic(text: &str) -> Traffic {
    let mut all = Traffic::default();
    for (name, counts) in text.lines().skip(2).filter_map(|line| line.split_once(':')) {
        let counts: Vec<u64> =
            counts.split_whitespace().map_while(|count| count.parse().ok()).collect();
        if let (true, [received, _, _, _, _, _, _, _, sent, ..]) =
            (name.trim() != "lo", &counts[..])
        {
            all.received_bytes += received;
            all.sent_bytes += sent;
        }
    }
    all
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are those of the kernel's documentation (cgroup-v2.rst, blkio-controller.rst).
    #[test]
    fn bytes_of_all_devices_are_added_up() {
        let v2 = "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n\
            8:0 rbytes=90430464 wbytes=299008000 rios=8950 wios=1252 dbytes=50331648 dios=3021\n";
        assert_eq!(counters(v2, "rbytes="), 1_459_200 + 90_430_464);
        assert_eq!(counters(v2, "wbytes="), 314_773_504 + 299_008_000);
        let v1 = "8:0 Read 4096\n8:0 Write 10\n8:0 Sync 0\n8:16 Read 1\nTotal 4107\n";
        assert_eq!((operations(v1, "Read"), operations(v1, "Write")), (4097, 10));
    }

    #[test]
    fn the_loopback_device_is_no_traffic() {
        let text = "Inter-|   Receive   |  Transmit\n face |bytes packets\n\
            \x20   lo:  500 5 0 0 0 0 0 0 500 5 0 0 0 0 0 0\n\
            \x20 eth0: 1200 9 0 0 0 0 0 0  700 8 0 0 0 0 0 0\n  eth1:3 1 0 0 0 0 0 0 4 1 0 0 0 0 0 0\n";
        assert_eq!(traffic(text), Traffic { received_bytes: 1203, sent_bytes: 704 });
    }
}
