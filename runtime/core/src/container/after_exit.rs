//! What is left to do when a container's monitor is gone, whether it ended in order or was killed: its
//! keeper starts a command that does this, and if that was killed too, the next command does.

use std::time::{Duration, Instant};

use isopod_monitor_protocol::data;
use isopod_monitor_protocol::launch::{Again, Restart};
use isopod_monitor_protocol::message::Request;
use isopod_monitor_protocol::policy::Ended;
use isopod_monitor_protocol::status::Status;
use isopod_monitor_protocol::time::Timestamp;
use isopod_sys::atomic;
use isopod_sys::step::step;

use super::{Container, Containers, Network, RemoveOptions};
use crate::{Error, ErrorKind, Result};

/// How long another command's clean-up may take, and how often to look.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// How often somebody who waits for a policy's pause looks whether it still applies.
const LOOK: Duration = Duration::from_millis(250);

/// One thing to do for a container that has ended; there may be nothing to do.
type Step = fn(&Container<'_>) -> Result<()>;

/// What is done, in this order; each whatever became of those before. The restart policy comes after all
/// that frees what the last run held, and removal last.
const STEPS: &[(&str, Step)] = &[
    ("give back the networks of", |container| container.release_if_over()),
    ("apply the restart policy of", |container| container.apply_policy(true)),
    ("remove", |container| container.remove_if_wanted()),
];

impl Containers<'_> {
    /// Does what is to be done for the container with this id, which has ended. One that is not there any
    /// more needs nothing.
    ///
    /// # Errors
    /// The first step that failed; the others are done all the same.
    pub fn after_exit(&self, id: &str) -> Result<()> {
        let container = match self.find_row(id) {
            Ok(row) if row.id == id => Container::from_row(self.runtime, row)?,
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => return Ok(()),
        };
        container.after_exit()
    }
}

