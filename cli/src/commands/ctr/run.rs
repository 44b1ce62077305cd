//! `ctr run`: create and start.

use isopod_runtime::container::{Container, RemoveOptions};

use super::options::{Life, Options, write_pid};
use super::session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::foreground::Left;

/// Run a container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove the container after it ran
    #[arg(long)]
    rm: bool,
    /// Send all output to /dev/null
    #[arg(long)]
    null_io: bool,
    /// Leave it in the background
    #[arg(short, long)]
    detach: bool,
    #[command(flatten)]
    options: Options,
    /// Image or folder, container id, and the command to run in it
    #[arg(value_name = "IMAGE", required = true, num_args = 2.., trailing_var_arg = true, hide = true)]
    command_line: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] Image|RootFS ID [COMMAND] [ARG...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let terminal = self.options.tty;
        let life = Life {
            open_stdin: !self.null_io,
            stdin_once: !self.null_io && !self.detach,
            auto_remove: self.rm,
        };
        let container = self.options.create(context, &self.command_line, life)?;
        if self.detach {
            let run =
                self.started(&container, || Ok(container.start(None, session::size(terminal))?))?;
            return self.write_pid(run.pid).map(|()| 0);
        }
        let signals = session::catch(terminal)?;
        let streams = session::streams(terminal, self.null_io);
        let run = self
            .started(&container, || Ok(container.start(Some(streams), session::size(terminal))?))?;
        self.write_pid(run.pid)?;
        let left = session::show(&container, run.session, signals);
        match &left {
            Ok(Left::Exited(_)) if self.rm => remove(&container)?,
            // The error to report is this one; if the container runs on, its monitor removes it.
            Err(_) if self.rm => drop(remove(&container)),
            _ => {}
        }
        Ok(session::status(&left?))
    }
}

impl Args {
    fn write_pid(&self, pid: i32) -> Result<(), Error> {
        self.options.pid_file.as_ref().map_or(Ok(()), |path| write_pid(path, pid))
    }

    /// As ctr does, a container that could not be started is not left behind.
    fn started<T>(
        &self,
        container: &Container<'_>,
        start: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        start().inspect_err(|_| {
            // The error to report is why it did not start.
            remove(container).ok();
        })
    }
}

fn remove(container: &Container<'_>) -> Result<(), Error> {
    let options = RemoveOptions { force: false, volumes: true, keep_snapshot: false };
    match container.remove(options) {
        // The monitor was faster.
        Err(error) if error.kind() == isopod_runtime::ErrorKind::NotFound => Ok(()),
        other => Ok(other?),
    }
}
