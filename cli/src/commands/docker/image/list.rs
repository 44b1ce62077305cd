//! `images`, `image ls`: what is in the store.

use chrono::Utc;
use isopod_image::{Platform, Reference};
use isopod_runtime::image::{Image, ImageDetails, Images};

use super::filter::Filter;
use super::names;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::template;
use crate::output::views::images::{self as view, Row};

/// List images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show all images (none are hidden)
    #[arg(short, long)]
    all: bool,
    /// Show digests
    #[arg(long)]
    digests: bool,
    /// Show only those that fit (reference=PATTERN, label=KEY[=VALUE], before=IMAGE, since=IMAGE, until=TIME, dangling=BOOL)
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print by a Go template, "table TEMPLATE" or "json"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Show only ids
    #[arg(short, long)]
    quiet: bool,
    /// Only names of this repository
    #[arg(value_name = "REPOSITORY[:TAG]")]
    repository: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [REPOSITORY[:TAG]]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let images = context.runtime()?.images();
        let filters = self.filters()?;
        let all = images.list()?;
        let mut shown = Vec::new();
        for image in &all {
            let item = Item::new(&images, image)?;
            if Filter::all_match(&filters, &item, &images)? {
                shown.push(item);
            }
        }
        shown.sort_by_key(|item| std::cmp::Reverse(item.row.created));
        let now = Utc::now();
        let rows: Vec<_> =
            shown.iter().map(|item| view::fields(&item.row, !self.no_trunc, now)).collect();
        context.printer.data(self.rendered(context, &rows)?.as_bytes())?;
        Ok(0)
    }
}

impl Args {
    fn filters(&self) -> Result<Vec<Filter>, Error> {
        let mut filters = self
            .filter
            .iter()
            .map(|text| Filter::parse(text, Utc::now()))
            .collect::<Result<Vec<_>, _>>()?;
        filters.extend(self.repository.clone().map(Filter::Reference));
        Ok(filters)
    }

    fn rendered(&self, context: &Context, rows: &[serde_json::Value]) -> Result<String, Error> {
        let default = match () {
            () if self.quiet => "{{.ID}}",
            () if self.digests => view::TABLE_WITH_DIGESTS,
            () => view::TABLE,
        };
        let format = template::narrowed(self.format.as_deref(), &context.program);
        let format = format.filter(|_| !self.quiet);
        Ok(template::list(format, default, view::HEADERS, rows)?)
    }
}

/// An image with what filters and rows need of it.
pub struct Item {
    /// The name.
    pub image: Image,
    /// Its documents for this machine; `None` where they are not all there.
    pub details: Option<ImageDetails>,
    /// As shown.
    pub row: Row,
}

impl Item {
    fn new(images: &Images<'_>, image: &Image) -> Result<Self, Error> {
        // An image of another platform, or one whose documents are damaged, is listed all the
        // same: it has to be seen to be removed.
        let details = images.details(image, &Platform::host()).ok();
        let size = match &details {
            Some(details) => images.unpacked_size(details)?.unwrap_or(details.content_size()),
            None => 0,
        };
        let (repository, tag) = names::split(&image.name);
        let row = Row {
            id: details.as_ref().map_or(&image.target.digest, ImageDetails::id).to_string(),
            repository,
            tag,
            digest: image.target.digest.to_string(),
            created: details.as_ref().and_then(|d| Some(d.config.created.as_ref()?.utc())),
            size,
        };
        Ok(Self { image: image.clone(), details, row })
    }

    /// Its name as a reference, where it follows the grammar.
    #[must_use]
    pub fn reference(&self) -> Option<Reference> {
        Reference::parse(&self.image.name).ok()
    }
}
