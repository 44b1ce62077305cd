//! `image inspect`: everything about images, as docker's JSON.

use isopod_runtime::image::{Image, Images};
use serde_json::Value as Json;

use super::{names, platform};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::image_inspect;

/// Show everything about one or more images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print by a Go template, or "json"
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// The platform to show (os[/arch[/variant]])
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Names or ids
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] IMAGE [IMAGE...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let images = context.runtime()?.images();
        let platform = platform::parse(self.platform.as_deref())?;
        crate::commands::docker::inspect::print(
            context,
            self.format.as_deref(),
            &self.images,
            |text| json(&images, &images.find(text)?, &platform),
        )
    }
}

/// One image as docker's JSON.
///
/// # Errors
/// Its documents are missing or damaged.
pub fn json(
    images: &Images<'_>,
    image: &Image,
    platform: &isopod_image::Platform,
) -> Result<Json, Error> {
    let details = images.details(image, platform)?;
    let same: Vec<Image> = images
        .list()?
        .into_iter()
        .filter(|other| other.target.digest == image.target.digest)
        .collect();
    let size = images.unpacked_size(&details)?.unwrap_or(details.content_size());
    let has_tag = |other: &&Image| names::split(&other.name).1.is_some();
    Ok(image_inspect::json(&image_inspect::Subject {
        details: &details,
        target: &image.target,
        tags: same.iter().filter(has_tag).map(|other| names::familiar(&other.name)).collect(),
        digests: same.iter().filter(|other| !other.is_nameless()).map(names::with_digest).collect(),
        size,
        tagged: image.updated,
    }))
}
