//! `pull`: an image from a registry.

use super::platform;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::progress::{Style, Watcher};
use crate::registry;

/// Download an image from a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Platform of the image (os[/arch[/variant]])
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Print nothing but the image's name
    #[arg(short, long)]
    quiet: bool,
    /// Store every platform of the image, and unpack this machine's
    #[arg(long)]
    all_platforms: bool,
    /// NAME[:TAG|@DIGEST]
    #[arg(value_name = "NAME")]
    name: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] NAME[:TAG|@DIGEST]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let references = registry::expand(context, &self.name)?;
        let request = registry::Request {
            all_platforms: self.all_platforms,
            ..registry::Request::new(platform::parse(self.platform.as_deref())?)
        };
        let watcher = Watcher::new(context.printer, Style::Docker, self.quiet);
        let image = registry::pull(context, &references, &request, &watcher);
        watcher.finish(context.printer);
        let image = image?;
        if !self.quiet {
            context.printer.note(format_args!("Digest: {}", image.target.digest));
        }
        context.printer.line(&image.name)?;
        Ok(0)
    }
}
