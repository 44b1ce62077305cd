//! `ctr images list`.

use isopod_image::Platform;

use super::platforms;
use crate::commands::ctr::filter::{self, Subject};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR, Table};
use crate::output::units;
use crate::output::views::labels;

/// List images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print only the references
    #[arg(short, long)]
    quiet: bool,
    /// Only those that fit (name==NAME, labels.KEY==VALUE)
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] [<filter>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let runtime = context.runtime()?;
        let filters = filter::parse(&self.filters, &["name"])?;
        let mut table = Table::new(CTR, &["REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS", ""]);
        for image in runtime.images().list()? {
            let subject = Subject { fields: &[("name", &image.name)], labels: &image.labels };
            if !filter::any_fits(&filters, subject) {
                continue;
            }
            if self.quiet {
                context.printer.line(&image.name)?;
                continue;
            }
            // An image of other platforms only, or one that is damaged, is listed all the same.
            let details = runtime.images().details(&image, &Platform::host());
            let size = details.map_or_else(|_| "-".to_owned(), |d| units::ctr(d.content_size()));
            table.row([
                image.name.clone(),
                image.target.media_type.clone(),
                image.target.digest.to_string(),
                size,
                platforms(runtime, &image),
                labels::joined(&image.labels, "-"),
                String::new(),
            ]);
        }
        if !self.quiet {
            context.printer.data(table.render().as_bytes())?;
        }
        Ok(0)
    }
}
