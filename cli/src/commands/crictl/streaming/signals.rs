//! Signals while a terminal is raw: those that would end us with it in that state, and its changes of size.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What is caught; nothing without a terminal.
pub struct Signals(Option<Caught>);

struct Caught {
    size: Signal,
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
}

impl Signals {
    /// Begins to catch them.
    ///
    /// # Errors
    /// The kernel's.
    pub fn catch(terminal: bool) -> io::Result<Self> {
        if !terminal {
            return Ok(Self(None));
        }
        Ok(Self(Some(Caught {
            size: signal(SignalKind::window_change())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
        })))
    }

    /// Waits for one; the number of a signal that ends us, nothing where the size has changed.
    pub async fn next(&mut self) -> Option<u8> {
        let Some(caught) = &mut self.0 else { return std::future::pending().await };
        tokio::select! {
            _ = caught.size.recv() => None,
            _ = caught.hangup.recv() => Some(1),
            _ = caught.interrupt.recv() => Some(2),
            _ = caught.quit.recv() => Some(3),
            _ = caught.terminate.recv() => Some(15),
        }
    }
}
