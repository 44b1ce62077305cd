//! `ctr containers list`.

use super::RUNTIME;
use crate::commands::ctr::filter::{self, Subject};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR_WIDE, Table};

/// List containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print only the ids
    #[arg(short, long)]
    quiet: bool,
    /// Only those that fit (id==ID, image==REF, labels.KEY==VALUE)
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[flags] [<filter>...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let filters = filter::parse(&self.filters, &["id", "image"])?;
        let listing = context.containers()?.list()?;
        let damaged: Vec<Error> = listing.damaged.into_iter().map(Error::from).collect();
        let mut all = listing.containers;
        all.sort_by(|a, b| a.id().cmp(b.id()));
        let mut table = Table::new(CTR_WIDE, &["CONTAINER", "IMAGE", "RUNTIME", ""]);
        for container in &all {
            let image = container.image_name().unwrap_or_default();
            let subject = Subject {
                fields: &[("id", container.id()), ("image", image)],
                labels: container.labels(),
            };
            if !filter::any_fits(&filters, subject) {
                continue;
            }
            if self.quiet {
                context.printer.line(container.id())?;
                continue;
            }
            let image = if image.is_empty() { "-" } else { image };
            table.row([container.id(), image, RUNTIME, ""]);
        }
        if !self.quiet {
            context.printer.data(table.render().as_bytes())?;
        }
        Ok(context.report_all(&damaged))
    }
}
