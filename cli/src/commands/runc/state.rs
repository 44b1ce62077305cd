//! `runc state`.

use super::{Failure, Globals, Verb, one};
use crate::commands::Status;

/// Print the state of a container
#[derive(Debug, clap::Args)]
pub struct State {
    /// The container
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Verb for State {
    const USAGE: &'static str = "<container-id>";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        let state = globals.store().load(&one("state", self.arguments)?)?.state();
        globals.printer.data(serde_json::to_string_pretty(&state)?.as_bytes())?;
        Ok(0)
    }
}
