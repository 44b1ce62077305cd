//! `ctr info`: what there is instead of a daemon.

use serde_json::json;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::json;

/// Print what stands in for the server
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Verb for Args {
    const USAGE: &'static str = "";

    fn run(self, context: &Context) -> Result<Status, Error> {
        context.runtime()?;
        let info = json!({
            "server": {
                "version": crate::VERSION,
                "daemon": false,
                "root": context.root(),
                "state": context.state(),
                "cgroup_parent": context.cgroup_parent(),
            },
        });
        context.printer.line(json::indented(&info)?)?;
        Ok(0)
    }
}
