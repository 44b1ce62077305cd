//! `stop`: containers that run.

use std::time::Duration;

use isopod_cri_client::{v1, within};

use super::selection::Containers;
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Stop containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// All that run
    #[arg(short, long, conflicts_with = "containers")]
    all: bool,
    /// Seconds after which a container is killed that didn't end when it was asked to
    #[arg(short, long, value_name = "SECONDS", default_value_t = 0)]
    timeout: u32,
    /// Containers
    #[arg(value_name = "CONTAINER-ID", required_unless_present = "all")]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [CONTAINER-ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut ids = self.containers;
        if self.all {
            let running = Containers::default().list(&session);
            let running = running.map_err(Error::doing("listing containers"))?;
            ids = running.into_iter().map(|container| container.id).collect();
            if ids.is_empty() {
                session.note("No running containers found.");
            }
        }
        session.runtime()?;
        session.all_at_once(&ids, |id| stop(&session, id, self.timeout))
    }
}

/// Stops one, and prints its id.
///
/// # Errors
/// The runtime's.
pub async fn stop(session: &Session<'_>, id: String, seconds: u32) -> Result<(), Error> {
    let request =
        v1::StopContainerRequest { container_id: id.clone(), timeout: i64::from(seconds) };
    let limit = session.settings.change + Duration::from_secs(seconds.into());
    let mut client = session.runtime()?;
    within(Some(limit), client.stop_container(request))
        .await
        .map_err(Error::doing(format!("stopping the container {id:?}")))?;
    Ok(session.context.printer.line(id)?)
}
