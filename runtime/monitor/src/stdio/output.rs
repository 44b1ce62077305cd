//! One output of a process, and one session's share of it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use crate::poll::{Interest, Watched};

/// The reading end of a process's output.
#[derive(Debug)]
pub struct Output {
    fd: Watched,
    /// How many bytes came out of it.
    pub moved: u64,
}

/// What reading brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// This many bytes.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The end.
    End,
}

impl Output {
    /// Not read from yet.
    pub fn new(fd: Watched) -> Self {
        Self { fd, moved: 0 }
    }

    /// Reads what there is.
    pub fn read(&mut self, chunk: &mut [u8]) -> Read {
        match rustix::io::read(&self.fd, chunk) {
            Ok(0) => Read::End,
            Ok(length) => {
                self.moved += length as u64;
                Read::Bytes(length)
            }
            Err(Errno::AGAIN | Errno::INTR) => Read::Nothing,
            // EIO: nobody has the terminal open any more.
            Err(_) => Read::End,
        }
    }

    /// Stops reading, so that the process has to wait.
    pub fn pause(&mut self) {
        // Taking out what is in the set can't fail.
        self.fd.set(Interest::None).ok();
    }

    /// Goes on reading.
    pub fn resume(&mut self) -> io::Result<()> {
        self.fd.set(Interest::Read)
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The writing end of a session's pipe.
#[derive(Debug)]
pub struct Sink {
    fd: Watched,
    /// What the pipe didn't take.
    rest: Vec<u8>,
}

/// What writing achieved.
#[derive(Debug, PartialEq, Eq)]
pub enum Write {
    /// The pipe took all.
    Done,
    /// The rest is kept.
    Partly,
    /// Nobody reads any more.
    Broken,
}

impl Sink {
    /// An empty pipe.
    pub fn new(fd: Watched) -> Self {
        Self { fd, rest: Vec::new() }
    }

    /// Whether something is kept that the pipe didn't take.
    pub fn is_full(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Writes, keeping what the pipe doesn't take.
    pub fn write(&mut self, bytes: &[u8]) -> Write {
        let mut written = 0;
        while written < bytes.len() {
            match rustix::io::write(&self.fd, &bytes[written..]) {
                Ok(length) => written += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    self.rest = bytes[written..].to_vec();
                    return match self.fd.set(Interest::Write) {
                        Ok(()) => Write::Partly,
                        Err(_) => Write::Broken,
                    };
                }
                Err(_) => return Write::Broken,
            }
        }
        Write::Done
    }

    /// Writes on what was kept.
    pub fn flush(&mut self) -> Write {
        let rest = std::mem::take(&mut self.rest);
        let result = self.write(&rest);
        if result == Write::Done && self.fd.set(Interest::None).is_err() {
            return Write::Broken;
        }
        result
    }
}
