//! `ctr images tag`.

use isopod_runtime::image::Taken;

use super::reference;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Give an image further names
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Move names that point elsewhere
    #[arg(long)]
    force: bool,
    /// Reference of the image
    #[arg(value_name = "SOURCE_REF")]
    source: String,
    /// Its further references
    #[arg(value_name = "TARGET_REF", required = true)]
    targets: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] <source_ref> <target_ref> [<target_ref>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let images = context.runtime()?.images();
        // An exact name, unlike docker's: nothing is guessed here.
        let source = images.get(&self.source)?.name;
        let taken = if self.force { Taken::Replaced } else { Taken::Refused };
        context.each(&self.targets, |target| {
            images.tag(&source, &reference(target)?, taken)?;
            Ok(context.printer.line(target)?)
        })
    }
}
