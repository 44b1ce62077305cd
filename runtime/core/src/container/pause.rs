//! Freezing and thawing.

use isopod_monitor_protocol::message::Request;

use super::{Container, Phase};
use crate::Result;

impl Container<'_> {
    /// Freezes all its processes.
    ///
    /// # Errors
    /// [`crate::Error::State`] unless it runs.
    pub fn pause(&self) -> Result<()> {
        self.require(&[Phase::Running], "only a running container can be paused")?;
        self.ask(Request::Pause)?;
        self.happened("pause", &[]);
        Ok(())
    }

    /// Thaws them.
    ///
    /// # Errors
    /// [`crate::Error::State`] unless it is paused.
    pub fn resume(&self) -> Result<()> {
        self.require(&[Phase::Paused], "only a paused container can be resumed")?;
        self.ask(Request::Resume)?;
        self.happened("unpause", &[]);
        Ok(())
    }
}
