//! Sending signals.

use isopod_monitor_protocol::message::Request;

use super::{Container, Phase};
use crate::Result;

impl Container<'_> {
    /// Sends `signal` to its own process, or to all of its processes.
    ///
    /// # Errors
    /// [`crate::Error::State`] if it does not run.
    pub fn kill(&self, signal: i32, all: bool) -> Result<()> {
        self.require(
            &[Phase::Running, Phase::Paused],
            "only a running container can be signalled",
        )?;
        self.ask(Request::Kill { exec_id: None, signal, all, stop: false }).map(drop)
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
