//! `completion`: for shells, from the same definitions as the commands.

use clap_complete::Shell;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub struct Args {
    /// bash, zsh or fish
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Verb for Args {
    const USAGE: &'static str = "SHELL";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let mut command = crate::app::whole();
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "isopod", &mut script);
        context.printer.data(&script)?;
        Ok(0)
    }
}
