//! `checkpoint`: a container's processes into an archive, where the runtime can.

use isopod_cri_client::v1;

use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Write checkpoints of containers that run
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The archive, on the runtime's machine
    #[arg(short, long, value_name = "PATH", required = true)]
    export: String,
    /// Containers
    #[arg(value_name = "CONTAINER-ID", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "--export PATH CONTAINER-ID [CONTAINER-ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        context.each(&self.containers, |id| {
            let request = v1::CheckpointContainerRequest {
                container_id: id.to_owned(),
                location: self.export.clone(),
                timeout: 0,
            };
            session
                .change(client.checkpoint_container(request))
                .map_err(Error::doing(format!("checkpointing the container {id:?}")))?;
            Ok(context.printer.line(id)?)
        })
    }
}
