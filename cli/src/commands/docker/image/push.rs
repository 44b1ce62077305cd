//! `push`: an image to a registry.

use isopod_image::Reference;
use isopod_runtime::image::{Image, PushedPlatforms};

use super::names;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::progress::{Style, Watcher};
use crate::registry::{self, PushRequest};

/// Upload an image to a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Push every tag of the repository that is here
    #[arg(short, long)]
    all_tags: bool,
    /// Push this platform's manifest only, without the index (os[/arch[/variant]])
    #[arg(long, value_name = "PLATFORM", conflicts_with = "all_platforms")]
    platform: Option<String>,
    /// Push the index with every platform, or nothing if one is not here
    #[arg(long)]
    all_platforms: bool,
    /// Print nothing but the image's name
    #[arg(short, long)]
    quiet: bool,
    /// NAME[:TAG]
    #[arg(value_name = "NAME")]
    name: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] NAME[:TAG]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let request = PushRequest { platforms: self.platforms()?, ..PushRequest::default() };
        let chosen = self.chosen(context)?;
        if let (false, Some((_, first))) = (self.quiet, chosen.first()) {
            context.printer.note(format_args!("The push refers to repository [{}]", first.name()));
        }
        for (image, reference) in &chosen {
            let watcher = Watcher::new(context.printer, Style::Docker, self.quiet);
            let pushed = registry::push(context, image, reference, &request, &watcher);
            watcher.finish(context.printer);
            let pushed = pushed?;
            if self.quiet {
                context.printer.line(reference)?;
                continue;
            }
            if let Some(index) = &pushed.instead_of {
                context.printer.note(format_args!(
                    "only this machine's platform was pushed: the index {} names others, which are \
                     not here (pull --all-platforms)",
                    index.digest
                ));
            }
            context.printer.line(format_args!(
                "{}: digest: {} size: {}",
                reference.tag().unwrap_or_default(),
                pushed.target.digest,
                pushed.target.size
            ))?;
        }
        Ok(0)
    }
}

impl Args {
    fn platforms(&self) -> Result<PushedPlatforms, Error> {
        Ok(match &self.platform {
            Some(text) => PushedPlatforms::One(text.parse().map_err(Error::argument)?),
            None if self.all_platforms => PushedPlatforms::All,
            None => PushedPlatforms::Here,
        })
    }

    /// The images to push, each with its name at the registry.
    fn chosen(&self, context: &Context) -> Result<Vec<(Image, Reference)>, Error> {
        let images = context.runtime()?.images();
        let reference = names::parse(&self.name)?;
        if reference.digest().is_some() {
            return Err(Error::Argument(format!(
                "{}: an image is pushed under a tag, not under a digest",
                self.name
            )));
        }
        if !self.all_tags {
            return Ok(vec![(images.get(&reference.to_string())?, reference)]);
        }
        if self.name.rsplit('/').next().is_some_and(|last| last.contains(':')) {
            return Err(Error::Argument(format!(
                "{}: a tag can't be given with --all-tags",
                self.name
            )));
        }
        let mut all = Vec::new();
        for image in images.list()? {
            let Ok(other) = Reference::parse(&image.name) else { continue };
            if other.name() == reference.name() && other.tag().is_some() && other.digest().is_none()
            {
                all.push((image, other));
            }
        }
        if all.is_empty() {
            return Err(isopod_runtime::Error::NotFound {
                what: "image with the repository",
                name: reference.familiar_name(),
            }
            .into());
        }
        Ok(all)
    }
}
