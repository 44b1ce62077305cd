//! `internal after-exit`: what is left to do for a container that has ended, or whose monitor was killed.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Do what is left for a container that has ended
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its namespace
    namespace: String,
    /// Its id
    id: String,
}

impl Verb for Args {
    const USAGE: &'static str = "NAMESPACE ID";

    fn run(self, context: &Context) -> Result<Status, Error> {
        context.runtime()?.containers(&self.namespace).after_exit(&self.id)?;
        Ok(0)
    }
}
