//! `ctr images import`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use isopod_runtime::image::ImportOptions;

use super::platform;
use crate::commands::ctr::labels;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Import images from an archive: an OCI layout, or what `docker save` writes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of images that only have a tag in the archive
    #[arg(long, value_name = "NAME")]
    base_name: Option<String>,
    /// Name every manifest by its digest too
    #[arg(long)]
    digests: bool,
    /// Name of the archive's index itself
    #[arg(long, value_name = "NAME")]
    index_name: Option<String>,
    /// Take over the content of every platform (always so)
    #[arg(long)]
    all_platforms: bool,
    /// Platform to unpack
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Do not unpack them
    #[arg(long)]
    no_unpack: bool,
    /// Label of the images
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// The archive, `-` for standard input
    #[arg(value_name = "IN")]
    input: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] <in>";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let options = ImportOptions {
            keep_nameless: false,
            base_name: self.base_name,
            index_name: self.index_name,
            digests: self.digests,
            platform: platform(self.platform.as_deref())?,
            unpack: !self.no_unpack,
            labels: labels::new(&self.label)?,
        };
        let images = context.runtime()?.images();
        let mut reader: Box<dyn Read + Send> = match self.input.as_str() {
            "-" => Box::new(io::stdin()),
            path => {
                let path = Path::new(path);
                Box::new(File::open(path).map_err(Error::file("open", path))?)
            }
        };
        for image in images.import(reader.as_mut(), &options)? {
            let done = if options.unpack { "unpacked" } else { "imported" };
            context
                .printer
                .line(format_args!("{done} {} ({})", image.name, image.target.digest))?;
        }
        Ok(0)
    }
}
