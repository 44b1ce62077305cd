//! `image prune`: images that nothing uses.

use chrono::Utc;

use super::filter::Filter;
use super::names;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::units;
use crate::terminal::confirm;

/// Remove images that no container uses
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove images with a name too, not only those without
    #[arg(short, long)]
    all: bool,
    /// Remove only those that fit (until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE])
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let now = Utc::now();
        let filters = self.filter.iter().map(|text| Filter::parse_for_prune(text, now));
        let filters = filters.collect::<Result<Vec<_>, _>>()?;
        let warning = match self.all {
            true => "all images without at least one container associated to them",
            false => "all dangling images",
        };
        if !self.force && !confirm::confirm(&format!("This will remove {warning}."))? {
            return Err(Error::Argument("image prune has been cancelled".to_owned()));
        }
        let images = context.runtime()?.images();
        let removed = images.prune(self.all, &|image, details| {
            filters.iter().all(|filter| filter.fits_of(image, details))
        })?;
        if !removed.untagged.is_empty() || !removed.deleted.is_empty() {
            context.printer.line("Deleted Images:")?;
        }
        for name in &removed.untagged {
            if !names::is_nameless(name) {
                context.printer.line(format_args!("untagged: {}", names::familiar(name)))?;
            }
        }
        for digest in &removed.deleted {
            context.printer.line(format_args!("deleted: {digest}"))?;
        }
        if !removed.untagged.is_empty() || !removed.deleted.is_empty() {
            context.printer.line("")?;
        }
        context.printer.line(format_args!(
            "Total reclaimed space: {}",
            units::decimal(removed.reclaimed)
        ))?;
        Ok(0)
    }
}
