//! `system start-all`: what a boot starts.

use super::outcomes;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Start the containers that restart policies want after a boot
///
/// Those with the policy always, and with unless-stopped those that were not stopped by hand. The names
/// of the started ones are printed.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Verb for Args {
    const USAGE: &'static str = "";

    fn run(self, context: &Context) -> Result<Status, Error> {
        outcomes::print(context, context.runtime()?.start_all()?)
    }
}
