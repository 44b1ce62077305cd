//! `export`: a container's file system as a tar archive.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Write a container's file system as a tar archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let container = context.containers()?.find(&self.container)?;
        let Some(path) = &self.output else {
            if io::stdout().is_terminal() {
                return Err(Error::Argument(
                    "an archive is not written to a terminal: give --output, or redirect"
                        .to_owned(),
                ));
            }
            container.export(&mut io::stdout().lock()).map_err(Error::archive)?;
            return Ok(0);
        };
        let mut file = File::create(path).map_err(Error::file("create", path))?;
        match container.export(&mut file) {
            Ok(()) => Ok(0),
            Err(error) => {
                // Half an archive would be taken for a whole one.
                std::fs::remove_file(path).ok();
                Err(error.into())
            }
        }
    }
}
