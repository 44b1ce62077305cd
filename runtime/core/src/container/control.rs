//! Talking to a container's monitor.

use std::os::fd::BorrowedFd;

use isopod_monitor_protocol::client::{ClientError, Connection};
use isopod_monitor_protocol::frame::FrameError;
use isopod_monitor_protocol::message::{ErrorKind, Reply, Request};

use super::Container;
use crate::{Error, Result};

impl Container<'_> {
    /// A connection to its monitor.
    ///
    /// # Errors
    /// [`Error::State`] if it does not run.
    pub(super) fn connect(&self) -> Result<Connection> {
        Connection::open(&self.state()).map_err(|source| {
            let gone = [std::io::ErrorKind::NotFound, std::io::ErrorKind::ConnectionRefused];
            match gone.contains(&source.kind()) {
                true => Error::State {
                    id: self.name().to_owned(),
                    state: "not running",
                    hint: "start it first",
                },
                false => Error::io("cannot reach the monitor at", &self.state())(source),
            }
        })
    }

    /// Whether a monitor listens: a container whose monitor was just killed looks alive until all of it has
    /// ended.
    pub(crate) fn has_listening_monitor(&self) -> bool {
        self.connect().is_ok()
    }

    /// Asks for something that is either done or refused.
    pub(super) fn ask(&self, request: Request) -> Result<Reply> {
        self.ask_running(&mut self.connect()?, request)
    }

    /// As [`Self::ask_on`], of a monitor whose container may end meanwhile, and the monitor with it.
    pub(super) fn ask_running(
        &self,
        connection: &mut Connection,
        request: Request,
    ) -> Result<Reply> {
        self.ask_on(connection, request).map_err(|error| match (&error, self.status()) {
            (Error::MonitorDied { .. } | Error::Monitor(_), Ok(status))
                if !status.phase.is_alive() =>
            {
                Error::State {
                    id: self.name().to_owned(),
                    state: status.phase.as_str(),
                    hint: "start it first",
                }
            }
            _ => error,
        })
    }

    pub(super) fn ask_on(&self, connection: &mut Connection, request: Request) -> Result<Reply> {
        self.ask_on_with(connection, request, &[])
    }

    /// As [`Self::ask_on`], with the descriptors that `Run` hands over.
    pub(super) fn ask_on_with(
        &self,
        connection: &mut Connection,
        request: Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Reply> {
        match connection.ask_with(request, descriptors).map_err(|error| self.client_error(error))? {
            Reply::Error { kind, message } => Err(self.refusal(kind, message)),
            reply => Ok(reply),
        }
    }

    /// An answer that doesn't fit the question.
    pub(super) fn unexpected(&self, reply: &Reply) -> Error {
        Error::Monitor(format!("the monitor of {} answered {reply:?} out of turn", self.name()))
    }

    pub(super) fn client_error(&self, error: ClientError) -> Error {
        use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
        let is_broken =
            |error: &std::io::Error| matches!(error.kind(), BrokenPipe | ConnectionReset);
        match error {
            ClientError::Frame(FrameError::Io(error)) if is_broken(&error) => {
                Error::MonitorDied { id: self.name().to_owned(), detail: String::new() }
            }
            ClientError::Gone => {
                Error::MonitorDied { id: self.name().to_owned(), detail: String::new() }
            }
            error => {
                Error::Monitor(format!("cannot talk to the monitor of {}: {error}", self.name()))
            }
        }
    }

    pub(super) fn refusal(&self, kind: ErrorKind, message: String) -> Error {
        let id = self.name().to_owned();
        match kind {
            ErrorKind::CommandNotFound => Error::CommandNotFound(message),
            ErrorKind::CommandNotExecutable => Error::CommandNotExecutable(message),
            ErrorKind::NotFound => Error::NotFound { what: "exec", name: message },
            ErrorKind::AlreadyExists => Error::AlreadyExists {
                what: "exec id",
                name: message,
                by: "a running exec".to_owned(),
            },
            ErrorKind::WrongPhase => Error::Monitor(format!("container {id}: {message}")),
            ErrorKind::Version => Error::Unsupported(format!(
                "container {id} was started by another release: {message}"
            )),
            ErrorKind::Invalid | ErrorKind::Failed => {
                Error::Monitor(format!("container {id}: {message}"))
            }
        }
    }
}
