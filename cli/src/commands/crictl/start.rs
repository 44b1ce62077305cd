//! `start`: containers that were made.

use isopod_cri_client::v1;

use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Start containers that were created
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Containers
    #[arg(value_name = "CONTAINER-ID", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER-ID [CONTAINER-ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        session.runtime()?;
        context.each(&self.containers, |id| {
            start(&session, id)?;
            Ok(context.printer.line(id)?)
        })
    }
}

/// Starts one.
///
/// # Errors
/// The runtime's.
pub fn start(session: &Session<'_>, id: &str) -> Result<(), Error> {
    let request = v1::StartContainerRequest { container_id: id.to_owned() };
    let mut client = session.runtime()?;
    session
        .change(client.start_container(request))
        .map_err(Error::doing(format!("starting the container {id:?}")))?;
    Ok(())
}
