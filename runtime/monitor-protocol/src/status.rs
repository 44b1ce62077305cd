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
}

/// The life of a container's process:
///
/// ```text
///  Starting ──► Running ◄──► Paused
///     │            │            │
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
