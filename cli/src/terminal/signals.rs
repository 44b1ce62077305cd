//! Signals as a descriptor to poll beside the streams.
//!
//! While a [`Signals`] lives its signals are blocked; children that the standard library
//! starts get an empty mask nevertheless, so a monitor never inherits it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// What a foreground client hands on to its container: everything that may be caught,
/// but what is the client's own: job control, its children, its pipes, its terminal's size.
const FORWARDED: [Signal; 16] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGCONT,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGTRAP,
    Signal::SIGSYS,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
];
/// What would end a client and leave its terminal raw.
const FATAL: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// Signals that are caught.
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Catches what is handed on (`forward`), what would leave a terminal raw and its
    /// changes of size (`terminal`); `None` where nothing is to be caught.
    ///
    /// # Errors
    /// The kernel gives no descriptor.
    pub fn catch(forward: bool, terminal: bool) -> io::Result<Option<Self>> {
        let mut set = SigSet::empty();
        if forward {
            set.extend(FORWARDED);
        }
        if terminal {
            set.extend(FATAL);
            set.add(Signal::SIGWINCH);
        }
        if set == SigSet::empty() {
            return Ok(None);
        }
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        match SignalFd::with_flags(&set, flags) {
            Ok(descriptor) => Ok(Some(Self { descriptor, before })),
            Err(error) => {
                before.thread_set_mask()?;
                Err(error.into())
            }
        }
    }

    /// The next that has arrived.
    ///
    /// # Errors
    /// The descriptor can't be read.
    pub fn next(&self) -> io::Result<Option<Signal>> {
        while let Some(info) = self.descriptor.read_signal()? {
            // A number that is no signal of ours can't have been in the set.
            if let Ok(signal) = Signal::try_from(info.ssi_signo.cast_signed()) {
                return Ok(Some(signal));
            }
        }
        Ok(None)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // Those that arrived too late to be handed on must not end us now.
        while let Ok(Some(_)) = self.next() {}
        self.before.thread_set_mask().ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caught_signal_is_read_and_does_not_end_the_process() {
        let signals = Signals::catch(true, false).unwrap().unwrap();
        assert_eq!(signals.next().unwrap(), None);
        // To this thread alone: other tests of the process go on.
        nix::sys::signal::raise(Signal::SIGUSR1).unwrap();
        assert_eq!(signals.next().unwrap(), Some(Signal::SIGUSR1));
        assert_eq!(signals.next().unwrap(), None);
    }

    #[test]
    fn the_mask_is_as_before_afterwards() {
        let before = SigSet::thread_get_mask().unwrap();
        drop(Signals::catch(true, true).unwrap());
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    }

    #[test]
    fn nothing_is_caught_where_nothing_is_wanted() {
        assert!(Signals::catch(false, false).unwrap().is_none());
    }
}
