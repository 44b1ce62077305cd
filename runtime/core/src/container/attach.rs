//! Joining a running container's standard streams.

use isopod_monitor_protocol::message::{Reply, Request, Streams};

use super::{Container, Session};
use crate::Result;

impl Container<'_> {
    /// Opens a session on its own process. Others may be attached too, and none holds it up.
    ///
    /// # Errors
    /// [`crate::Error::State`] if it does not run.
    pub fn attach(&self, streams: Streams) -> Result<Session> {
        let mut connection = self.connect()?;
        match self.ask_running(&mut connection, Request::Attach { streams })? {
            Reply::Attached => {
                self.happened("attach", &[]);
                Session::new(connection, streams, None, None)
            }
            other => Err(self.unexpected(&other)),
        }
    }

    /// Waits on its own process without any stream.
    pub(super) fn watch(&self) -> Result<Session> {
        let mut connection = self.connect()?;
        match self.ask_running(&mut connection, Request::Wait { exec_id: None })? {
            Reply::Ok => Session::new(connection, Streams::default(), None, None),
            other => Err(self.unexpected(&other)),
        }
    }
}
