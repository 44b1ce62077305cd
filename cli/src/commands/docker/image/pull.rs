//! `pull`: an image from a registry.

use isopod_image::Reference;
use isopod_runtime::image::Image;

use super::platform;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::progress::{Style, Watcher};
use crate::registry;

/// Download an image from a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Download every tag of the repository
    #[arg(short, long)]
    all_tags: bool,
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
        if !self.all_tags {
            let image = self.pull(context, &references, &request)?;
            context.printer.line(&image.name)?;
            return Ok(0);
        }
        let has_tag = self.name.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
        if has_tag {
            return Err(Error::Argument(format!(
                "{}: a tag or digest can't be given with --all-tags",
                self.name
            )));
        }
        let tagged = registry::all_tags(context, &references, &request)?;
        for reference in &tagged {
            if !self.quiet {
                context.printer.note(reference);
            }
            self.pull(context, std::slice::from_ref(reference), &request)?;
        }
        let repository = tagged.first().or(references.first()).map(Reference::name);
        context.printer.line(repository.unwrap_or_default())?;
        Ok(0)
    }
}

impl Args {
    fn pull(
        &self,
        context: &Context,
        references: &[Reference],
        request: &registry::Request,
    ) -> Result<Image, Error> {
        let watcher = Watcher::new(context.printer, Style::Docker, self.quiet);
        let image = registry::pull(context, references, request, &watcher);
        watcher.finish(context.printer);
        let image = image?;
        if !self.quiet {
            context.printer.note(format_args!("Digest: {}", image.target.digest));
        }
        Ok(image)
    }
}
