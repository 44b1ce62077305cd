//! `runc resume`.

use super::{Failure, Globals, Verb, one};
use crate::commands::Status;

/// Thaw a frozen container
#[derive(Debug, clap::Args)]
pub struct Resume {
    /// The container
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Verb for Resume {
    const USAGE: &'static str = "<container-id>";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        globals.store().load(&one("resume", self.arguments)?)?.resume()?;
        Ok(0)
    }
}
