//! `start`: containers that were created or have ended.

use isopod_runtime::container::{Phase, Streams};

use super::session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::foreground::catch_signals;
use crate::terminal::{self, detach};

/// Start one or more containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show its output, and hand signals on to it
    #[arg(short, long)]
    attach: bool,
    /// Feed it from standard input
    #[arg(short, long)]
    interactive: bool,
    /// Keys that leave it running
    #[arg(long, value_name = "KEYS", default_value = detach::DEFAULT)]
    detach_keys: String,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let containers = context.containers()?;
        if !self.attach && !self.interactive {
            return context.each(&self.containers, |name| {
                let container = containers.find(name)?;
                // There is nothing to do for one that runs, and for docker one that is about to be
                // started again does.
                if !matches!(container.settled()?.phase, Phase::Running | Phase::Restarting) {
                    container.start(None, None)?;
                }
                Ok(context.printer.line(name)?)
            });
        }
        let [name] = self.containers.as_slice() else {
            return Err(Error::Argument("only one container can be attached to".to_owned()));
        };
        let keys = session::keys(&self.detach_keys)?;
        let container = containers.find(name)?;
        let (open_stdin, tty) = (container.settings().open_stdin, container.settings().terminal);
        let stdin = self.interactive && open_stdin;
        session::require_terminal(stdin, tty)?;
        let signals = catch_signals(!tty, tty)?;
        let streams = Streams { stdin, stdout: true, stderr: !tty };
        let size = if tty { terminal::size() } else { None };
        // One that runs is joined, as with docker.
        let session = match container.status()?.phase {
            Phase::Running => container.attach(streams)?,
            _ => container.start(Some(streams), size)?.session,
        };
        let left = session::show(&container, session, signals, !tty, keys);
        session::remove_if_over(&container, &left)?;
        Ok(session::status(context, &left?))
    }
}
