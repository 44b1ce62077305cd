//! Moves bytes between our standard streams and a session's pipes, with one `poll`.
//!
//! Nothing is lost: a stream is read only when what was read before is written. Writing to
//! our own streams never blocks the loop for long: a pipe that polls writable takes
//! `PIPE_BUF` bytes at once (pipe(7)), so that signals are heard while a pager waits.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use rustix::io::Errno;

use super::detach::{Keys, Typed};

const READ: usize = 32 * 1024;
const PIPE_BUF: usize = 4096;

/// Our own ends.
#[derive(Debug, Clone, Copy)]
pub struct Local<'a> {
    /// Standard input.
    pub stdin: BorrowedFd<'a>,
    /// Standard output.
    pub stdout: BorrowedFd<'a>,
    /// Standard error.
    pub stderr: BorrowedFd<'a>,
}

/// The session's ends; those that are not there are not pumped.
#[derive(Debug, Default)]
pub struct Remote {
    /// Written to.
    pub stdin: Option<OwnedFd>,
    /// Read from.
    pub stdout: Option<OwnedFd>,
    /// Read from.
    pub stderr: Option<OwnedFd>,
}

/// Who hears of what is not bytes.
pub trait Control {
    /// Readable when there is news of the session.
    fn news(&self) -> BorrowedFd<'_>;
    /// Whether it has ended, and all its output is in the pipes.
    ///
    /// # Errors
    /// The news can't be understood.
    fn has_ended(&mut self) -> io::Result<bool>;
    /// Readable when a signal has arrived.
    fn signals(&self) -> Option<BorrowedFd<'_>>;
    /// Takes the signals that have arrived; `Break` ends the pump.
    ///
    /// # Errors
    /// They can't be read.
    fn take_signals(&mut self) -> io::Result<ControlFlow<()>>;
}

/// Why the pump stopped.
#[derive(Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The session has ended and its output was written.
    Ended,
    /// The detach keys were typed.
    Detached,
    /// [`Control::take_signals`] said so.
    Signalled,
}

/// Pumps until the session ends, the keys are typed or a signal says so.
///
/// # Errors
/// `BrokenPipe` when the reader of our standard output has left; whatever `poll`, `read`
/// and `write` return otherwise.
pub fn pump(
    local: Local<'_>,
    remote: Remote,
    control: &mut dyn Control,
    keys: Option<Keys>,
) -> io::Result<Stopped> {
    let mut input = Input { source: local.stdin, sink: remote.stdin, pending: Vec::new(), keys };
    if let Some(sink) = &input.sink {
        // Our end of a pipe made for this session: nobody else sees the flag.
        fcntl_setfl(sink, fcntl_getfl(sink)? | OFlags::NONBLOCK)?;
    }
    let mut outputs =
        [Output::new(remote.stdout, local.stdout), Output::new(remote.stderr, local.stderr)];
    let mut ended = false;
    loop {
        let ready = wait(&input, &outputs, control, ended)?;
        if ready.signals && control.take_signals()?.is_break() {
            return Ok(Stopped::Signalled);
        }
        if ready.input && input.step()?.is_break() {
            return Ok(Stopped::Detached);
        }
        let mut moved = false;
        for (output, ready) in outputs.iter_mut().zip(ready.outputs) {
            if ready {
                output.step()?;
                moved = true;
            }
        }
        let idle = outputs.iter().all(|output| output.pending.is_empty());
        if ended && !moved && idle {
            return Ok(Stopped::Ended);
        }
        ended = ended || ready.end && control.has_ended()?;
    }
}

/// What polled ready.
struct Ready {
    end: bool,
    signals: bool,
    input: bool,
    outputs: [bool; 2],
}

fn wait(
    input: &Input<'_>,
    outputs: &[Output<'_>; 2],
    control: &dyn Control,
    ended: bool,
) -> io::Result<Ready> {
    let end = control.news();
    let mut polled = vec![(Slot::End, PollFd::from_borrowed_fd(end, PollFlags::IN))];
    if ended {
        // It stays readable for ever; only what is left in the pipes matters now.
        polled.clear();
    }
    if let Some(signals) = control.signals() {
        polled.push((Slot::Signals, PollFd::from_borrowed_fd(signals, PollFlags::IN)));
    }
    if !ended {
        input.interest(&mut polled);
    }
    for (index, output) in outputs.iter().enumerate() {
        if let Some(fd) = output.interest() {
            polled.push((Slot::Output(index), fd));
        }
    }
    let mut fds: Vec<PollFd<'_>> = polled.iter().map(|(_, fd)| fd.clone()).collect();
    let waiting = outputs.iter().any(|output| !output.pending.is_empty());
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let timeout = (ended && !waiting).then_some(&now);
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ready = Ready { end: false, signals: false, input: false, outputs: [false; 2] };
    for ((slot, _), fd) in polled.iter().zip(&fds) {
        if fd.revents().is_empty() {
            continue;
        }
        match slot {
            Slot::End => ready.end = true,
            Slot::Signals => ready.signals = true,
            Slot::Input => ready.input = true,
            Slot::Output(index) => ready.outputs[*index] = true,
        }
    }
    Ok(ready)
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    End,
    Signals,
    Input,
    Output(usize),
}

/// From our standard input to the session.
struct Input<'a> {
    source: BorrowedFd<'a>,
    sink: Option<OwnedFd>,
    pending: Vec<u8>,
    keys: Option<Keys>,
}

