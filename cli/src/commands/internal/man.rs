//! `internal man`: manual pages, from the same definitions as the commands; for whoever makes packages.

use std::fs;
use std::path::PathBuf;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Write a manual page for each command
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where, made if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Verb for Args {
    const USAGE: &'static str = "DIR";

    fn run(self, _context: &Context) -> Result<Status, Error> {
        fs::create_dir_all(&self.folder).map_err(Error::file("make", &self.folder))?;
        clap_mangen::generate_to(crate::app::whole(), &self.folder)
            .map_err(Error::file("write to", &self.folder))?;
        Ok(0)
    }
}
