//! A terminal that shows nothing of what is typed, for passwords; undone when the guard is dropped.
//! Signals that would end the process and leave the terminal so are waited for beside the line.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::signal::Signal;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::signals::Signals;

/// See the module.
#[derive(Debug)]
pub struct Silent {
    terminal: OwnedFd,
    before: Termios,
    signals: Option<Signals>,
}

impl Silent {
    /// Has the terminal at `fd` show nothing.
    ///
    /// # Errors
    /// It is no terminal, or refuses.
    pub fn enter(fd: impl AsFd) -> io::Result<Self> {
        let terminal = fd.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let signals = Signals::catch(false, true)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&terminal, OptionalActions::Now, &silent)?;
        Ok(Self { terminal, before, signals })
    }

    /// Waits until something was typed.
    ///
    /// # Errors
    /// `Interrupted` by a signal that would have ended the process.
    pub fn wait(&self) -> io::Result<()> {
        let Some(signals) = &self.signals else { return Ok(()) };
        loop {
            let mut both =
                [PollFd::new(&self.terminal, PollFlags::IN), PollFd::new(signals, PollFlags::IN)];
            match poll(&mut both, None) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            let is_typed = !both[0].revents().is_empty();
            while let Some(signal) = signals.next()? {
                if signal != Signal::SIGWINCH {
                    return Err(io::Error::new(io::ErrorKind::Interrupted, signal.as_str()));
                }
            }
            if is_typed {
                return Ok(());
            }
        }
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        tcsetattr(&self.terminal, OptionalActions::Now, &self.before).ok();
    }
}
