//! Restarts by policy: the same monitor waits and starts its container again.
//!
//! Between two runs nothing is left of the first but the lock, the socket and what `Run` handed over; the log
//! goes on. Sessions end with the run that they were opened on, as docker's do, and so does waiting.

use std::time::{Duration, Instant};

use isopod_monitor_protocol::launch::{Again, Restart};
use isopod_monitor_protocol::message::Reply;
use isopod_monitor_protocol::policy::Ended;
use isopod_monitor_protocol::status::{Exit, Phase};
use isopod_monitor_protocol::time::Timestamp;

use super::clients::{NOBODY, Role};
use super::requests::Refusal;
use super::{CONTAINER, Monitor};
use crate::keeper::Keeper;

/// What there is to know for restarts.
#[derive(Debug, Default)]
pub struct Restarting {
    /// When to start it again, once nothing of the last run is left.
    at: Option<Instant>,
    /// Since when it has been running.
    since: Option<Instant>,
    /// Whether the monitor was asked to end: nothing is started any more.
    is_leaving: bool,
    /// Whether the start that is going on is not wanted any more.
    is_given_up: bool,
}

impl Monitor {
    /// What the container is doing after it has ended like this.
    pub(super) fn phase_after(&mut self, exit: &Exit) -> Phase {
        let ended = Ended {
            code: exit.code,
            ran: self.restarting.since.take().map_or(Duration::ZERO, |since| since.elapsed()),
            restarts: self.status.restarts,
            pause: Duration::from_millis(self.status.pause),
            is_stopped_by_hand: self.status.is_stopped_by_hand,
        };
        let pause = self.launch.restart.pause_after(&ended);
        let Some(pause) = pause.filter(|_| !self.restarting.is_leaving) else {
            return Phase::Exited;
        };
        if self.launch.joins_another {
            // What the specification names may be anybody's by then: the command that follows this
            // monitor applies the policy.
            self.status.awaits_policy = true;
            return Phase::Exited;
        }
        self.status.restarts += 1;
        self.status.pause = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.restarting.at = Some(Instant::now() + pause);
        Phase::Restarting
    }

    /// Whether it ended and is to be started again.
    pub(super) fn is_to_restart(&self) -> bool {
        self.restarting.at.is_some()
    }

    /// The run is over, and another is to come: what is left of it is removed, and who waited for its end is
    /// told.
    pub(super) fn rest(&mut self, exit: &Exit) {
        self.undo_start();
        self.processes.remove(&CONTAINER);
        self.tell_exited(CONTAINER, exit);
        // The last one may have been reaped together with the guard.
        if self.keeper.as_ref().is_some_and(|keeper| !keeper.lives()) {
            self.keeper = None;
        }
        self.keep();
        super::trim();
    }

    /// Whether nothing but time stands between now and the next start.
    fn rests(&self) -> bool {
        self.is_to_restart() && self.processes.is_empty() && self.starting.is_empty()
    }

    /// When to start it again.
    pub(super) fn restart_deadline(&self) -> Option<Instant> {
        self.restarting.at.filter(|_| self.rests())
    }

    /// Starts it again when it is time.
    pub(super) fn restart_if_due(&mut self) {
        if self.restart_deadline().is_none_or(|at| Instant::now() < at) {
            return;
        }
        self.restarting.at = None;
        if let Err((_, message)) = self.launch_container(NOBODY, None, None) {
            self.starting.clear();
            self.restart_failed(125, message);
        }
    }

    /// It runs again.
    pub(super) fn restarted(&mut self) {
        if self.restarting.is_given_up {
            self.kill_container();
        }
    }

    /// When it began to run.
    pub(super) fn note_start(&mut self) {
        self.restarting.since = Some(Instant::now());
    }

    /// Since when it has been running.
    pub(super) fn running_since(&self) -> Option<Instant> {
        self.restarting.since
    }

    /// It could not be started again, which is not tried twice; or its start was given up.
    pub(super) fn restart_failed(&mut self, code: i32, message: String) {
        if !self.restarting.is_given_up {
            self.status.exit = Some(Exit {
                code,
                signal: None,
                oom_killed: false,
                error: Some(message),
                at: Timestamp::now(),
            });
        }
        self.stay_down();
    }

    /// It is not started again after all: `by_hand`, or because the monitor is to end.
    pub(super) fn give_up_restart(&mut self, by_hand: bool) {
        self.status.is_stopped_by_hand |= by_hand;
        let rests = self.rests();
        self.restarting.at = None;
        if rests {
            self.stay_down();
        } else if self.processes.contains_key(&CONTAINER) {
            // Its output is still being handed over; its end is concluded after that.
            self.set_phase(Phase::Exited);
        } else {
            self.restarting.is_given_up = true;
            self.publish();
            self.kill_container();
        }
    }

    /// Nothing runs, and nothing will.
    fn stay_down(&mut self) {
        self.undo();
        self.set_phase(Phase::Exited);
        if let Some(exit) = self.status.exit.clone() {
            self.tell_exited(CONTAINER, &exit);
        }
        self.is_over = true;
    }

    /// Ends the container, and itself.
    pub(super) fn shut_down(&mut self) {
        self.restarting.is_leaving = true;
        self.kill_container();
    }

    /// Ends the container with this signal, and itself once it has ended of it.
    pub(super) fn end_with(&mut self, signal: i32) -> Result<(), Refusal> {
        match self.status.phase {
            Phase::Restarting => self.give_up_restart(false),
            _ => self.kill(None, signal, false)?,
        }
        self.restarting.is_leaving = true;
        Ok(())
    }

    /// Begins with the pause, in the place of a monitor that was killed.
    pub(super) fn await_restart(&mut self, client: u32, again: Again) -> Result<(), Refusal> {
        self.status.restarts = again.restarts;
        self.status.pause = again.pause;
        self.status.started_at = again.started_at;
        self.status.exit = again.exit;
        let pause = if again.has_waited { 0 } else { again.pause };
        self.restarting.at = Some(Instant::now() + Duration::from_millis(pause));
        self.status.phase = Phase::Restarting;
        self.be_reachable()?;
        self.publish();
        self.starter = None;
        self.clients.reply(client, Reply::Ok);
        if let Some(client) = self.clients.get_mut(client) {
            client.role = Role::Done;
        }
        Ok(())
    }

    /// Applies another policy from the next end on.
    pub(super) fn set_restart(&mut self, restart: Restart, after_exit: Vec<String>) {
        self.launch.restart = restart;
        if !after_exit.is_empty() && after_exit != self.launch.after_exit {
            self.launch.after_exit = after_exit;
            if let Some(keeper) = self.keeper.take() {
                keeper.dismiss();
            }
            self.keep();
        }
    }

    /// Has a keeper where something is to follow. Without one the last act is ours, and after our own
    /// violent death the next command's.
    pub(super) fn keep(&mut self) {
        if self.keeper.is_none() && !self.launch.after_exit.is_empty() {
            self.keeper = Keeper::fork(&self.hierarchies, &self.launch.after_exit).ok();
        }
    }
}
