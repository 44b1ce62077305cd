//! A process's standard input.

use rustix::io::Errno;

use super::{CHUNK, InputPolicy};
use crate::poll::{Interest, Watched};

/// The writing end of a process's standard input.
#[derive(Debug)]
pub struct Input {
    /// `None` before a terminal has arrived, and after it was closed.
    fd: Option<Watched>,
    /// What it didn't take.
    rest: Vec<u8>,
    policy: InputPolicy,
    /// Closed as soon as `rest` is written.
    is_closing: bool,
    /// How many sessions feed it.
    pub feeders: u32,
}

/// What came of moving bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Feed {
    /// It takes more.
    More,
    /// It takes no more for now.
    Full,
    /// The session has no more.
    SourceEnded,
    /// The process will never read more.
    Closed,
}

impl Input {
    /// Not open yet.
    pub fn new(policy: InputPolicy) -> Self {
        Self { fd: None, rest: Vec::new(), policy, is_closing: false, feeders: 0 }
    }

    /// Takes the descriptor.
    pub fn open(&mut self, fd: Watched) {
        self.fd = Some(fd);
    }

    /// Whether sessions should be read.
    pub fn takes(&self) -> bool {
        self.fd.is_some() && self.rest.is_empty() && !self.is_closing
    }

    /// Moves one chunk from `source`.
    pub fn feed(&mut self, source: &mut Watched) -> Feed {
        if !self.takes() {
            return if self.fd.is_none() { Feed::Closed } else { Feed::Full };
        }
        let mut chunk = [0; CHUNK];
        match rustix::io::read(&*source, &mut chunk) {
            Ok(0) => Feed::SourceEnded,
            Ok(length) => self.write(&chunk[..length]),
            Err(Errno::AGAIN | Errno::INTR) => Feed::More,
            Err(_) => Feed::SourceEnded,
        }
    }

    /// Writes on what was kept.
    pub fn flush(&mut self) -> Feed {
        let rest = std::mem::take(&mut self.rest);
        self.write(&rest)
    }

    fn write(&mut self, mut bytes: &[u8]) -> Feed {
        let Some(fd) = &mut self.fd else { return Feed::Closed };
        while !bytes.is_empty() {
            match rustix::io::write(&*fd, bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if fd.set(Interest::Write).is_ok() => {
                    self.rest = bytes.to_vec();
                    return Feed::Full;
                }
                Err(_) => return self.close(),
            }
        }
        if self.is_closing || fd.set(Interest::None).is_err() {
            return self.close();
        }
        Feed::More
    }

    fn close(&mut self) -> Feed {
        self.fd = None;
        self.rest = Vec::new();
        Feed::Closed
    }

    /// A session that fed it has left.
    ///
    /// A terminal has no end of file of its own: it stays.
    pub fn feeder_left(&mut self, is_terminal: bool) {
        self.feeders = self.feeders.saturating_sub(1);
        let closes = match self.policy {
            InputPolicy::Open => false,
            InputPolicy::Once => true,
            InputPolicy::WhileFed => self.feeders == 0,
        };
        if closes && !is_terminal {
            self.is_closing = true;
            if self.rest.is_empty() {
                self.close();
            }
        }
    }
}
