//! `ctr snapshots usage`.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR, Table};
use crate::output::units;

/// Show what snapshots take of the disk
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Display sizes in bytes
    #[arg(long, short)]
    b: bool,
    /// Their keys; all without one
    #[arg(value_name = "KEY")]
    keys: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] [<key>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let snapshots = context.runtime()?.snapshots();
        let keys = match self.keys.is_empty() {
            true => snapshots.list()?.into_iter().map(|snapshot| snapshot.key).collect(),
            false => self.keys,
        };
        let mut table = Table::new(CTR, &["KEY", "SIZE", "INODES", ""]);
        for key in keys {
            let usage = snapshots.usage(&key)?;
            let size = if self.b { usage.size.to_string() } else { units::ctr(usage.size) };
            table.row([key, size, usage.inodes.to_string(), String::new()]);
        }
        context.printer.data(table.render().as_bytes())?;
        Ok(0)
    }
}
