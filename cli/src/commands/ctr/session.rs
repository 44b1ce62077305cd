//! Showing a task in the foreground: `run`, `tasks start`, `tasks attach`.

use isopod_runtime::container::{Container, Session, Streams};

use crate::commands::Status;
use crate::error::Error;
use crate::terminal::foreground::{Foreground, Left, catch_signals};
use crate::terminal::signals::Signals;
use crate::terminal;

/// The streams of a task in the foreground.
#[must_use]
pub fn streams(terminal: bool, null_io: bool) -> Streams {
    Streams { stdin: !null_io, stdout: !null_io, stderr: !null_io && !terminal }
}

/// Signals that must be caught before the session opens.
///
/// # Errors
/// The kernel gives no descriptor.
pub fn catch(terminal: bool) -> Result<Option<Signals>, Error> {
    catch_signals(!terminal, terminal)
}

/// The size to begin with.
#[must_use]
pub fn size(terminal: bool) -> Option<isopod_runtime::container::Size> {
    if terminal { terminal::size() } else { None }
}

/// Shows the container's own process; ctr has no keys to leave it by.
///
/// # Errors
/// See [`Foreground::show`].
pub fn show(
    container: &Container<'_>,
    session: Session,
    signals: Option<Signals>,
) -> Result<Left, Error> {
    let terminal = container.settings().terminal;
    // One that just ended gets no signal any more, which is what it was for.
    let forward = |signal: i32| drop(container.kill(signal, false));
    let foreground = Foreground {
        terminal,
        forward: (!terminal).then_some(&forward as &dyn Fn(i32)),
        keys: None,
        name: container.name(),
    };
    foreground.show(session, signals)
}

/// The exit status of a client that was left in this way.
#[must_use]
pub fn status(left: &Left) -> Status {
    match left {
        // 0 to 255 by the protocol.
        Left::Exited(exit) => u8::try_from(exit.code).unwrap_or(u8::MAX),
        Left::Detached => 0,
        Left::Interrupted(status) => *status,
    }
}
