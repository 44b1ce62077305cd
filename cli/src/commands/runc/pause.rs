//! `runc pause`.

use super::{Failure, Globals, Verb, one};
use crate::commands::Status;

/// Freeze all processes of a container
#[derive(Debug, clap::Args)]
pub struct Pause {
    /// The container
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Verb for Pause {
    const USAGE: &'static str = "<container-id>";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        globals.store().load(&one("pause", self.arguments)?)?.pause()?;
        Ok(0)
    }
}
