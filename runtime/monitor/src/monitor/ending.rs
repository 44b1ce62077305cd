//! Ends: of processes, of the container, of the monitor.

use std::io;
use std::time::Duration;

use isopod_monitor_protocol::state;
use isopod_monitor_protocol::status::{Exit, Phase};
use isopod_monitor_protocol::time::Timestamp;
use isopod_sys::lock::Lock;
use isopod_sys::step::step;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait, waitpid};

use super::{CONTAINER, Monitor, MonitorError, failed};
use crate::stdio::Streamed;
use crate::{cleanup, keeper, launcher, log};

impl Monitor {
    /// Takes the exit status of every child that has ended.
    pub(super) fn reap(&mut self) {
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if self.launcher_ended(pid, status) || self.guard.as_ref().is_some_and(|g| g.is(pid)) {
                // A guard that was killed takes the container along: that is seen next.
                continue;
            }
            if self.keeper.as_ref().is_some_and(|keeper| keeper.is(pid)) {
                // Somebody killed it, and nobody would have the rest done.
                self.keeper = None;
                self.keep();
                continue;
            }
            let of_log = |streams: &mut Streamed| {
                streams.log().is_some_and(|log| log.child_ended(pid, status))
            };
            if self.with_streams(CONTAINER, of_log) == Some(true) {
                continue;
            }
            let raw = pid.as_raw_nonzero().get();
            let mut all = self.processes.iter();
            match all.find(|(_, p)| p.pid == raw && p.exit.is_none()).map(|(number, _)| *number) {
                Some(number) => self.process_ended(number, status),
                // A process may end before its launcher has reported it.
                None if !self.starting.is_empty() => {
                    self.unclaimed.insert(raw, status);
                }
                None => {}
            }
        }
        if self.starting.is_empty() {
            self.unclaimed.clear();
        }
    }

    /// A process has ended, and no longer reads; its output may still be on its way.
    pub(super) fn process_ended(&mut self, number: u32, status: WaitStatus) {
        let is_container = number == CONTAINER;
        if is_container {
            self.look_at_memory();
        }
        let signal = status.terminating_signal();
        let exit = Exit {
            code: signal.map_or_else(|| status.exit_status().unwrap_or(0), |signal| 128 + signal),
            signal,
            oom_killed: is_container && self.is_oom_killed(),
            error: None,
            at: Timestamp::now(),
        };
        let Some(process) = self.processes.get_mut(&number) else { return };
        process.exit = Some(exit.clone());
        let exec_id = process.exec_id.clone();
        let lagged = process.streams.process_ended();
        self.tell_lagged(lagged);
        if let Some(exec_id) = exec_id {
            let known = [("execID", exec_id.as_str()), ("exitCode", &exit.code.to_string())];
            self.record("exec_die", &known);
        }
        if is_container {
            step("monitor.reaped");
            let phase = self.phase_after(&exit);
            self.record_end(&exit);
            self.status.exit = Some(exit);
            self.status.pid = 0;
            self.end_checks();
            self.set_phase(phase);
            step("monitor.recorded");
            self.kill_rest();
        }
    }

    fn is_oom_killed(&self) -> bool {
        let facts = self.facts.as_ref();
        self.is_oom_seen
            || facts
                .is_some_and(|f| self.hierarchies.oom_kills(&f.cgroup).is_ok_and(|kills| kills > 0))
    }

    /// Without a pid namespace of its own, a container's first process leaves others behind.
    fn kill_rest(&mut self) {
        if let Some(facts) = self.facts.as_ref().filter(|facts| !facts.owns_pids) {
            // What resists is seen again, and reported, when the cgroup can't be removed.
            self.hierarchies.kill(&facts.cgroup, Duration::from_secs(5)).ok();
        }
    }

    /// Brings everything that has ended as far to its conclusion as can be done now.
    pub(super) fn settle(&mut self) {
        let ended: Vec<u32> = self
            .processes
            .iter()
            .filter(|(_, process)| process.exit.is_some())
            .map(|(number, _)| *number)
            .collect();
        for number in ended {
            let lagged = self.with_streams(number, Streamed::settle);
            self.tell_lagged(lagged.unwrap_or_default());
            let process =
                self.processes.get(&number).filter(|process| process.streams.is_settled());
            let Some(exit) = process.and_then(|process| process.exit.clone()) else { continue };
            if number != CONTAINER {
                let process = self.processes.remove(&number);
                self.check_ended(number, process, &exit);
                self.tell_exited(number, &exit);
            } else if self.processes.len() == 1 && self.starting.is_empty() {
                self.conclude(&exit);
            }
        }
        self.sweep();
        self.restart_if_due();
        self.check_health();
    }

    /// The container is gone, all its output handed over: what is left of it is removed, whoever
    /// waits is told, and the monitor has nothing more to do.
    fn conclude(&mut self, exit: &Exit) {
        if self.is_to_restart() {
            return self.rest(exit);
        }
        self.undo();
        step("monitor.undone");
        self.is_followed = self.clients.has_attached_first();
        self.processes.remove(&CONTAINER);
        self.tell_exited(CONTAINER, exit);
        self.is_over = true;
    }

    /// Removes all that a start has made. A failure is added to the status: nothing is lost, and the
    /// next clean-up tries again.
    pub(super) fn undo(&mut self) {
        self.listener = None;
        // Whoever is told of the end may start it again at once, with the same ports.
        self.network.close();
        self.undo_start();
        cleanup::remove_socket(&self.launch).ok();
    }

    /// As [`Monitor::undo`], but clients can still reach us.
    pub(super) fn undo_start(&mut self) {
        if let Some(guard) = self.guard.take() {
            guard.dismiss();
        }
        // Before what they are about to make: a control group that is gone would come back.
        self.sweep();
        let facts = self.facts.as_ref();
        let has_epilogue = facts.is_some_and(|facts| facts.has_epilogue);
        let cgroup = facts.map(|facts| facts.cgroup.as_path());
        let removed = cleanup::remove(&self.launch, &self.hierarchies, cgroup, has_epilogue);
        if let (Err(error), Some(exit)) = (removed, &mut self.status.exit) {
            let words = exit.error.take().map(|first| format!("{first}; ")).unwrap_or_default();
            exit.error = Some(format!("{words}{error}"));
            self.publish();
        }
    }

    /// Removes the control groups that were made ahead of a `Run` that never came. If another
    /// monitor has the container by now they are that one's.
    pub(super) fn abandon(&self) {
        let Some(facts) = &self.facts else { return };
        let _ours = match Lock::try_exclusive(&self.launch.state.join(state::LOCK)) {
            Ok(Some(lock)) => Some(lock),
            // Without a folder nobody has it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            _ => return,
        };
        self.hierarchies.prune(&facts.cgroup).ok();
    }

    /// Kills the container's first process, or the launcher before there is one.
    pub(super) fn kill_container(&mut self) {
        if let Some(process) = self.processes.get(&CONTAINER).filter(|p| p.exit.is_none()) {
            if let Some(pid) = Pid::from_raw(process.pid) {
                kill_process(pid, Signal::KILL).ok();
            }
            if let Some(facts) = &self.facts
                && self.status.phase == Phase::Paused
            {
                self.hierarchies.set_frozen(&facts.cgroup, false).ok();
            }
        } else if let Some(starting) = self.starting.get(&CONTAINER) {
            kill_process(starting.launcher(), Signal::KILL).ok();
        } else if self.is_to_restart() {
            self.give_up_restart(false);
        } else if self.processes.is_empty() {
            self.is_over = true;
        }
    }

    /// Kills what a launcher that was killed has left half-made, and waits for its end. libcontainer gives
    /// such processes a name, and those that have none yet still have the launcher's; as long as other
    /// launchers work, theirs can't be told apart.
    fn sweep(&mut self) {
        if !self.has_strays || !self.starting.is_empty() {
            return;
        }
        self.has_strays = false;
        // One that was killed may have made another just before.
        while let Some(pid) = stray() {
            kill_process(pid, Signal::KILL).ok();
            if waitpid(Some(pid), WaitOptions::empty()).is_err() {
                return;
            }
        }
    }

    /// The last act: gives up the socket and the lock. The keeper then starts the command that is to follow,
    /// unless who started the container is still attached: then what is to be done is theirs.
    pub(super) fn leave(mut self) -> Result<(), MonitorError> {
        if self.lock.is_some() {
            // Gone already where the container has ended in order.
            std::fs::remove_file(self.launch.state.join(state::SOCKET)).ok();
            // Everybody has been told; but who removes the container waits for us.
            log::pack_rest(&self.launch.log);
        }
        let (command, keeper) = (std::mem::take(&mut self.launch.after_exit), self.keeper.take());
        let (hierarchies, is_followed) = (self.hierarchies.clone(), self.is_followed);
        drop(self);
        step("monitor.leaving");
        match keeper {
            Some(keeper) if is_followed => keeper.dismiss(),
            // It sees our end.
            Some(_) => {}
            None if is_followed => {}
            None => keeper::follow(&hierarchies, &command)
                .map_err(failed("run the command that is to follow"))?,
        }
        Ok(())
    }
}

/// A child of ours that a launcher made and that is no container's yet. It is not reaped, so the number is
/// still its own.
fn stray() -> Option<Pid> {
    let children = std::fs::read_to_string("/proc/thread-self/children").ok()?;
    let mut children = children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok());
    let is_stray = |pid: &i32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.starts_with("youki:[") || name.trim_end() == launcher::NAME
    };
    children.find(is_stray).and_then(Pid::from_raw)
}
