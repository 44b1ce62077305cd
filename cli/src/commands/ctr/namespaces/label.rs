//! `ctr namespaces label`.

use crate::commands::ctr::labels;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Set and clear labels of a namespace; an empty value clears
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// What to change
    #[arg(value_name = "KEY=VALUE")]
    labels: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "<name> [<key>=<value>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let changes = labels::changes(&self.labels)?;
        context.runtime()?.namespaces().set_labels(&self.name, &changes)?;
        Ok(0)
    }
}
