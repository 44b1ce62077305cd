//! `pods`: pods, the newest first.

use chrono::Utc;
use isopod_cri_client::v1;

use super::format::{self, ListFormat};
use super::selection::Pods;
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::crictl::pods as view;

/// List pods
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only the pod of this id
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only those with this label (may be given several times)
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Only the N newest; 0 is no limit
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<u64>,
    /// Only the newest
    #[arg(short, long)]
    latest: bool,
    /// Only those whose name matches a regular expression
    #[arg(long, value_name = "REGEX")]
    name: Option<String>,
    /// Only those whose namespace matches a regular expression
    #[arg(long, value_name = "REGEX")]
    namespace: Option<String>,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// json, yaml or table
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: ListFormat,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    /// Only those in this state: ready or notready
    #[arg(short, long, value_name = "STATE")]
    state: Option<String>,
    /// Show more, in lines
    #[arg(short, long)]
    verbose: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let selection = Pods {
            id: self.id,
            name: self.name,
            namespace: self.namespace,
            state: self.state,
            labels: self.label,
            latest: self.latest,
            last: self.last,
        };
        let items = selection.list(&session).map_err(Error::doing("listing pod sandboxes"))?;
        let text = match self.output.data() {
            Some(format) => format::message(format, &v1::ListPodSandboxResponse { items })?,
            None if self.quiet => items.iter().map(|pod| format!("{}\n", pod.id)).collect(),
            None if self.verbose => view::verbose(&items),
            None => view::table(&items, self.no_trunc, Utc::now()),
        };
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}
