//! `wait`: until containers end.

use isopod_runtime::container::Phase;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Wait until one or more containers end, and print their exit statuses
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER [CONTAINER...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let containers = context.containers()?;
        context.each(&self.containers, |name| {
            let container = containers.find(name)?;
            // One that was never started does not run, which is all that docker waits for.
            let code = match container.status()?.phase {
                Phase::Created => 0,
                _ => container.wait()?.code,
            };
            Ok(context.printer.line(code)?)
        })
    }
}