impl Container<'_> {
    /// See [`Containers::after_exit`].
    fn after_exit(&self) -> Result<()> {
        if !self.has_ended()? {
            return Ok(());
        }
        let mut first = Ok(());
        for (what, act) in STEPS {
            step("after-exit.next");
            match act(self) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    tracing::warn!(container = self.id(), error = %error, "cannot {what} it");
                    first = first.and(Err(error));
                }
            }
        }
        first
    }

    /// Whether it has ended, after the death of a monitor was recorded, and what that left was killed. While
    /// another command is at that, it only seems to have a monitor: that ends soon.
    fn has_ended(&self) -> Result<bool> {
        let end = Instant::now() + PATIENCE;
        while self.status()?.phase.is_alive() {
            if self.connect().is_ok() || Instant::now() > end {
                return Ok(false);
            }
            std::thread::sleep(POLL);
        }
        Ok(true)
    }

    /// Whether something has to be done when its monitor has ended.
    pub(super) fn leaves_something(&self) -> bool {
        self.leaves_more_than_its_policy() || self.record.settings.restart != Restart::No
    }

    /// The same, whatever its restart policy is.
    fn leaves_more_than_its_policy(&self) -> bool {
        self.record.auto_remove || matches!(self.record.settings.network, Network::Networks(_))
    }

    fn remove_if_wanted(&self) -> Result<()> {
        if !self.record.auto_remove {
            return Ok(());
        }
        self.remove(RemoveOptions { force: false, volumes: true, keep_snapshot: false })
    }

    /// As [`Container::apply_policy`] for whoever only looks at it: what can't be done is said in its
    /// status, and in the trace.
    pub(super) fn settle(&self) {
        if self.record.settings.restart == Restart::No {
            return;
        }
        if let Err(error) = self.status().and_then(|_| self.apply_policy(false)) {
            tracing::warn!(container = self.id(), error = %error, "cannot apply its restart policy");
        }
    }

    /// Starts it again if its monitor was killed and its restart policy says so, once for each death: the
    /// new monitor waits as the old one would have done. One that joins another container is looked up after
    /// the pause, which is waited for here if the caller `may_wait`, and otherwise left to who may.
    pub(super) fn apply_policy(&self, may_wait: bool) -> Result<()> {
        let Some(status) = self.read_status()?.filter(|status| status.awaits_policy) else {
            return Ok(());
        };
        let has_waited = self.joins_another();
        if has_waited && let Some(left) = self.pause_left(&status) {
            if !may_wait {
                return Ok(());
            }
            self.rest(left)?;
        }
        let _operation = self.lock_operation()?;
        // Somebody else may have been faster.
        let Some(status) = self.read_status()?.filter(|status| status.awaits_policy) else {
            return Ok(());
        };
        let Some(pause) = self.record.settings.restart.pause_after(&ended(&status)) else {
            return self.write_status(Status { awaits_policy: false, ..status });
        };
        // Should somebody have been too busy to do it before.
        self.release_networks()?;
        let again = Again {
            restarts: status.restarts + 1,
            pause: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            has_waited,
            started_at: status.started_at,
            exit: status.exit.clone(),
        };
        self.start_again(again).inspect_err(|error| {
            // Not tried again, as after a failed restart by a monitor.
            let mut status = Status { awaits_policy: false, ..status };
            if let Some(exit) = &mut status.exit {
                let words = exit.error.take().unwrap_or_default();
                exit.error = Some(format!("{words}; it could not be started again: {error}"));
            }
            self.write_status(status).ok();
        })
    }

    /// Waits for the rest of a pause, or until its policy is forgone: it was stopped, started or removed.
    fn rest(&self, left: Duration) -> Result<()> {
        let end = Instant::now() + left;
        while self.read_status()?.is_some_and(|status| status.awaits_policy) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(LOOK));
        }
        Ok(())
    }

    /// What is left of its policy's pause.
    fn pause_left(&self, status: &Status) -> Option<Duration> {
        let pause = self.record.settings.restart.pause_after(&ended(status))?;
        let since = Timestamp::now().0.saturating_sub(status.exit.as_ref()?.at.0);
        pause.checked_sub(Duration::from_nanos(u64::try_from(since).unwrap_or(0)))
    }

    /// No policy starts it any more: it was stopped by hand, though it had ended already.
    pub(super) fn forgo_policy(&self) -> Result<()> {
        let _operation = self.lock_operation()?;
        match self.read_status()? {
            Some(status) if status.awaits_policy => self.write_status(Status {
                awaits_policy: false,
                is_stopped_by_hand: true,
                ..status
            }),
            _ => Ok(()),
        }
    }

    /// Has a monitor that runs apply another restart policy from now on. The record is the caller's.
    ///
    /// # Errors
    /// The monitor can't be reached, though it runs.
    pub fn tell_restart(&self, restart: Restart) -> Result<()> {
        if !self.status()?.phase.is_alive() {
            return Ok(());
        }
        let after_exit = match restart == Restart::No && !self.leaves_more_than_its_policy() {
            true => Vec::new(),
            false => self.after_exit_command(),
        };
        match self.ask(Request::SetRestart { restart, after_exit }) {
            // It has ended meanwhile.
            Err(Error::State { .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The command that does all this.
    pub(super) fn after_exit_command(&self) -> Vec<String> {
        let program = &self.runtime.config().program;
        if program.is_empty() {
            return Vec::new();
        }
        let more = ["internal", "after-exit", self.namespace(), self.id()];
        program.iter().cloned().chain(more.map(str::to_owned)).collect()
    }

    fn write_status(&self, status: Status) -> Result<()> {
        let path = self.data().join(data::STATUS);
        let bytes = serde_json::to_vec(&status).expect("a status is JSON");
        atomic::write_even_if_full(&path, &bytes, 0o600).map_err(Error::io("cannot write", &path))
    }
}

fn ended(status: &Status) -> Ended {
    let nanos = match (status.started_at, &status.exit) {
        (Some(start), Some(exit)) => exit.at.0.saturating_sub(start.0),
        _ => 0,
    };
    Ended {
        code: status.exit.as_ref().map_or(0, |exit| exit.code),
        ran: Duration::from_nanos(u64::try_from(nanos).unwrap_or(0)),
        restarts: status.restarts,
        pause: Duration::from_millis(status.pause),
        is_stopped_by_hand: status.is_stopped_by_hand,
    }
}
