//! The caller's terminal and standard streams while a container's process is in the foreground.
//!
//! Everything here runs on the one thread there is: a `run` starts no other.
//!
//! - [`raw`]: raw mode that is undone on every way out;
//! - [`detach`]: the keys that leave a container running;
//! - [`signals`]: signals as a descriptor to poll;
//! - [`pump`]: moves bytes between our streams and a session's pipes;
//! - [`silent`]: passwords are typed unseen;
//! - [`foreground`]: the four together, for `run`, `start -a`, `attach`, `exec`.

pub mod detach;
pub mod foreground;
pub mod pump;
pub mod raw;
pub mod signals;
pub mod silent;

use std::io;
use std::os::fd::AsFd;

use isopod_monitor_protocol::message::Size;

/// The size of the terminal at `fd`; `None` if it is none or has no size.
#[must_use]
pub fn size_of(fd: impl AsFd) -> Option<Size> {
    let size = rustix::termios::tcgetwinsize(fd).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some(Size { columns: size.ws_col, rows: size.ws_row })
}

/// The size of the terminal that standard output, or else standard input, is.
#[must_use]
pub fn size() -> Option<Size> {
    size_of(io::stdout()).or_else(|| size_of(io::stdin()))
}

/// Whether standard input is a terminal.
#[must_use]
pub fn stdin_is_terminal() -> bool {
    rustix::termios::isatty(io::stdin())
}
