//! `network ls`.

use super::filter::Filter;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::template;
use crate::output::views::networks as view;

/// List networks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show only those that fit (driver=, id=, label=, name=, scope=, type=, dangling=)
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
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let filters =
            self.filter.iter().map(|text| Filter::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let networks = context.runtime()?.networks();
        networks.reclaim()?;
        let endpoints = networks.all_endpoints()?;
        let mut listed = networks.list()?;
        listed.retain(|network| {
            let is_used = endpoints.iter().any(|endpoint| endpoint.network == network.id);
            Filter::all_match(&filters, network, is_used)
        });
        // docker's order.
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        let rows: Vec<_> =
            listed.iter().map(|network| view::fields(network, !self.no_trunc)).collect();
        let (format, default) = match self.quiet {
            true => (None, "{{.ID}}"),
            false => (template::narrowed(self.format.as_deref(), &context.program), view::TABLE),
        };
        let text = template::list(format, default, view::HEADERS, &rows)?;
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}
