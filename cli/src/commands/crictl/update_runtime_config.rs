//! `update-runtime-config`: the pods' addresses.

use isopod_cri_client::v1;

use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Change the runtime's configuration
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The subnet of the pods' addresses
    #[arg(short, long, value_name = "CIDR", required = true)]
    pod_cidr: String,
}

impl Verb for Args {
    const USAGE: &'static str = "--pod-cidr CIDR";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        let network_config = Some(v1::NetworkConfig { pod_cidr: self.pod_cidr });
        let runtime_config = Some(v1::RuntimeConfig { network_config });
        session
            .change(client.update_runtime_config(v1::UpdateRuntimeConfigRequest { runtime_config }))
            .map_err(Error::doing("updating the runtime's configuration"))?;
        session.note("Runtime config successfully updated");
        Ok(0)
    }
}
