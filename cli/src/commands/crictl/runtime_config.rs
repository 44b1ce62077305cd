//! `runtime-config`: how the runtime makes cgroups.

use isopod_cri_client::v1;

use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{DOCKER, Table};

/// Show the runtime's configuration
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Verb for Args {
    const USAGE: &'static str = "";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        let answer = session
            .ask(client.runtime_config(v1::RuntimeConfigRequest {}))
            .map_err(Error::doing("getting the runtime's configuration"))?;
        if let Some(linux) = answer.linux {
            let mut table = Table::bare(DOCKER);
            table.row(["cgroup driver:", linux.cgroup_driver().as_str_name()]);
            context.printer.data(table.render().as_bytes())?;
        }
        Ok(0)
    }
}
