//! `status.json`: what a container was doing when its monitor last wrote.
//!
//! A reader believes `Running` and `Paused` only while the monitor's lock is held and
//! `boot_id` is this boot's; otherwise the monitor died and the container with it.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What the monitor last knew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// [`crate::VERSION`] of the writer.
    pub version: u32,
    /// `/proc/sys/kernel/random/boot_id` of the boot that wrote it.
    pub boot_id: String,
    /// The monitor's process id.
    pub monitor: i32,
    /// See [`Phase`].
    pub phase: Phase,
    /// The container's first process in the host's pid namespace; 0 when there is none.
    pub pid: i32,
    /// When the process was started.
    pub started_at: Option<Timestamp>,
    /// How it ended.
    pub exit: Option<Exit>,
    /// How often the restart policy has started it again.
    pub restarts: u32,
    /// Whether somebody stopped it by hand since it was last started: then no policy starts it again.
    #[serde(default)]
    pub is_stopped_by_hand: bool,
    /// Milliseconds that the policy last waited before it started it again; 0 before the first time.
    #[serde(default)]
    pub pause: u64,
    /// Whether its monitor was killed and nobody has applied the restart policy to that yet.
    #[serde(default)]
    pub awaits_policy: bool,
    /// What its health checks found; `None` without checks.
    #[serde(default)]
    pub health: Option<Health>,
}

/// What health checks found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// See [`Condition`].
    pub condition: Condition,
    /// Failures in a row.
    pub failing_streak: u32,
    /// The last ones, at most five, the newest last.
    pub log: Vec<Check>,
}

/// docker's health states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condition {
    /// No check has counted yet.
    Starting,
    /// The last check that counted succeeded.
    Healthy,
    /// As many checks in a row as count have failed.
    Unhealthy,
}

impl Condition {
    /// docker's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One health check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Its exit status; -1 when it took too long.
    pub exit_code: i32,
    /// The first 4,096 bytes of its output.
    pub output: String,
}

/// The life of a container's process:
///
/// ```text
///  Starting ──► Running ◄──► Paused
///     │  ▲         │            │
///     │  │         ▼            │
///     │  └──── Restarting       │
///     ▼            ▼            ▼
///   Failed       Exited ◄───────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The launcher is at work.
    Starting,
    /// The process runs.
    Running,
    /// Its cgroup is frozen.
    Paused,
    /// It ended, `exit` says how, and the restart policy will start it again in a while.
    Restarting,
    /// It ended; `exit` says how.
    Exited,
    /// It could not be started; `exit.error` says why.
    Failed,
}

/// The end of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// 0–255; 128+n for a signal; 125, 126 and 127 where it could not be started.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The kernel's out-of-memory killer hit this container's cgroup.
    pub oom_killed: bool,
    /// Why it could not be started.
    pub error: Option<String>,
    /// When.
    pub at: Timestamp,
}
