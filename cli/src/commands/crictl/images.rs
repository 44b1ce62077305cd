//! `images`: images by name.

mod filter;

use isopod_cri_client::v1;

use super::format::{self, ListFormat};
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::crictl::images as view;

/// List images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Only some: dangling=true|false, reference=REGEX, before=IMAGE, since=IMAGE (may be given several times)
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// json, yaml or table
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: ListFormat,
    /// Show whether an image is kept from being collected
    #[arg(long)]
    pinned: bool,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    /// Show more, in lines
    #[arg(short, long)]
    verbose: bool,
    /// Only the image of this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    image: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [REPOSITORY[:TAG]]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let images = list(&session, self.image.as_deref().unwrap_or_default(), &self.filter)?;
        let columns =
            view::Columns { digests: self.digests, pinned: self.pinned, whole: self.no_trunc };
        let text = match self.output.data() {
            Some(format) => format::message(format, &v1::ListImagesResponse { images })?,
            None if self.quiet => images.iter().map(|image| format!("{}\n", image.id)).collect(),
            None if self.verbose => view::verbose(&images),
            None => view::table(&images, columns),
        };
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}

/// Images by name, those that `filters` leave.
///
/// # Errors
/// Filters that can't be meant; the runtime's.
pub fn list(
    session: &Session<'_>,
    name: &str,
    filters: &[String],
) -> Result<Vec<v1::Image>, Error> {
    let filters = filter::parse(filters)?;
    let spec = v1::ImageSpec { image: name.to_owned(), ..v1::ImageSpec::default() };
    let filter = Some(v1::ImageFilter { image: Some(spec) });
    let mut client = session.images()?;
    let answer = session.ask(client.list_images(v1::ListImagesRequest { filter }));
    let mut images = answer.map_err(Error::doing("listing images"))?.images;
    images.sort_by(|a, b| key(a).cmp(&key(b)));
    Ok(filter::apply(&filters, images))
}

/// By the first tag, or the first digest; those without either last, by their ids.
fn key(image: &v1::Image) -> (bool, &str, &str) {
    let name = image.repo_tags.first().or(image.repo_digests.first());
    (name.is_none(), name.map_or("", String::as_str), &image.id)
}
