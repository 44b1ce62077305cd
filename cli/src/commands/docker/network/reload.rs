//! `network reload`: after somebody flushed the firewall (podman's command).

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Make the rules and devices of networks in use anew, after a firewall was flushed or restarted
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Verb for Args {
    const USAGE: &'static str = "";

    fn run(self, context: &Context) -> Result<Status, Error> {
        for warning in context.runtime()?.networks().reload()? {
            context.printer.warn(warning);
        }
        Ok(0)
    }
}
