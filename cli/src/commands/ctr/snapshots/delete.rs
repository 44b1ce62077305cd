//! `ctr snapshots delete`.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove snapshots
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Their keys
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "<key> [<key>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let snapshots = context.runtime()?.snapshots();
        context.each(&self.keys, |key| Ok(snapshots.remove(key)?))
    }
}
