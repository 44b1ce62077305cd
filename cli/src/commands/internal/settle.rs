//! `internal settle`: syncs what a pull unpacked.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Sync unpacked layers to disk
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Verb for Args {
    const USAGE: &'static str = "";

    fn run(self, context: &Context) -> Result<Status, Error> {
        context.runtime()?.settle()?;
        Ok(0)
    }
}
