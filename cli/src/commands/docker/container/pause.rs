//! `pause`: freezes all processes of containers.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Freeze all processes of one or more containers
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
            containers.find(name)?.pause()?;
            Ok(context.printer.line(name)?)
        })
    }
}
