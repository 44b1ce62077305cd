//! States of a container (runtime-spec, runtime.md, "State"), and how they are told.
//!
//! ```text
//! creating → created → running ⇄ paused
//!               └────────┴─────────┴──→ stopped
//! ```
//!
//! Nothing is written down when a container changes its state by itself: what the kernel says of its
//! process, its freezer and its start socket is the truth.

use std::fmt;
use std::fs;

use serde::Serialize;

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// `create` is at work.
    Creating,
    /// Its process waits for `start`.
    Created,
    /// Its program runs.
    Running,
    /// It is frozen.
    Paused,
    /// Its process has ended.
    Stopped,
}

impl Status {
    /// Whether there is a process.
    #[must_use]
    pub fn has_process(self) -> bool {
        matches!(self, Self::Created | Self::Running | Self::Paused)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        })
    }
}

/// When the process `pid` was started, in clock ticks since boot; `None` if it is gone or only a zombie.
///
/// Source: field 22 of `/proc/<pid>/stat`, proc_pid_stat(5).
#[must_use]
pub fn started_at(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_start_time_until_it_is_a_zombie() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(started_at(own).is_some_and(|ticks| ticks > 0));
        let mut child = std::process::Command::new("sleep").arg("100").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(started_at(pid) >= started_at(own));
        child.kill().unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(5);
        while started_at(pid).is_some() {
            assert!(std::time::Instant::now() < end);
            std::thread::yield_now();
        }
        child.wait().unwrap();
    }
}
