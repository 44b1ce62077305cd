//! `rm`: containers that are not needed any more.

use isopod_runtime::ErrorKind;
use isopod_runtime::container::RemoveOptions;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove one or more containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kill it if it runs; one that is not there is no failure
    #[arg(short, long)]
    force: bool,
    /// Remove its unnamed volumes too
    #[arg(short, long)]
    volumes: bool,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let containers = context.containers()?;
        let options =
            RemoveOptions { force: self.force, volumes: self.volumes, keep_snapshot: false };
        context.each(&self.containers, |name| {
            match containers.remove(name, options) {
                // Said, and no failure: as docker's.
                Err(error) if self.force && error.kind() == ErrorKind::NotFound => {
                    context.report(&error.into());
                    return Ok(());
                }
                other => other?,
            }
            Ok(context.printer.line(name)?)
        })
    }
}
