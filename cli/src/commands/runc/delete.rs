//! `runc delete`.

use isopod_oci::delete::delete;

use super::{Failure, Globals, Verb, one};
use crate::commands::Status;

/// Remove what is left of a container
#[derive(Debug, clap::Args)]
pub struct Delete {
    /// Kill it first if it runs; one that doesn't exist is no error
    #[arg(short, long)]
    force: bool,
    /// The container
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Verb for Delete {
    const USAGE: &'static str = "[--force] <container-id>";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        let id = one("delete", self.arguments)?;
        for failure in delete(&globals.store(), &id, self.force)? {
            globals.warn(&failure.to_string());
        }
        Ok(0)
    }
}
