//! `ctr images export`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use isopod_runtime::image::ExportOptions;

use super::platform;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Export images as a tar archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave out the manifest.json that docker reads
    #[arg(long)]
    skip_manifest_json: bool,
    /// Export this platform's content
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Export the content of every platform
    #[arg(long, conflicts_with = "platform")]
    all_platforms: bool,
    /// Where to, `-` for standard output
    #[arg(value_name = "OUT")]
    out: String,
    /// References of the images
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] <out> <image> ...";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let platform = match self.all_platforms {
            true => None,
            false => Some(platform(self.platform.as_deref())?),
        };
        let options = ExportOptions { platform, skip_manifest_json: self.skip_manifest_json };
        let images = context.runtime()?.images();
        if self.out == "-" {
            let mut out = io::stdout().lock();
            images.export(&mut out, &self.images, &options)?;
            out.flush()?;
            return Ok(0);
        }
        let path = Path::new(&self.out);
        let mut file = File::create(path).map_err(Error::file("create", path))?;
        if let Err(error) = images.export(&mut file, &self.images, &options) {
            // Half an archive helps nobody; the error to report is why it is none.
            std::fs::remove_file(path).ok();
            return Err(error.into());
        }
        file.sync_all().map_err(Error::file("write", path))?;
        Ok(0)
    }
}
