//! `ctr images label`.

use crate::commands::ctr::labels;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::labels::joined;

/// Set and clear labels of an image; an empty value clears
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Take all other labels away
    #[arg(short, long)]
    replace_all: bool,
    /// Its reference
    #[arg(value_name = "NAME")]
    name: String,
    /// What to change
    #[arg(value_name = "KEY=VALUE")]
    labels: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] <name> [<key>=<value>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let changes = labels::changes(&self.labels)?;
        let images = context.runtime()?.images();
        let labels = images.set_labels(&self.name, &changes, self.replace_all)?;
        context.printer.line(joined(&labels, ""))?;
        Ok(0)
    }
}
