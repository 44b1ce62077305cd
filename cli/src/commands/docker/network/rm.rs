//! `network rm`.

use isopod_runtime::ErrorKind;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove one or more networks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// It is no error if one is not there
    #[arg(short, long)]
    force: bool,
    /// Names or ids
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "NETWORK [NETWORK...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let networks = context.runtime()?.networks();
        context.each(&self.networks, |name| match networks.remove(name) {
            Err(error) if self.force && error.kind() == ErrorKind::NotFound => Ok(()),
            other => {
                other?;
                Ok(context.printer.line(name)?)
            }
        })
    }
}
