//! `ctr tasks kill`.

use isopod_spec::signal;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Signal a container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Signal, by name or number [default: the container's own stop signal]
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    /// Signal this process instead
    #[arg(long, value_name = "ID", conflicts_with = "all")]
    exec_id: Option<String>,
    /// Signal all processes
    #[arg(short, long)]
    all: bool,
    /// Its id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let container = context.containers()?.find(&self.container)?;
        let signal = match &self.signal {
            Some(text) => signal::parse(text).map_err(Error::argument)?.number(),
            None => container.stop_signal()?,
        };
        match &self.exec_id {
            Some(exec_id) => container.kill_exec(exec_id, signal)?,
            None => container.kill(signal, self.all)?,
        }
        Ok(0)
    }
}
