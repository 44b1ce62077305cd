//! `ctr namespaces create`.

use crate::commands::ctr::labels;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Create a new namespace
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// Its labels
    #[arg(value_name = "KEY=VALUE")]
    labels: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "<name> [<key>=<value>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        context.runtime()?.namespaces().create(&self.name, &labels::new(&self.labels)?)?;
        Ok(0)
    }
}
