//! `completion`: for shells, from the same definitions as the commands.

use clap_complete::Shell;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::personality::Personality;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub struct Args {
    /// bash, zsh or fish
    #[arg(value_name = "SHELL", default_value = "bash")]
    shell: Shell,
}

impl Verb for Args {
    const USAGE: &'static str = "[SHELL]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let mut command = crate::app::full(Personality::Crictl, "crictl", super::TABLE);
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut command, "crictl", &mut script);
        context.printer.data(&script)?;
        Ok(0)
    }
}
