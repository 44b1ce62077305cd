//! `load`: images from an archive that `save`, docker or an OCI tool wrote.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use isopod_runtime::image::ImportOptions;

use super::{names, platform};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Load images from a tar archive
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Read from a file instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Print nothing
    #[arg(short, long)]
    quiet: bool,
    /// Platform to unpack (os[/arch[/variant]])
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Take over every platform (always so)
    #[arg(long)]
    all_platforms: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let mut reader: Box<dyn Read + Send> = match &self.input {
            Some(path) => Box::new(File::open(path).map_err(Error::file("open", path))?),
            None if io::stdin().is_terminal() => {
                return Err(Error::Argument(
                    "no archive comes from a terminal: give --input or redirect it".to_owned(),
                ));
            }
            None => Box::new(io::stdin()),
        };
        let options = ImportOptions {
            keep_nameless: true,
            base_name: None,
            index_name: None,
            digests: false,
            platform: platform::parse(self.platform.as_deref())?,
            unpack: true,
            labels: std::collections::BTreeMap::new(),
        };
        let images = context.runtime()?.images();
        for image in images.import(reader.as_mut(), &options)? {
            if self.quiet {
                continue;
            }
            match image.is_nameless() {
                true => {
                    let id = names::id(&images, &image)?;
                    context.printer.line(format_args!("Loaded image ID: {id}"))?;
                }
                false => {
                    let name = names::familiar(&image.name);
                    context.printer.line(format_args!("Loaded image: {name}"))?;
                }
            }
        }
        Ok(0)
    }
}
