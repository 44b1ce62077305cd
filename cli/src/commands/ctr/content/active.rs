//! `ctr content active`: transfers that are under way, or ended early.

use chrono::Utc;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR_TABS, Table};
use crate::output::{time, units};

/// Display transfers
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Verb for Args {
    const USAGE: &'static str = "";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let now = Utc::now();
        let mut table = Table::new(CTR_TABS, &["REF", "SIZE", "AGE", ""]);
        for partial in context.runtime()?.content().partials()? {
            table.row([
                partial.digest.to_string(),
                units::decimal(partial.size),
                time::human(now - partial.updated),
                String::new(),
            ]);
        }
        context.printer.data(table.render().as_bytes())?;
        Ok(0)
    }
}
