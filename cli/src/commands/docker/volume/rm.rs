//! `volume rm`.

use isopod_runtime::ErrorKind;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove one or more volumes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Say nothing of one that is not there
    #[arg(short, long)]
    force: bool,
    /// Names
    #[arg(value_name = "VOLUME", required = true)]
    volumes: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] VOLUME [VOLUME...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let volumes = context.runtime()?.volumes();
        context.each(&self.volumes, |name| {
            match volumes.remove(name) {
                Err(error) if self.force && error.kind() == ErrorKind::NotFound => {}
                other => drop(other?),
            }
            Ok(context.printer.line(name)?)
        })
    }
}
