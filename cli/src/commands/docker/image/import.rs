//! `import`: an image of one layer out of the tar of a root file system.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use isopod_runtime::image::RootOptions;

use super::{names, platform};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Create an image from the tar of a root file system
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Apply a Dockerfile instruction to the image's config
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// Message of the import
    #[arg(short, long, value_name = "MESSAGE")]
    message: Option<String>,
    /// Platform of the image (os[/arch[/variant]])
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// The tar, plain or compressed; - is standard input
    #[arg(value_name = "FILE|-")]
    file: String,
    /// The image's name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] FILE|- [REPOSITORY[:TAG]]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let options = RootOptions {
            name: self.name.as_deref().map(names::to_be_given).transpose()?,
            message: self.message.clone().unwrap_or_else(|| format!("Imported from {}", self.file)),
            changes: self.change.clone(),
            platform: platform::parse(self.platform.as_deref())?,
        };
        let mut reader = self.open()?;
        let images = context.runtime()?.images();
        let image = images.import_root(reader.as_mut(), &options)?;
        context.printer.line(names::id(&images, &image)?)?;
        Ok(0)
    }
}

impl Args {
    fn open(&self) -> Result<Box<dyn Read + Send>, Error> {
        if self.file.starts_with("http://") || self.file.starts_with("https://") {
            return Err(Error::Argument(format!(
                "{0} is not fetched: import reads files, so pipe it in (`curl -fsSL {0} | isopod import -`)",
                self.file
            )));
        }
        if self.file != "-" {
            let path = Path::new(&self.file);
            return Ok(Box::new(File::open(path).map_err(Error::file("open", path))?));
        }
        if io::stdin().is_terminal() {
            return Err(Error::Argument(
                "no archive comes from a terminal: name a file or redirect it".to_owned(),
            ));
        }
        Ok(Box::new(io::stdin()))
    }
}