impl Input<'_> {
    fn interest<'b>(&'b self, polled: &mut Vec<(Slot, PollFd<'b>)>) {
        let Some(sink) = &self.sink else { return };
        if self.pending.is_empty() {
            polled.push((Slot::Input, PollFd::from_borrowed_fd(self.source, PollFlags::IN)));
            // Without an event of its own it still reports that its reader has left.
            polled.push((Slot::Input, PollFd::new(sink, PollFlags::empty())));
        } else {
            polled.push((Slot::Input, PollFd::new(sink, PollFlags::OUT)));
        }
    }

    /// Writes what is pending, or reads what there is; `Break` when the keys were typed.
    fn step(&mut self) -> io::Result<ControlFlow<()>> {
        if self.pending.is_empty() {
            if self.reader_left()? {
                self.sink = None;
                return Ok(ControlFlow::Continue(()));
            }
            let detach = self.read()?;
            self.write()?;
            return Ok(detach);
        }
        self.write()?;
        Ok(ControlFlow::Continue(()))
    }

    fn reader_left(&self) -> io::Result<bool> {
        let Some(sink) = &self.sink else { return Ok(true) };
        let mut fds = [PollFd::new(sink, PollFlags::empty())];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut fds, Some(&now))?;
        Ok(fds[0].revents().intersects(PollFlags::ERR | PollFlags::NVAL))
    }

    fn read(&mut self) -> io::Result<ControlFlow<()>> {
        // Polled again: the wake-up may have been for the other end.
        let mut fds = [PollFd::from_borrowed_fd(self.source, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut fds, Some(&now))? == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        let mut buffer = [0; READ];
        let count = match rustix::io::read(self.source, &mut buffer) {
            Ok(count) => count,
            Err(Errno::INTR | Errno::AGAIN) => return Ok(ControlFlow::Continue(())),
            // A terminal that hung up, a background process that may not read it.
            Err(Errno::IO) => 0,
            Err(error) => return Err(error.into()),
        };
        if count == 0 {
            // End of file: what is held back belongs to the container after all.
            let rest = self.keys.as_mut().map(Keys::rest).unwrap_or_default();
            self.pending = rest;
            self.write()?;
            self.sink = None;
            return Ok(ControlFlow::Continue(()));
        }
        match &mut self.keys {
            None => self.pending.extend_from_slice(&buffer[..count]),
            Some(keys) => match keys.take(&buffer[..count]) {
                Typed::Pass(bytes) => self.pending = bytes,
                Typed::Detach(bytes) => {
                    self.pending = bytes;
                    self.write()?;
                    return Ok(ControlFlow::Break(()));
                }
            },
        }
        Ok(ControlFlow::Continue(()))
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(sink) = &self.sink else { return Ok(()) };
        if self.pending.is_empty() {
            return Ok(());
        }
        match rustix::io::write(sink, &self.pending) {
            Ok(count) => {
                self.pending.drain(..count);
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            // The process closed its standard input: ours is read no further.
            Err(Errno::PIPE) => {
                self.pending.clear();
                self.sink = None;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// From the session to one of our streams.
struct Output<'a> {
    source: Option<OwnedFd>,
    sink: BorrowedFd<'a>,
    pending: Vec<u8>,
    /// How much is written at once.
    chunk: usize,
}

impl<'a> Output<'a> {
    fn new(source: Option<OwnedFd>, sink: BorrowedFd<'a>) -> Self {
        let regular = fstat(sink)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        let chunk = if regular { READ } else { PIPE_BUF };
        Self { source, sink, pending: Vec::new(), chunk }
    }

    fn interest(&self) -> Option<PollFd<'_>> {
        if self.pending.is_empty() {
            let source = self.source.as_ref()?;
            return Some(PollFd::from_borrowed_fd(source.as_fd(), PollFlags::IN));
        }
        Some(PollFd::from_borrowed_fd(self.sink, PollFlags::OUT))
    }

    fn step(&mut self) -> io::Result<()> {
        if self.pending.is_empty() { self.read() } else { self.write() }
    }

    fn read(&mut self) -> io::Result<()> {
        let Some(source) = &self.source else { return Ok(()) };
        let mut buffer = [0; READ];
        match rustix::io::read(source, &mut buffer) {
            Ok(0) | Err(Errno::IO) => self.source = None,
            Ok(count) => self.pending.extend_from_slice(&buffer[..count]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let chunk = self.pending.len().min(self.chunk);
        match rustix::io::write(self.sink, &self.pending[..chunk]) {
            Ok(count) => {
                self.pending.drain(..count);
            }
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
