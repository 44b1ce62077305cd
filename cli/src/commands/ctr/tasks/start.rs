//! `ctr tasks start`.

use std::path::PathBuf;

use crate::commands::ctr::options::write_pid;
use crate::commands::ctr::session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Start a container that has been created
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Send all output to /dev/null
    #[arg(long)]
    null_io: bool,
    /// Write the process's id to a file
    #[arg(long, value_name = "FILE")]
    pid_file: Option<PathBuf>,
    /// Leave it in the background
    #[arg(short, long)]
    detach: bool,
    /// Its id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let container = context.containers()?.find(&self.container)?;
        let terminal = container.settings().terminal;
        let write = |pid: i32| self.pid_file.as_ref().map_or(Ok(()), |path| write_pid(path, pid));
        if self.detach {
            let run = container.start(None, session::size(terminal))?;
            write(run.pid)?;
            return Ok(0);
        }
        let mut streams = session::streams(terminal, self.null_io);
        streams.stdin &= container.settings().open_stdin;
        let signals = session::catch(terminal)?;
        let run = container.start(Some(streams), session::size(terminal))?;
        write(run.pid)?;
        Ok(session::status(&session::show(&container, run.session, signals)?))
    }
}
