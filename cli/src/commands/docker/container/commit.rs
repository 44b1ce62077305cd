//! `commit`: an image of what a container changed.

use isopod_runtime::image::CommitOptions;

use crate::commands::docker::image::names;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Create an image from a container's changes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Author (e.g. "Ada Lovelace <ada@example.com>")
    #[arg(short, long, value_name = "AUTHOR")]
    author: Option<String>,
    /// Apply a Dockerfile instruction to the image's config
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Message of the commit
    #[arg(short, long, value_name = "MESSAGE")]
    message: Option<String>,
    /// Pause the container meanwhile
    #[arg(short, long, default_value = "true")]
    pause: bool,
    /// Do not pause the container meanwhile
    #[arg(long)]
    no_pause: bool,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// The image's name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let options = CommitOptions {
            name: self.name.as_deref().map(names::to_be_given).transpose()?,
            author: self.author,
            message: self.message,
            changes: self.change,
            pause: self.pause && !self.no_pause,
        };
        let container = context.containers()?.find(&self.container)?;
        let images = context.runtime()?.images();
        let image = images.commit(&container, &options)?;
        context.printer.line(names::id(&images, &image)?)?;
        Ok(0)
    }
}
