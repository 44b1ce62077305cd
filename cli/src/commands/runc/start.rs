//! `runc start`.

use super::{Failure, Globals, Verb, one};
use crate::commands::Status;

/// Start the program of a created container
#[derive(Debug, clap::Args)]
pub struct Start {
    /// The container
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Verb for Start {
    const USAGE: &'static str = "<container-id>";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        let id = one("start", self.arguments)?;
        for failure in globals.store().load(&id)?.start()? {
            globals.warn(&failure.to_string());
        }
        Ok(0)
    }
}
