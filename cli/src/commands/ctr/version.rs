//! `ctr version`: client and server are this binary.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Print the client and server versions
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Verb for Args {
    const USAGE: &'static str = "";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let version = crate::VERSION;
        context.printer.line(format_args!(
            "Client:\n  Version:  {version}\n\nServer:\n  Version:  {version}\n  (the same binary: there is no daemon)"
        ))?;
        Ok(0)
    }
}
