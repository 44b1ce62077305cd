//! `ctr snapshots list`.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR, Table};

/// List snapshots
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Verb for Args {
    const USAGE: &'static str = "";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let mut table = Table::new(CTR, &["KEY", "PARENT", "KIND", ""]);
        for snapshot in context.runtime()?.snapshots().list()? {
            let kind = snapshot.kind.as_str().to_owned();
            table.row([snapshot.key, snapshot.parent, kind, String::new()]);
        }
        context.printer.data(table.render().as_bytes())?;
        Ok(0)
    }
}
