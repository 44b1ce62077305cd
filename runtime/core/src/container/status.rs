//! What a container is doing: the monitor's status file, made true.
//!
//! The file outlives its writer. It is believed as long as the monitor's lock is held in this boot;
//! otherwise the monitor died, its container with it, and whoever notices first records that.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeZone, Utc};
use isopod_monitor_protocol::status::{Exit, Health, Phase as MonitorPhase, Status};
use isopod_monitor_protocol::time::Timestamp;
use isopod_monitor_protocol::{VERSION, data, state};
use isopod_sys::atomic;
use isopod_sys::lock::Lock;

use super::Container;
use crate::{Error, Result};

/// docker's status for a container whose end nobody saw.
const LOST: i32 = 255;

/// How long a start without its starter may take to get to an end.
const SETTLING: Duration = Duration::from_secs(2);

/// The life of a container:
///
/// ```text
/// Created ──► Starting ──► Running ◄──► Paused
///                │  ▲         │            │
///                │  │         ▼            │
///                │  └──── Restarting       │
///                ▼            ▼            │
///              Failed       Exited ◄───────┘
/// ```
///
/// Failed and Exited ones can be started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Never started.
    Created,
    /// Being started.
    Starting,
    /// Its process runs.
    Running,
    /// Its cgroup is frozen.
    Paused,
    /// Its process ended, and its restart policy will start it again in a while.
    Restarting,
    /// Its process ended.
    Exited,
    /// Its process could not be started.
    Failed,
}

impl Phase {
    /// Whether there is, or is about to be, a process.
    #[must_use]
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Paused | Self::Restarting)
    }

    /// A word for messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "not started",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Exited => "not running",
            Self::Failed => "not running, since it could not be started",
        }
    }
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerStatus {
    /// See [`Phase`].
    pub phase: Phase,
    /// Its first process in the host's pid namespace; 0 when there is none.
    pub pid: i32,
    /// When that was last started.
    pub started_at: Option<DateTime<Utc>>,
    /// How it last ended.
    pub exit: Option<Exit>,
    /// How often the restart policy started it again.
    pub restarts: u32,
    /// Whether it was stopped by hand since it was last started.
    pub is_stopped_by_hand: bool,
    /// What its health checks found; `None` without checks.
    pub health: Option<Health>,
}

impl ContainerStatus {
    /// When it last ended.
    #[must_use]
    pub fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.exit.as_ref().map(|exit| to_time(exit.at))
    }

    fn created() -> Self {
        Self {
            phase: Phase::Created,
            pid: 0,
            started_at: None,
            exit: None,
            restarts: 0,
            is_stopped_by_hand: false,
            health: None,
        }
    }
}

impl From<Status> for ContainerStatus {
    fn from(status: Status) -> Self {
        let phase = match status.phase {
            MonitorPhase::Starting => Phase::Starting,
            MonitorPhase::Running => Phase::Running,
            MonitorPhase::Paused => Phase::Paused,
            MonitorPhase::Restarting => Phase::Restarting,
            MonitorPhase::Exited => Phase::Exited,
            MonitorPhase::Failed => Phase::Failed,
        };
        let pid = if phase.is_alive() { status.pid } else { 0 };
        let started_at = status.started_at.map(to_time);
        Self {
            phase,
            pid,
            started_at,
            exit: status.exit,
            restarts: status.restarts,
            is_stopped_by_hand: status.is_stopped_by_hand,
            health: status.health,
        }
    }
}

pub(super) fn to_time(timestamp: Timestamp) -> DateTime<Utc> {
    Utc.timestamp_nanos(timestamp.0)
}

