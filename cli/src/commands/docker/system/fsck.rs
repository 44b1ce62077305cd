//! `system fsck`: what is damaged, and mending it.

use isopod_runtime::fsck::{self, Finding, Options, Report};

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::json;
use crate::output::template::Format;
use crate::output::views::fsck as view;

/// Look for damage in images, containers, volumes, networks and what killed commands left
///
/// Nothing is changed without --repair. The exit status is 0 where nothing is wrong (any more), 1 where something is, and
/// 125 where that could not be told. docs/fsck.md explains each code.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Mend what can be mended without losing anything
    #[arg(long)]
    repair: bool,
    /// Don't read blobs through: look at their names and sizes
    #[arg(long)]
    quick: bool,
    /// Unpack every layer once more, and compare
    #[arg(long, conflicts_with = "quick")]
    thorough: bool,
    /// Print by a Go template, one line a finding, or all as "json"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let format = match self.format.as_deref() {
            None | Some("" | "json") => None,
            Some(format) => Some(Format::parse(format)?),
        };
        let Self { repair, quick, thorough, .. } = self;
        let options = Options { repair, quick, thorough };
        let report = fsck::check(context.runtime_config()?, options)?;
        let text = match (self.format.as_deref(), format) {
            (Some("json"), _) => json::line(&view::json(&report))? + "\n",
            (_, Some(format)) => rendered(&format, &report)?,
            _ => view::lines(&report, repair),
        };
        context.printer.data(text.as_bytes())?;
        for what in &report.unchecked {
            context.printer.warn(format_args!("could not be looked at: {what}"));
        }
        Ok(Status::from(!report.is_clean()))
    }
}

fn rendered(format: &Format, report: &Report) -> Result<String, Error> {
    let line = |(finding, is_mended): (&Finding, bool)| {
        Ok::<_, Error>(format.render(&view::fields(finding, is_mended))? + "\n")
    };
    let mended = report.mended.iter().map(|finding| (finding, true));
    mended.chain(report.left.iter().map(|finding| (finding, false))).map(line).collect()
}
