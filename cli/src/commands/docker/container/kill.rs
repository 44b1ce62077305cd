//! `kill`: a signal to the first process.

use super::stop;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

const SIGKILL: i32 = 9;

/// Send a signal to one or more running containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Signal, by name or number
    #[arg(short, long, value_name = "SIGNAL", default_value = "KILL")]
    signal: String,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let signal = stop::number(&self.signal)?;
        let containers = context.containers()?;
        context.each(&self.containers, |name| {
            let container = containers.find(name)?;
            container.kill(signal, false)?;
            if signal == SIGKILL {
                // Nothing survives it: when this returns, the container has ended.
                container.wait()?;
            }
            Ok(context.printer.line(name)?)
        })
    }
}
