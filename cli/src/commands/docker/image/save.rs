//! `save`: images as an archive that docker and every OCI tool reads.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use isopod_runtime::image::ExportOptions;

use super::platform;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Save one or more images to a tar archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Save this platform only (os[/arch[/variant]])
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Save every platform that is there (always so without --platform)
    #[arg(long, conflicts_with = "platform")]
    all_platforms: bool,
    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let platform = match &self.platform {
            Some(text) => Some(platform::parse(Some(text))?),
            None => None,
        };
        let options = ExportOptions { platform, skip_manifest_json: false };
        let images = context.runtime()?.images();
        let names = self.images.iter().map(|name| Ok(images.find(name)?.name));
        let names = names.collect::<Result<Vec<String>, Error>>()?;
        let Some(path) = &self.output else {
            let mut out = io::stdout().lock();
            if out.is_terminal() {
                return Err(Error::Argument(
                    "an archive is not for a terminal: give --output or redirect it".to_owned(),
                ));
            }
            images.export(&mut out, &names, &options)?;
            out.flush()?;
            return Ok(0);
        };
        let mut file = File::create(path).map_err(Error::file("create", path))?;
        if let Err(error) = images.export(&mut file, &names, &options) {
            // Half an archive helps nobody; the error to report is why it is none.
            std::fs::remove_file(path).ok();
            return Err(error.into());
        }
        file.sync_all().map_err(Error::file("write", path))?;
        Ok(0)
    }
}
