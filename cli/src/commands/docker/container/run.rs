//! `run`: create and start, in the foreground unless told otherwise.
//!
//! One thread, and nothing built that is not needed: with the image in the store this is
//! measured in milliseconds, the process's own start included.

use isopod_runtime::container::{Container, Streams};

use super::options::Options;
use super::{create, session, settings};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::foreground::catch_signals;
use crate::terminal::{self, detach};

/// Make a container from an image and start it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave it in the background and print its id
    #[arg(short, long)]
    detach: bool,
    /// Keys that leave it running
    #[arg(long, value_name = "KEYS", default_value = detach::DEFAULT)]
    detach_keys: String,
    /// Hand signals on to it
    #[arg(long, default_value = "true", action = clap::ArgAction::SetTrue)]
    sig_proxy: bool,
    #[command(flatten)]
    options: Options,
    /// Image, and the command to run in it
    #[arg(value_name = "IMAGE", required = true, num_args = 1.., trailing_var_arg = true, hide = true)]
    command_line: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] IMAGE [COMMAND] [ARG...]";

    fn run(mut self, context: &Context) -> Result<Status, Error> {
        self.options.forget_empty();
        let (image, command) = create::split(&self.command_line);
        let keys = session::keys(&self.detach_keys)?;
        let mut settings = settings::settings(&self.options, command)?;
        if self.detach {
            self.refuse_attach()?;
            let container = create::create(context, &self.options, image, settings)?;
            started(&container, || Ok(container.start(None, None)?))?;
            context.printer.line(container.id())?;
            return Ok(0);
        }
        let streams = self.streams()?;
        session::require_terminal(streams.stdin, self.options.tty)?;
        settings.stdin_once = streams.stdin;
        let container = create::create(context, &self.options, image, settings)?;
        let signals = catch_signals(self.sig_proxy, self.options.tty)?;
        let size = if self.options.tty { terminal::size() } else { None };
        let run = started(&container, || Ok(container.start(Some(streams), size)?))?;
        let left = session::show(&container, run.session, signals, self.sig_proxy, keys);
        session::remove_if_over(&container, &left)?;
        Ok(session::status(context, &left?))
    }
}

impl Args {
    /// Of a terminal everything is standard output.
    fn streams(&self) -> Result<Streams, Error> {
        let mut streams = settings::streams(&self.options.attach, self.options.interactive)?;
        streams.stderr &= !self.options.tty;
        Ok(streams)
    }

    fn refuse_attach(&self) -> Result<(), Error> {
        match self.options.attach.is_empty() {
            true => Ok(()),
            false => Err(Error::Argument("--attach and --detach exclude each other".to_owned())),
        }
    }
}

/// Takes a container that was to go at its end away again if it could not be started.
fn started<T>(
    container: &Container<'_>,
    start: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    start().inspect_err(|_| {
        if container.record().auto_remove {
            // The error to report is why it did not start.
            session::remove_after(container).ok();
        }
    })
}
