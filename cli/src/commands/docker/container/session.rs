//! Showing a container's own process in the foreground: `run`, `start -a`, `attach`.

use isopod_runtime::ErrorKind;
use isopod_runtime::container::{Container, Session};

use crate::commands::Status;
use crate::context::Context;
use crate::error::Error;
use crate::terminal::detach::{self, Keys};
use crate::terminal::foreground::{Foreground, Left};
use crate::terminal::signals::Signals;

/// The keys that `--detach-keys` names; none are the usual ones, as with docker.
///
/// # Errors
/// One is no key.
pub fn keys(text: &str) -> Result<Keys, Error> {
    let meant = if text.is_empty() { detach::DEFAULT } else { text };
    Keys::parse(meant).map_err(|reason| Error::Value {
        what: "--detach-keys",
        value: text.to_owned(),
        reason,
    })
}

/// Refuses to feed a terminal from what is none, as docker does.
///
/// # Errors
/// Standard input is no terminal.
pub fn require_terminal(feeds: bool, terminal: bool) -> Result<(), Error> {
    if feeds && terminal && !crate::terminal::stdin_is_terminal() {
        return Err(Error::Argument(
            "cannot feed a terminal from standard input, which is not a terminal: leave out -t or -i"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Shows the container's session until it ends or is left; `proxy` hands signals on.
///
/// # Errors
/// See [`Foreground::show`].
pub fn show(
    container: &Container<'_>,
    session: Session,
    signals: Option<Signals>,
    proxy: bool,
    keys: Keys,
) -> Result<Left, Error> {
    let terminal = container.settings().terminal;
    // One that just ended gets no signal any more, which is what it was for.
    let forward = |signal: i32| drop(container.kill(signal, false));
    let foreground = Foreground {
        terminal,
        forward: proxy.then_some(&forward as &dyn Fn(i32)),
        keys: terminal.then_some(keys),
        name: container.name(),
    };
    foreground.show(session, signals)
}

/// As [`status`], of a client that came to a container that ran already (`attach`, `exec`): as docker's it
/// fails when its keys leave it.
#[must_use]
pub fn status_of_visitor(context: &Context, left: &Left) -> Status {
    match status(context, left) {
        _ if *left == Left::Detached => 1,
        status => status,
    }
}

/// The exit status of a client that was left in this way; of keys that left it a line is said, in docker's
/// words, so that the shell's prompt has one of its own.
#[must_use]
pub fn status(context: &Context, left: &Left) -> Status {
    match left {
        // 0 to 255 by the protocol.
        Left::Exited(exit) => u8::try_from(exit.code).unwrap_or(u8::MAX),
        Left::Detached => {
            context.printer.note("read escape sequence");
            0
        }
        Left::Interrupted(status) => *status,
    }
}

/// Removes a container that was to go when it ended, if it has, and gives back what another one had on its
/// networks. The monitor leaves that to a client that
/// was attached from the start to the end, even one that then could not write what it was shown.
///
/// # Errors
/// It has ended, and is still there.
pub fn remove_if_over(container: &Container<'_>, left: &Result<Left, Error>) -> Result<(), Error> {
    let after = |container: &Container<'_>| match container.record().auto_remove {
        true => remove_after(container),
        false => Ok(container.release_if_over()?),
    };
    match left {
        Ok(Left::Exited(_)) => after(container),
        Ok(Left::Detached | Left::Interrupted(_)) => Ok(()),
        // The error to report is this one.
        Err(_) => {
            drop(after(container));
            Ok(())
        }
    }
}

/// Removes a container that was to go when it ended; the monitor may have been faster.
///
/// # Errors
/// It is still there.
pub fn remove_after(container: &Container<'_>) -> Result<(), Error> {
    let options = isopod_runtime::container::RemoveOptions {
        force: false,
        volumes: true,
        keep_snapshot: false,
    };
    match container.remove(options) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => Ok(other?),
    }
}
