//! `ctr containers delete`.

use isopod_runtime::container::RemoveOptions;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Delete one or more existing containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave the snapshot
    #[arg(long)]
    keep_snapshot: bool,
    /// Their ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] CONTAINER [CONTAINER...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let containers = context.containers()?;
        let options = RemoveOptions {
            force: false,
            volumes: true,
            keep_snapshot: self.keep_snapshot,
        };
        context.each(&self.containers, |id| Ok(containers.find(id)?.remove(options)?))
    }
}
