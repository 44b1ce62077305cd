//! Raw mode as a guard: the terminal is as it was when the guard is dropped, on panics too.
//! Signals that would end the process arrive through [`super::signals`] meanwhile.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// A terminal in raw mode.
#[derive(Debug)]
pub struct RawMode {
    /// Our own descriptor, so that a closed standard input does not keep us from restoring.
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Puts the terminal at `fd` into raw mode.
    ///
    /// # Errors
    /// It is no terminal, or refuses.
    pub fn enter(fd: impl AsFd) -> io::Result<Self> {
        let terminal = fd.as_fd().try_clone_to_owned()?;
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        tcsetattr(&self.terminal, OptionalActions::Drain, &self.before).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::LocalModes;

    /// A pseudo-terminal's two ends.
    fn terminal() -> (OwnedFd, std::fs::File) {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap();
        let path = name.to_str().unwrap().to_owned();
        let user = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        (controller, user)
    }

    fn echoes(terminal: &std::fs::File) -> bool {
        tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    #[test]
    fn the_terminal_is_restored_when_the_guard_is_dropped() {
        let (_controller, user) = terminal();
        assert!(echoes(&user));
        let raw = RawMode::enter(&user).unwrap();
        assert!(!echoes(&user));
        drop(raw);
        assert!(echoes(&user));
    }

    #[test]
    fn the_terminal_is_restored_by_a_panic_too() {
        let (_controller, user) = terminal();
        let inner = user.try_clone().unwrap();
        std::thread::spawn(move || {
            let _raw = RawMode::enter(&inner).unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        })
        .join()
        .unwrap_err();
        assert!(echoes(&user));
    }

    #[test]
    fn what_is_no_terminal_is_refused() {
        assert!(RawMode::enter(std::fs::File::open("/dev/null").unwrap()).is_err());
    }
}
