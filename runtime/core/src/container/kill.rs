//! Sending signals.

use isopod_monitor_protocol::message::Request;

use super::{Container, Phase};
use crate::Result;

const SIGKILL: i32 = 9;

impl Container<'_> {
    /// Sends `signal` to its own process, or to all of its processes.
    ///
    /// # Errors
    /// [`crate::Error::State`] if it does not run.
    pub fn kill(&self, signal: i32, all: bool) -> Result<()> {
        // docker's rule: these two mean that it is to stay down.
        let stop = signal == SIGKILL || self.stop_signal().is_ok_and(|own| own == signal);
        self.send(signal, all, stop)
    }

    /// Sends `signal`; with `stop` no restart policy applies to the end that follows.
    pub(super) fn send(&self, signal: i32, all: bool, stop: bool) -> Result<()> {
        let mut allowed = vec![Phase::Running, Phase::Paused];
        if stop {
            // Then it stays down.
            allowed.push(Phase::Restarting);
        }
        self.require(&allowed, "only a running container can be signalled")?;
        self.ask(Request::Kill { exec_id: None, signal, all, stop }).map(drop)
    }

    /// Sends `signal` to an exec.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`]; [`crate::Error::State`] if the container does not run.
    pub fn kill_exec(&self, exec_id: &str, signal: i32) -> Result<()> {
        let exec_id = Some(exec_id.to_owned());
        self.ask(Request::Kill { exec_id, signal, all: false, stop: false }).map(drop)
    }
}
