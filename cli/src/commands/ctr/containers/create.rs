//! `ctr containers create`.

use crate::commands::ctr::options::{Life, Options};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Create a container
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    options: Options,
    /// Image or folder, container id, and the command to run in it
    #[arg(value_name = "IMAGE", required = true, num_args = 2.., trailing_var_arg = true, hide = true)]
    command_line: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] Image|RootFS CONTAINER [COMMAND] [ARG...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        if self.options.pid_file.is_some() {
            return Err(Error::Argument(
                "--pid-file belongs to `ctr run` and `ctr tasks start`: nothing runs yet".to_owned(),
            ));
        }
        let life = Life { open_stdin: true, ..Life::default() };
        self.options.create(context, &self.command_line, life)?;
        Ok(0)
    }
}
