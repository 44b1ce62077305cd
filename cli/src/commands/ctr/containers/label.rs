//! `ctr containers label`.

use crate::commands::ctr::labels;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::labels::joined;

/// Set and clear labels of a container; an empty value clears
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// What to change
    #[arg(value_name = "KEY=VALUE")]
    labels: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] CONTAINER [<key>=<value>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let changes = labels::changes(&self.labels)?;
        let labels = context.containers()?.find(&self.container)?.set_labels(&changes)?;
        context.printer.line(joined(&labels, ""))?;
        Ok(0)
    }
}
