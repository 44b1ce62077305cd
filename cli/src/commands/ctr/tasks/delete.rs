//! `ctr tasks delete`: forgets that containers ran.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Delete one or more tasks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kill those that run
    #[arg(short, long)]
    force: bool,
    /// Their containers' ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER [CONTAINER...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let containers = context.containers()?;
        context.each(&self.containers, |id| {
            let exit = containers.find(id)?.delete_task(self.force)?;
            if let Some(exit) = exit.filter(|exit| exit.code != 0) {
                let code = exit.code;
                context.printer.warn(format_args!("task {id} exited with status {code}"));
            }
            Ok(())
        })
    }
}
