//! `tag`: another name for an image.

use isopod_runtime::image::Taken;

use super::names;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Give an image another name; a name that points elsewhere is moved
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id of the image
    #[arg(value_name = "SOURCE_IMAGE[:TAG]")]
    source: String,
    /// Its further name
    #[arg(value_name = "TARGET_IMAGE[:TAG]")]
    target: String,
}

impl Verb for Args {
    const USAGE: &'static str = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let target = names::parse(&self.target)?;
        context.runtime()?.images().tag(&self.source, &target, Taken::Kept)?;
        Ok(0)
    }
}
