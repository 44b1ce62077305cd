//! `ctr namespaces remove`.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove one or more empty namespaces
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Their names
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "<name> [<name>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let namespaces = context.runtime()?.namespaces();
        context.each(&self.names, |name| {
            namespaces.remove(name)?;
            Ok(context.printer.line(name)?)
        })
    }
}
