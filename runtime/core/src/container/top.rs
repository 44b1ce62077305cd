//! What `top` shows: a container's processes as the host's `/proc` describes them. Nothing is asked of the
//! container itself. Fields: proc_pid_stat(5), proc_pid_status(5).

use std::fs;
use std::io;

use chrono::{DateTime, TimeDelta, Utc};

use super::{Container, Phase};
use crate::{Error, Result};

/// A process, by its ids on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// That of the one that made it.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its session.
    pub session: i32,
    /// Real and effective user.
    pub users: (u32, u32),
    /// Real and effective group.
    pub groups: (u32, u32),
    /// The terminal's device number; 0: none.
    pub terminal: u64,
    /// The terminal's foreground group.
    pub terminal_group: i32,
    /// `R`, `S`, `D`, …
    pub state: char,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Its arguments; of a kernel thread or zombie none.
    pub arguments: Vec<String>,
    /// Its tasks.
    pub threads: u64,
    /// Processor time that it used.
    pub cpu: TimeDelta,
    /// When it was started.
    pub started: DateTime<Utc>,
    /// Bytes of address space.
    pub virtual_bytes: u64,
    /// Bytes in memory.
    pub resident_bytes: u64,
    /// Scheduling priority and nice value.
    pub priority: (i64, i64),
    /// Whether some of its memory is locked.
    pub has_locked_memory: bool,
}

impl Container<'_> {
    /// Its processes, by their ids.
    ///
    /// # Errors
    /// [`Error::State`] unless it runs; the processes can't be looked at.
    pub fn top(&self) -> Result<Vec<Process>> {
        let hint = "only a running container has processes";
        self.require(&[Phase::Running, Phase::Paused], hint)?;
        let clock = Clock::now()?;
        let mut processes = Vec::new();
        for pid in self.processes()? {
            // It may end while we look.
            if let Some(process) = clock.process(pid)? {
                processes.push(process);
            }
        }
        Ok(processes)
    }
}

struct Clock {
    boot: DateTime<Utc>,
    ticks: u64,
}

impl Clock {
    fn now() -> Result<Self> {
        let failed = |source| Error::System { action: "cannot read the time of the boot", source };
        let text = fs::read_to_string("/proc/stat").map_err(failed)?;
        let seconds =
            text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok());
        let boot = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
        let boot = boot.ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))?;
        Ok(Self { boot, ticks: rustix::param::clock_ticks_per_second() })
    }

    fn time(&self, ticks: u64) -> TimeDelta {
        let milliseconds = ticks.saturating_mul(1000) / self.ticks.max(1);
        TimeDelta::milliseconds(i64::try_from(milliseconds).unwrap_or(i64::MAX / 2))
    }

    /// `None` for one that has ended.
    fn process(&self, pid: i32) -> Result<Option<Process>> {
        let Some(stat) = read(pid, "stat")? else { return Ok(None) };
        let Some(status) = read(pid, "status")? else { return Ok(None) };
        let arguments = read(pid, "cmdline")?.unwrap_or_default();
        let arguments = arguments.trim_end_matches('\0').split('\0').map(str::to_owned).collect();
        Ok(self.parse(pid, &stat, &status, arguments))
    }

    fn parse(&self, pid: i32, stat: &str, status: &str, arguments: Vec<String>) -> Option<Process> {
        // The name may hold spaces and brackets of its own.
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // proc_pid_stat(5) counts from 1, and these begin with the third.
        let text = |number: usize| fields.get(number - 3).copied();
        let signed = |number: usize| text(number)?.parse::<i64>().ok();
        let id = |number: usize| i32::try_from(signed(number)?).ok();
        let number = |number: usize| text(number)?.parse::<u64>().ok();
        let line = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
        let ids = |key: &str| {
            let mut ids = line(key)?.split_whitespace().map_while(|id| id.parse().ok());
            Some((ids.next()?, ids.next()?))
        };
        // The kernel's own count in `stat` may lag behind. One that ended has none.
        let resident = line("VmRSS:").and_then(|text| text.split_whitespace().next()?.parse().ok());
        Some(Process {
            pid,
            parent: id(4)?,
            group: id(5)?,
            session: id(6)?,
            users: ids("Uid:")?,
            groups: ids("Gid:")?,
            terminal: u64::from(u32::try_from(signed(7)?).unwrap_or(0)),
            terminal_group: id(8)?,
            state: text(3)?.chars().next()?,
            name: name.to_owned(),
            arguments: if arguments == [""] { Vec::new() } else { arguments },
            threads: number(20)?,
            cpu: self.time(number(14)? + number(15)?),
            started: self.boot + self.time(number(22)?),
            virtual_bytes: number(23)?,
            resident_bytes: resident.unwrap_or(0_u64) * 1024,
            priority: (signed(18)?, signed(19)?),
            has_locked_memory: line("VmLck:").is_some_and(|text| !text.trim().starts_with("0 ")),
        })
    }
}

/// A file of a process; `None` when that has ended.
fn read(pid: i32, name: &str) -> Result<Option<String>> {
    let path = format!("/proc/{pid}/{name}");
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) =>
        {
            Ok(None)
        }
        Err(error) => Err(Error::io("cannot read", std::path::Path::new(&path))(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_the_fields_after_it() {
        let clock = Clock { boot: DateTime::from_timestamp(1000, 0).unwrap(), ticks: 100 };
        let stat = "7 (a) R (b) 1) S 3 7 7 34816 7 4194560 1 0 0 0 150 50 0 0 20 0 2 0 6000 4096 3 \
            18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0";
        let status = "Name:\\tx\nUid:\t5\t6\t6\t6\nGid:\t8\t9\t9\t9\nVmLck:\t       0 kB\n";
        let process = clock.parse(7, stat, status, vec!["x".into()]).unwrap();
        assert_eq!((process.pid, process.parent, process.state), (7, 3, 'S'));
        assert_eq!(process.name, "a) R (b) 1");
        assert_eq!((process.users, process.groups), ((5, 6), (8, 9)));
        assert_eq!(process.cpu, TimeDelta::seconds(2));
        assert_eq!(process.started, DateTime::from_timestamp(1060, 0).unwrap());
        assert_eq!((process.terminal, process.threads, process.priority), (34816, 2, (20, 0)));
        assert!(!process.has_locked_memory);
    }
}
