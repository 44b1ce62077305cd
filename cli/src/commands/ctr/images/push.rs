//! `ctr images push`.

use isopod_runtime::image::PushedPlatforms;

use super::access::AccessArgs;
use super::reference;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::progress::{Style, Watcher};
use crate::registry::{self, PushRequest};

/// Push an image to a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Push the content of this platform only
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Blobs sent at once
    #[arg(long, value_name = "NUMBER")]
    max_concurrent_uploaded_layers: Option<usize>,
    #[command(flatten)]
    access: AccessArgs,
    /// The image's name at the registry, spelled out
    #[arg(value_name = "REMOTE")]
    remote: String,
    /// Its name here, if that is another
    #[arg(value_name = "LOCAL")]
    local: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] <remote> [<local>]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let remote = reference(&self.remote)?;
        let local = self.local.as_deref().unwrap_or(&self.remote);
        let image = context.runtime()?.images().get(local)?;
        let platforms = match &self.platform {
            Some(text) => PushedPlatforms::One(text.parse().map_err(Error::argument)?),
            None => PushedPlatforms::Here,
        };
        let request = PushRequest {
            platforms,
            max_concurrent: self.max_concurrent_uploaded_layers.filter(|number| *number > 0),
            access: self.access.into(),
        };
        let watcher = Watcher::new(context.printer, Style::Ctr, false);
        let pushed = registry::push(context, &image, &remote, &request, &watcher);
        watcher.finish(context.printer);
        let pushed = pushed?;
        context.printer.note(format_args!("pushed {remote} {}", pushed.target.digest));
        Ok(0)
    }
}
