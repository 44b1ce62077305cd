//! `rename`: another name for a container.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Rename a container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// The name it is to have
    #[arg(value_name = "NAME")]
    name: String,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER NEW_NAME";

    fn run(self, context: &Context) -> Result<Status, Error> {
        // docker's names begin with a slash inside, and it takes one from outside.
        let name = self.name.strip_prefix('/').unwrap_or(&self.name);
        context.containers()?.rename(&self.container, name)?;
        Ok(0)
    }
}
