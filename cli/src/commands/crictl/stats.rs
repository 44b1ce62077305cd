//! `stats`: what containers use.

use std::time::Duration;

use isopod_cri_client::v1;

use super::format::{self, ListFormat};
use super::labels;
use super::session::Session;
use super::watch::watch;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::crictl::stats as view;

/// Show what containers use
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also those that don't run
    #[arg(short, long)]
    all: bool,
    /// Only the container of this id
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only those with this label (may be given several times)
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// json, yaml or table
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: ListFormat,
    /// Only those of this pod
    #[arg(short, long, value_name = "ID")]
    pod: Option<String>,
    /// Between the two looks that CPU usage needs
    #[arg(short, long, value_name = "SECONDS", default_value_t = 1)]
    seconds: u32,
    /// Show it again and again
    #[arg(short, long)]
    watch: bool,
    /// The same as --id
    #[arg(value_name = "ID")]
    container: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [ID]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        let filter = v1::ContainerStatsFilter {
            id: self.id.or(self.container).unwrap_or_default(),
            pod_sandbox_id: self.pod.unwrap_or_default(),
            label_selector: labels::parse("--label", &self.label)?,
        };
        let mut ask = || {
            let request = v1::ListContainerStatsRequest { filter: Some(filter.clone()) };
            let answer = session.ask(client.list_container_stats(request));
            let mut stats = answer.map_err(Error::doing("getting container stats"))?.stats;
            stats.sort_by(|a, b| view::container_id(a).cmp(view::container_id(b)));
            Ok::<_, Error>(stats)
        };
        watch(context, self.watch, || {
            let stats = ask()?;
            let Some(format) = self.output.data() else {
                std::thread::sleep(Duration::from_secs(self.seconds.into()));
                return view::containers(&stats, &ask()?, self.all).map_err(Error::argument);
            };
            format::message(format, &v1::ListContainerStatsResponse { stats })
        })?;
        Ok(0)
    }
}
