//! `logout`: forgets a registry's credential.

use super::{server, store};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Forget the credential for a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The registry (host[:port]); docker.io where none is given
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[SERVER]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let registry = server(self.server.as_deref())?;
        let found = store()?.forget(&registry).map_err(Error::argument)?;
        match found {
            true => {
                context.printer.line(format_args!("Removing login credentials for {registry}"))?
            }
            false => context.printer.line(format_args!("Not logged in to {registry}"))?,
        }
        Ok(0)
    }
}
