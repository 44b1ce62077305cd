//! `ctr content list`.

use chrono::Utc;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR_TABS, Table};
use crate::output::{time, units};

/// List all blobs in the store
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print only the digests
    #[arg(short, long)]
    quiet: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let blobs = context.runtime()?.content().list()?;
        if self.quiet {
            for blob in blobs {
                context.printer.line(blob.digest)?;
            }
            return Ok(0);
        }
        let now = Utc::now();
        let mut table = Table::new(CTR_TABS, &["DIGEST", "SIZE", "AGE", "LABELS"]);
        for blob in blobs {
            // Blobs carry no labels here: images hold them.
            table.row([
                blob.digest.to_string(),
                units::decimal(blob.size),
                time::human(now - blob.created),
                "-".to_owned(),
            ]);
        }
        context.printer.data(table.render().as_bytes())?;
        Ok(0)
    }
}
