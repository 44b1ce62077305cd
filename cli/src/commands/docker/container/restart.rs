//! `restart`: stop, if it runs, and start.

use super::stop::How;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Restart one or more containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    how: How,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let (signal, patience) = self.how.parse()?;
        let containers = context.containers()?;
        context.each(&self.containers, |name| {
            let container = containers.find(name)?;
            container.stop(signal, patience)?;
            container.start(None, None)?;
            container.happened("restart", &[]);
            Ok(context.printer.line(name)?)
        })
    }
}
