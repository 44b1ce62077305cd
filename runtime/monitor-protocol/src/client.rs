//! The client's side: starting a monitor, reaching one that runs, asking.
//!
//! Everything here blocks; a caller with an async runtime takes [`Connection::into_parts`]
//! or a thread.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::frame::{Decoder, FrameError, encode, send_whole};
use crate::message::{Envelope, Event, FromMonitor, Reply, Request};
use crate::{VERSION, state};

/// One conversation with a monitor.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    decoder: Decoder,
}

impl From<UnixStream> for Connection {
    fn from(stream: UnixStream) -> Self {
        Self { stream, decoder: Decoder::default() }
    }
}

/// What [`Connection::try_event`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Nothing yet.
    None,
    /// This happened.
    Event(Event),
    /// The monitor has closed the connection.
    Closed,
}

/// Why a conversation failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection or a message on it is broken.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The monitor ended before it answered.
    #[error("monitor ended without an answer")]
    Gone,
    /// An event came where a reply belongs, or the reverse.
    #[error("monitor sent {0:?} out of turn")]
    OutOfTurn(Box<FromMonitor>),
}

impl Connection {
    /// Reaches the monitor whose state folder this is.
    ///
    /// The path may be longer than a socket address holds.
    ///
    /// # Errors
    /// `NotFound` or `ConnectionRefused` where no monitor runs.
    pub fn open(state_folder: &Path) -> io::Result<Self> {
        connect(state_folder).map(Self::from)
    }

    /// Sends a request without waiting for its reply.
    ///
    /// # Errors
    /// The connection broke, or the request is too large.
    pub fn send(&mut self, request: Request) -> Result<(), FrameError> {
        self.send_with(request, &[])
    }

    /// As [`Connection::send`], with the descriptors that [`Request::Run`] hands over.
    ///
    /// # Errors
    /// As there; also where there are more than [`crate::frame::MAX_HANDED`].
    pub fn send_with(
        &mut self,
        request: Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), FrameError> {
        let bytes = encode(&Envelope { version: VERSION, request })?;
        send_whole(&self.stream, &bytes, descriptors)
    }

    /// The next message; `None` when the monitor has closed the connection.
    ///
    /// # Errors
    /// The connection broke, or a message is malformed.
    pub fn receive(&mut self) -> Result<Option<FromMonitor>, FrameError> {
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(Some(message));
            }
            if self.decoder.receive(&self.stream)? == 0 {
                let within = self.decoder.is_within_message();
                return if within { Err(FrameError::Truncated) } else { Ok(None) };
            }
        }
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// See [`ClientError`]; a refusal is no error here but [`Reply::Error`].
    pub fn ask(&mut self, request: Request) -> Result<Reply, ClientError> {
        self.ask_with(request, &[])
    }

    /// As [`Connection::ask`], with the descriptors that [`Request::Run`] hands over.
    ///
    /// # Errors
    /// As there.
    pub fn ask_with(
        &mut self,
        request: Request,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<Reply, ClientError> {
        // A monitor that has ended may still have said why: its words outlive it in the socket.
        let sent = match self.send_with(request, descriptors) {
            sent @ (Ok(()) | Err(FrameError::Io(_))) => sent,
            // It got nothing, and would wait for us as we for it.
            Err(error) => return Err(error.into()),
        };
        match (self.receive(), sent) {
            (Ok(Some(FromMonitor::Reply(reply))), _) => Ok(reply),
            (Ok(Some(other)), _) => Err(ClientError::OutOfTurn(Box::new(other))),
            (Ok(None), _) => Err(ClientError::Gone),
            (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error.into()),
        }
    }

    /// Waits for the next event; `None` when the monitor has closed the connection.
    ///
    /// Replies to [`Request::Resize`], which may come in between, are skipped.
    ///
    /// # Errors
    /// The connection broke, or a message is malformed.
    pub fn event(&mut self) -> Result<Option<Event>, FrameError> {
        loop {
            match self.receive()? {
                Some(FromMonitor::Event(event)) => return Ok(Some(event)),
                Some(FromMonitor::Reply(_)) => {}
                None => return Ok(None),
            }
        }
    }

    /// As [`Connection::event`] for whoever polls the socket: readable may mean no more than the
    /// reply to a [`Request::Resize`]. Never blocks.
    ///
    /// # Errors
    /// The connection broke, or a message is malformed.
    pub fn try_event(&mut self) -> Result<News, FrameError> {
        loop {
            match self.decoder.next_message()? {
                Some(FromMonitor::Event(event)) => return Ok(News::Event(event)),
                Some(FromMonitor::Reply(_)) => continue,
                None => {}
            }
            let mut fds = [PollFd::new(&self.stream, PollFlags::IN)];
            match poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
                Ok(0) => return Ok(News::None),
                Ok(_) if self.decoder.receive(&self.stream)? == 0 => return Ok(News::Closed),
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(FrameError::from(io::Error::from(errno))),
            }
        }
    }

    /// The session's descriptors, which came with the reply: those of stdin, stdout and stderr
    /// that were asked for, in that order.
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        self.decoder.take_descriptors()
    }

    /// The socket and what was received from it beyond the last message.
    #[must_use]
    pub fn into_parts(self) -> (UnixStream, Decoder) {
        (self.stream, self.decoder)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A connected control socket of the monitor whose state folder this is.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` where no monitor runs.
pub fn connect(state_folder: &Path) -> io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(CWD, state_folder, flags, Mode::empty())?;
    UnixStream::connect(format!("/proc/self/fd/{}/{}", folder.as_raw_fd(), state::SOCKET))
}

/// A monitor that was just started.
#[derive(Debug)]
pub struct Spawned {
    /// On which [`Request::Run`] goes.
    pub connection: Connection,
    /// The process that was started. It has forked the monitor and ends by itself some
    /// milliseconds later: reap it, but don't hurry to.
    pub starter: Child,
}

/// Starts a monitor for the container whose data folder this is.
///
/// `binary` is a handle of the monitor's program that can't be written
/// (`isopod_sys::tree::readonly_clone`).
///
/// # Errors
/// Making the socket or starting the program failed.
pub fn spawn(binary: BorrowedFd<'_>, data_folder: &Path) -> io::Result<Spawned> {
    let (ours, theirs) = UnixStream::pair()?;
    let starter = Command::new(format!("/proc/self/fd/{}", binary.as_raw_fd()))
        .arg0("isopod-monitor")
        .arg(data_folder)
        .env_clear()
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok(Spawned { connection: ours.into(), starter })
}

/// Records the death of a container whose monitor died, and removes what is left of it: processes,
/// control groups, libcontainer's state, the socket. Waits until that is done.
///
/// # Errors
/// The program can't be started, or failed; its last line on standard error is the message.
pub fn clean_up(binary: BorrowedFd<'_>, data_folder: &Path) -> io::Result<()> {
    let output = Command::new(format!("/proc/self/fd/{}", binary.as_raw_fd()))
        .arg0("isopod-monitor")
        .arg("--cleanup")
        .arg(data_folder)
        .env_clear()
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let line = words.lines().last().unwrap_or("ended without a word");
    Err(io::Error::other(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_cannot_be_sent_is_not_waited_for() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let descriptors = vec![ours.as_fd(); crate::frame::MAX_HANDED + 1];
        let mut connection = Connection::from(ours.try_clone().unwrap());
        let error = connection.ask_with(Request::Status, &descriptors).unwrap_err();
        assert!(error.to_string().starts_with("4097 sockets"), "{error}");
    }
}
