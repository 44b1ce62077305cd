//! `wait`: until containers end.

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
            let exit = containers.find(name)?.wait()?;
            Ok(context.printer.line(exit.code)?)
        })
    }
}
