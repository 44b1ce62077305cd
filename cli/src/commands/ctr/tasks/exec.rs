//! `ctr tasks exec`.

use isopod_runtime::container::{ExecOptions, Streams};

use crate::commands::ctr::session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::foreground::{Foreground, catch_signals};

/// Execute additional processes in an existing container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Working directory of the process
    #[arg(long, value_name = "PATH")]
    cwd: Option<String>,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// Leave it in the background
    #[arg(short, long)]
    detach: bool,
    /// A name for the process
    #[arg(long, value_name = "ID")]
    exec_id: Option<String>,
    /// User, and group, by name or number
    #[arg(long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Container, and the command to run in it
    #[arg(value_name = "CONTAINER", required = true, num_args = 2.., trailing_var_arg = true, hide = true)]
    command_line: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] CONTAINER CMD [ARG...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let (id, args) = self.command_line.split_first().expect("clap requires two words");
        let exec_id = self.exec_id.ok_or_else(|| {
            Error::Argument("the process needs a name: give --exec-id".to_owned())
        })?;
        let container = context.containers()?.find(id)?;
        let streams = match self.detach {
            true => Streams::default(),
            false => session::streams(self.tty, false),
        };
        let options = ExecOptions {
            exec_id: Some(exec_id.clone()),
            args: args.to_vec(),
            working_dir: self.cwd,
            user: self.user,
            terminal: self.tty,
            streams,
            size: session::size(self.tty),
            ..ExecOptions::default()
        };
        if self.detach {
            container.exec(&options)?;
            return Ok(0);
        }
        let signals = catch_signals(!self.tty, self.tty)?;
        let session = container.exec(&options)?;
        // One that just ended gets no signal any more, which is what it was for.
        let forward = |signal: i32| drop(container.kill_exec(&exec_id, signal));
        let foreground = Foreground {
            terminal: self.tty,
            forward: (!self.tty).then_some(&forward as &dyn Fn(i32)),
            keys: None,
            name: container.name(),
        };
        Ok(session::status(&foreground.show(session, signals)?))
    }
}
