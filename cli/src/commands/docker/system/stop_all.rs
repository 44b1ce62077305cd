//! `system stop-all`: what a shutdown stops.

use std::time::Duration;

use isopod_runtime::container::Patience;

use super::outcomes;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Stop all containers as a shutdown does
///
/// This doesn't count as stopping by hand: start-all starts those with a restart policy again. The names
/// of the stopped ones are printed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Seconds to wait before killing one, instead of each one's own
    #[arg(short, long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let patience = self.timeout.map(|seconds| Patience::For(Duration::from_secs(seconds)));
        outcomes::print(context, context.runtime()?.stop_all(patience)?)
    }
}
