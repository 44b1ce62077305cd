//! `volume ls`.

use super::filter::Filters;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::template;
use crate::output::views::volumes as view;

/// List volumes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show only those that fit (dangling=BOOL, driver=, label=KEY[=VALUE], name=)
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print by a Go template, "table TEMPLATE" or "json"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show only names
    #[arg(short, long)]
    quiet: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let filters = Filters::parse(&self.filter)?;
        let mut rows = Vec::new();
        for found in context.runtime()?.volumes().details()? {
            if filters.fit(&found) {
                rows.push(view::fields(&super::row(context, &found.volume)?));
            }
        }
        let (format, default) = match self.quiet {
            true => (None, "{{.Name}}"),
            false => (template::narrowed(self.format.as_deref(), &context.program), view::TABLE),
        };
        let text = template::list(format, default, view::HEADERS, &rows)?;
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}
