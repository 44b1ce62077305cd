//! `ctr tasks list`.

use crate::commands::docker::container::state;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR_WIDE, Table};
use crate::output::views::state::State;

/// List tasks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print only the ids
    #[arg(short, long)]
    quiet: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let listing = context.containers()?.list()?;
        let mut damaged: Vec<Error> = listing.damaged.into_iter().map(Error::from).collect();
        let mut all = listing.containers;
        all.sort_by(|a, b| a.id().cmp(b.id()));
        let mut table = Table::new(CTR_WIDE, &["TASK", "PID", "STATUS", ""]);
        for container in &all {
            let status = match container.status() {
                Ok(status) => status,
                Err(error) => {
                    damaged.push(error.into());
                    continue;
                }
            };
            let state = state::of(&status);
            // A container that was never started, or whose task was deleted, has none.
            if matches!(state, State::Created) {
                continue;
            }
            if self.quiet {
                context.printer.line(container.id())?;
                continue;
            }
            let pid = status.pid.to_string();
            table.row([container.id(), &pid, state.task_word()]);
        }
        if !self.quiet {
            context.printer.data(table.render().as_bytes())?;
        }
        Ok(context.report_all(&damaged))
    }
}
