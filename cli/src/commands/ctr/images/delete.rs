//! `ctr images delete`.

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove one or more images by reference
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Wait until their resources are removed too (always so)
    #[arg(long)]
    sync: bool,
    /// Their references
    #[arg(value_name = "REF", required = true)]
    names: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] <ref> [<ref>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let images = context.runtime()?.images();
        context.each(&self.names, |name| {
            images.remove(&[name.to_owned()], true)?;
            Ok(context.printer.line(name)?)
        })
    }
}
