//! `volume inspect`.

use crate::commands::docker::inspect;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Show everything about one or more volumes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print by a Go template, or "json"
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names
    #[arg(value_name = "VOLUME", required = true)]
    volumes: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] VOLUME [VOLUME...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let format = self.format.as_deref();
        inspect::print(context, format, &self.volumes, |name| super::find(context, name))
    }
}
