//! A container's process in the foreground: its session on our streams, until it ends,
//! is left by its keys, or a signal ends us.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

use isopod_monitor_protocol::status::Exit;
use isopod_runtime::container::{Session, SessionEnd};
use nix::sys::signal::Signal;

use super::detach::Keys;
use super::pump::{self, Control, Local, Remote, Stopped};
use super::raw::RawMode;
use super::signals::Signals;
use crate::error::Error;

/// After this many interrupts that a container ignored the client gives up, as docker's does.
const PATIENCE: u32 = 3;

/// How a session is shown.
pub struct Foreground<'a> {
    /// The process has a terminal, and so our own input is raw.
    pub terminal: bool,
    /// Signals that arrive here go here.
    pub forward: Option<&'a dyn Fn(i32)>,
    /// Keys that leave it; only where a terminal feeds it.
    pub keys: Option<Keys>,
    /// What it is called in messages.
    pub name: &'a str,
}

/// How it was left.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// It ended.
    Exited(Exit),
    /// It goes on without us.
    Detached,
    /// A signal ended us, or patience did.
    Interrupted(u8),
}

/// Signals that must be caught before a session opens, so that none is lost.
///
/// # Errors
/// The kernel gives no descriptor.
pub fn catch_signals(forward: bool, terminal: bool) -> Result<Option<Signals>, Error> {
    Signals::catch(forward, terminal)
        .map_err(|source| Error::Terminal { action: "cannot catch signals", source })
}

impl Foreground<'_> {
    /// Shows `session` until one of the three ways out of [`Left`].
    ///
    /// # Errors
    /// Our streams or terminal fail ([`Error::Output`] when their reader left); the
    /// session's monitor died; it read too slowly.
    pub fn show(self, mut session: Session, signals: Option<Signals>) -> Result<Left, Error> {
        let remote = Remote {
            stdin: session.stdin.take(),
            stdout: session.stdout.take(),
            stderr: session.stderr.take(),
        };
        let raw = self.raw_mode(remote.stdin.is_some())?;
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let local = Local { stdin: stdin.as_fd(), stdout: stdout.as_fd(), stderr: stderr.as_fd() };
        let mut watch = Watch {
            session: &mut session,
            signals: signals.as_ref(),
            forward: self.forward,
            terminal: self.terminal,
            interrupts: 0,
            status: 0,
            end: None,
        };
        watch.resize();
        let stopped = pump::pump(local, remote, &mut watch, self.keys)?;
        let (status, end) = (watch.status, watch.end);
        drop(raw);
        match stopped {
            Stopped::Detached => Ok(Left::Detached),
            Stopped::Signalled => Ok(Left::Interrupted(status)),
            Stopped::Ended => match end.transpose()? {
                Some(SessionEnd::Exited(exit)) => Ok(Left::Exited(exit)),
                Some(SessionEnd::Lagged) => Err(Error::Lagged(self.name.to_owned())),
                Some(SessionEnd::MonitorDied) | None => Err(isopod_runtime::Error::MonitorDied {
                    id: self.name.to_owned(),
                    detail: String::new(),
                }
                .into()),
            },
        }
    }

    fn raw_mode(&self, feeds: bool) -> Result<Option<RawMode>, Error> {
        if !(self.terminal && feeds && super::stdin_is_terminal()) {
            return Ok(None);
        }
        let raw = RawMode::enter(io::stdin());
        raw.map(Some)
            .map_err(|source| Error::Terminal { action: "cannot use the terminal", source })
    }
}

/// What the pump asks about beside bytes.
struct Watch<'a> {
    session: &'a mut Session,
    signals: Option<&'a Signals>,
    forward: Option<&'a dyn Fn(i32)>,
    terminal: bool,
    interrupts: u32,
    status: u8,
    end: Option<isopod_runtime::Result<SessionEnd>>,
}

impl Watch<'_> {
    /// Hands our terminal's size on; a container that just ended has no use for it.
    fn resize(&mut self) {
        if self.terminal
            && let Some(size) = super::size()
        {
            self.session.resize(size).ok();
        }
    }

    fn take(&mut self, signal: Signal) -> ControlFlow<()> {
        if signal == Signal::SIGWINCH {
            self.resize();
            return ControlFlow::Continue(());
        }
        let number = signal as i32;
        let Some(forward) = self.forward else {
            self.status = u8::try_from(128 + number).unwrap_or(u8::MAX);
            return ControlFlow::Break(());
        };
        forward(number);
        if matches!(signal, Signal::SIGINT | Signal::SIGTERM) {
            self.interrupts += 1;
            if self.interrupts >= PATIENCE {
                self.status = 1;
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

impl Control for Watch<'_> {
    fn news(&self) -> BorrowedFd<'_> {
        self.session.event_fd()
    }

    fn has_ended(&mut self) -> io::Result<bool> {
        self.end = self.session.try_wait().transpose();
        Ok(self.end.is_some())
    }

    fn signals(&self) -> Option<BorrowedFd<'_>> {
        self.signals.map(AsFd::as_fd)
    }

    fn take_signals(&mut self) -> io::Result<ControlFlow<()>> {
        while let Some(signals) = self.signals
            && let Some(signal) = signals.next()?
        {
            if self.take(signal).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
