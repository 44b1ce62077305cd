//! A session: pipes to a process's standard streams, and word of its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use isopod_monitor_protocol::client::{Connection, News};
use isopod_monitor_protocol::message::{Event, Request, Size, Streams};
use isopod_monitor_protocol::status::Exit;

use crate::{Error, Result};

/// Pipes that were made for this session. Dropping it detaches; the process runs on.
#[derive(Debug)]
pub struct Session {
    /// Feeds standard input; dropping it is end of file.
    pub stdin: Option<OwnedFd>,
    /// Reads standard output, of a terminal everything.
    pub stdout: Option<OwnedFd>,
    /// Reads standard error.
    pub stderr: Option<OwnedFd>,
    pid: Option<i32>,
    exec_id: Option<String>,
    connection: Connection,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    /// The process ended, and all its output is in the pipes.
    Exited(Exit),
    /// This session read too slowly and was ended; the process runs on.
    Lagged,
    /// The monitor closed the connection without a word: it died, and the container with it.
    MonitorDied,
}

impl Session {
    /// Takes over a connection whose reply opened a session.
    pub(super) fn new(
        mut connection: Connection,
        streams: Streams,
        pid: Option<i32>,
        exec_id: Option<String>,
    ) -> Result<Self> {
        let mut descriptors = connection.take_descriptors().into_iter();
        let mut next = |wanted: bool| match (wanted, wanted.then(|| descriptors.next()).flatten()) {
            (true, None) => {
                Err(Error::Monitor("the monitor sent fewer descriptors than asked for".to_owned()))
            }
            (_, descriptor) => Ok(descriptor),
        };
        Ok(Self {
            stdin: next(streams.stdin)?,
            stdout: next(streams.stdout)?,
            stderr: next(streams.stderr)?,
            pid,
            exec_id,
            connection,
        })
    }

    /// The process's id on the host, where this session started it.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// The name of the exec that it belongs to; `None`: the container's own process.
    #[must_use]
    pub fn exec_id(&self) -> Option<&str> {
        self.exec_id.as_deref()
    }

    /// Readable when there is news of the session, its end among them: to be polled beside the
    /// pipes, and then asked with [`Session::try_wait`].
    #[must_use]
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }

    /// Sets the terminal's size.
    ///
    /// # Errors
    /// The monitor can't be reached.
    pub fn resize(&mut self, size: Size) -> Result<()> {
        let request = Request::Resize { exec_id: self.exec_id.clone(), size };
        self.connection
            .send(request)
            .map_err(|error| Error::Monitor(format!("cannot resize the terminal: {error}")))
    }

    /// How the session ended, if it did; never blocks. For whoever polls [`Session::event_fd`], which
    /// is readable for other news too.
    ///
    /// # Errors
    /// As [`Session::wait`].
    pub fn try_wait(&mut self) -> Result<Option<SessionEnd>> {
        match self.connection.try_event() {
            Ok(News::None) => Ok(None),
            Ok(News::Event(Event::Exited { exit })) => Ok(Some(SessionEnd::Exited(exit))),
            Ok(News::Event(Event::Lagged)) => Ok(Some(SessionEnd::Lagged)),
            Ok(News::Closed) => Ok(Some(SessionEnd::MonitorDied)),
            Err(error) => Err(Error::Monitor(format!("cannot hear from the monitor: {error}"))),
        }
    }

    /// Blocks until the session ends.
    ///
    /// # Errors
    /// The connection broke or carries what can't be understood.
    pub fn wait(&mut self) -> Result<SessionEnd> {
        match self.connection.event() {
            Ok(Some(Event::Exited { exit })) => Ok(SessionEnd::Exited(exit)),
            Ok(Some(Event::Lagged)) => Ok(SessionEnd::Lagged),
            Ok(None) => Ok(SessionEnd::MonitorDied),
            Err(error) => Err(Error::Monitor(format!("cannot hear from the monitor: {error}"))),
        }
    }
}
