//! `metricdescs`: which metrics there are.

use isopod_cri_client::v1;

use super::format::{self, DataFormat};
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Show which metrics there are
#[derive(Debug, clap::Args)]
pub struct Args {
    /// json or yaml
    #[arg(short, long, value_name = "FORMAT", default_value = "json")]
    output: DataFormat,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        let answer = session
            .ask(client.list_metric_descriptors(v1::ListMetricDescriptorsRequest {}))
            .map_err(Error::doing("getting metric descriptors"))?;
        context.printer.data(format::message(self.output, &answer)?.as_bytes())?;
        Ok(0)
    }
}
