//! `ctr tasks pause`.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Pause an existing container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        context.containers()?.find(&self.container)?.pause()?;
        Ok(0)
    }
}