impl Container<'_> {
    /// What it is doing now.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if its status file is damaged; cleaning up after a dead monitor failed.
    pub fn status(&self) -> Result<ContainerStatus> {
        let Some(status) = self.read_status()? else { return Ok(ContainerStatus::created()) };
        let claims_life = ContainerStatus::from(status.clone()).phase.is_alive();
        if !claims_life {
            return Ok(status.into());
        }
        if self.has_monitor()? {
            return Ok(status.into());
        }
        let is_of_this_boot = status.boot_id == self.runtime.boot_id();
        // The monitor may have ended in order between our two looks.
        match self.read_status()? {
            Some(again) if ContainerStatus::from(again.clone()).phase.is_alive() => {
                if !is_of_this_boot && !self.state().exists() {
                    return self.record_loss(again, "the machine was started anew");
                }
                if let Err(error) = self.clean_up_after_monitor() {
                    // Somebody else was faster with that, and may have started it again by now.
                    return match self.read_status()? {
                        Some(other) if self.has_monitor()? || other != again => Ok(other.into()),
                        _ => Err(error),
                    };
                }
                // Nobody else has seen its end.
                self.release_unless_busy()?;
                match self.read_status()? {
                    // Its end; or it was started again already.
                    Some(last) if last != again => Ok(last.into()),
                    _ => self.record_loss(again, "its monitor died"),
                }
            }
            Some(again) => Ok(again.into()),
            None => Ok(ContainerStatus::created()),
        }
    }

    /// As [`Container::status`], after a start that is just going on or dying: whoever began it was killed, and the
    /// monitor brings it to an end, or its keeper cleans up after both. One that takes longer than
    /// [`SETTLING`] is still [`Phase::Starting`] then.
    ///
    /// # Errors
    /// As there.
    pub fn settled(&self) -> Result<ContainerStatus> {
        let deadline = Instant::now() + SETTLING;
        loop {
            let status = self.status()?;
            if status.phase != Phase::Starting || Instant::now() > deadline {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(super) fn read_status(&self) -> Result<Option<Status>> {
        let path = self.data().join(data::STATUS);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("cannot read", &path))?,
        };
        let status: Status = serde_json::from_slice(&bytes)
            .map_err(|error| Error::Corrupt { path: path.clone(), detail: error.to_string() })?;
        if status.version > VERSION {
            return Err(Error::Version { path, found: status.version, known: VERSION });
        }
        Ok(Some(status))
    }

    /// Whether a monitor lives: it holds a lock in the state folder.
    pub(crate) fn has_monitor(&self) -> Result<bool> {
        let path = self.state().join(state::LOCK);
        match Lock::try_exclusive(&path) {
            Ok(lock) => Ok(lock.is_none()),
            // A boot or a removal took the folder away. Nobody may make it again just by looking.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("cannot lock", &path)(error)),
        }
    }

    /// Whether its status file says that it runs.
    pub(crate) fn claims_life(&self) -> Result<bool> {
        let status = self.read_status()?;
        Ok(status.is_some_and(|status| ContainerStatus::from(status).phase.is_alive()))
    }

    fn record_loss(&self, mut status: Status, why: &str) -> Result<ContainerStatus> {
        // After a boot `start_all` asks the policies.
        status.awaits_policy = status.boot_id == self.runtime.boot_id();
        status.phase = MonitorPhase::Exited;
        status.pid = 0;
        status.exit = Some(Exit {
            code: LOST,
            signal: None,
            oom_killed: false,
            error: Some(why.to_owned()),
            at: Timestamp::now(),
        });
        let path = self.data().join(data::STATUS);
        let bytes = serde_json::to_vec(&status).expect("a status is JSON");
        atomic::write_even_if_full(&path, &bytes, 0o600)
            .map_err(Error::io("cannot write", &path))?;
        Ok(status.into())
    }

    /// Fails unless its phase is one of `allowed`.
    pub(super) fn require(&self, allowed: &[Phase], hint: &'static str) -> Result<ContainerStatus> {
        let status = self.status()?;
        if allowed.contains(&status.phase) {
            return Ok(status);
        }
        Err(Error::State { id: self.name().to_owned(), state: status.phase.as_str(), hint })
    }
}
