//! `metricsp`: pods' metrics as a scraper gets them.

use isopod_cri_client::v1;

use super::format::{self, DataFormat};
use super::session::Session;
use super::watch::watch;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Show pods' metrics
#[derive(Debug, clap::Args)]
pub struct Args {
    /// json or yaml
    #[arg(short, long, value_name = "FORMAT", default_value = "json")]
    output: DataFormat,
    /// Show them again and again
    #[arg(short, long)]
    watch: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        watch(context, self.watch, || {
            let answer = session
                .ask(client.list_pod_sandbox_metrics(v1::ListPodSandboxMetricsRequest {}))
                .map_err(Error::doing("getting pod metrics"))?;
            format::message(self.output, &answer)
        })?;
        Ok(0)
    }
}
