//! `ctr images pull`.

use super::access::AccessArgs;
use super::{platform, reference};
use crate::commands::ctr::labels;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::progress::{Style, Watcher};
use crate::registry;

/// Pull an image from a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Platform to pull and unpack
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Pull the content of every platform
    #[arg(long)]
    all_platforms: bool,
    /// Print the chain id of the unpacked image
    #[arg(long)]
    print_chainid: bool,
    /// Layers downloaded at once
    #[arg(long, value_name = "NUMBER")]
    max_concurrent_downloads: Option<usize>,
    /// Label of the image
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    #[command(flatten)]
    access: AccessArgs,
    /// The image, spelled out
    #[arg(value_name = "REF")]
    image: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] <ref>";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let reference = reference(&self.image)?;
        let platform = platform(self.platform.as_deref())?;
        let request = registry::Request {
            platform: platform.clone(),
            all_platforms: self.all_platforms,
            labels: labels::new(&self.label)?,
            max_concurrent: self.max_concurrent_downloads.filter(|number| *number > 0),
            keep_replaced: false,
            access: self.access.into(),
        };
        let watcher = Watcher::new(context.printer, Style::Ctr, false);
        let image = registry::pull(context, &[reference], &request, &watcher);
        watcher.finish(context.printer);
        let image = image?;
        context.printer.note(format_args!("unpacked {platform} {}", image.target.digest));
        if self.print_chainid {
            let details = context.runtime()?.images().details(&image, &platform)?;
            context.printer.line(format_args!("image chain ID: {}", details.top_chain_id()))?;
        }
        Ok(0)
    }
}
