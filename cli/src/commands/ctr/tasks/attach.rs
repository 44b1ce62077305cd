//! `ctr tasks attach`.

use crate::commands::ctr::session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Attach to the standard streams of a running container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let container = context.containers()?.find(&self.container)?;
        let settings = container.settings();
        let terminal = settings.terminal;
        let mut streams = session::streams(terminal, false);
        streams.stdin = settings.open_stdin;
        let signals = session::catch(terminal)?;
        let session = container.attach(streams)?;
        Ok(session::status(&session::show(&container, session, signals)?))
    }
}
