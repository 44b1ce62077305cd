//! `exec`: another process in a running container.

use std::path::PathBuf;

use isopod_runtime::ErrorKind;
use isopod_runtime::container::{ExecOptions, Streams};

use super::session;
use crate::commands::{Status, Verb, environment};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::foreground::{Foreground, catch_signals};
use crate::terminal::{self, detach};

/// Run a command in a running container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave it in the background
    #[arg(short, long)]
    detach: bool,
    /// Keys that leave it running
    #[arg(long, value_name = "KEYS", default_value = detach::DEFAULT)]
    detach_keys: String,
    /// Set a variable (NAME=VALUE), or take it from here (NAME)
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Read variables from a file, one a line
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Feed it from standard input
    #[arg(short, long)]
    interactive: bool,
    /// Give it every capability
    #[arg(long)]
    privileged: bool,
    /// Give it a terminal
    #[arg(short, long)]
    tty: bool,
    /// User, and group, by name or number (USER[:GROUP])
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// Working directory
    #[arg(short, long, value_name = "PATH")]
    workdir: Option<String>,
    /// Container, and the command to run in it
    #[arg(value_name = "CONTAINER", required = true, num_args = 2.., trailing_var_arg = true, hide = true)]
    command_line: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER COMMAND [ARG...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let keys = session::keys(&self.detach_keys)?;
        let (name, args) = self.command_line.split_first().expect("clap requires two words");
        let stdin = self.interactive && !self.detach;
        session::require_terminal(stdin, self.tty)?;
        let container = context.containers()?.find(name)?;
        let attached = !self.detach;
        let options = ExecOptions {
            exec_id: None,
            args: args.to_vec(),
            env: environment::variables(&self.env_file, &self.env)?,
            working_dir: self.workdir,
            user: self.user,
            group_add: Vec::new(),
            terminal: self.tty,
            privileged: self.privileged,
            streams: Streams { stdin, stdout: attached, stderr: attached && !self.tty },
            size: if self.tty { terminal::size() } else { None },
        };
        if self.detach {
            container.exec(&options)?;
            return Ok(0);
        }
        let signals = catch_signals(false, self.tty)?;
        let session = container.exec(&options).map_err(not_executed)?;
        let foreground = Foreground {
            terminal: self.tty,
            forward: None,
            keys: self.tty.then_some(keys),
            name: container.name(),
        };
        Ok(session::status_of_visitor(context, &foreground.show(session, signals)?))
    }
}

/// As with docker a user or group that is not there is the program's failure, and not the command line's.
fn not_executed(error: isopod_runtime::Error) -> Error {
    match error.kind() {
        ErrorKind::Invalid => Error::NotExecuted(Box::new(error)),
        _ => error.into(),
    }
}
