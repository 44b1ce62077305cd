//! `ctr namespaces list`.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR, Table};
use crate::output::views::labels;

/// List namespaces
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print only the names
    #[arg(short, long)]
    quiet: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let namespaces = context.runtime()?.namespaces().list()?;
        if self.quiet {
            for namespace in namespaces {
                context.printer.line(namespace.name)?;
            }
            return Ok(0);
        }
        let mut table = Table::new(CTR, &["NAME", "LABELS", ""]);
        for namespace in namespaces {
            let labels = labels::joined(&namespace.labels, "");
            table.row([namespace.name, labels, String::new()]);
        }
        context.printer.data(table.render().as_bytes())?;
        Ok(0)
    }
}
