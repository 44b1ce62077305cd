//! `stopp`: pods that are ready.

use isopod_cri_client::{v1, within};

use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Stop pods
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Pods
    #[arg(value_name = "POD-ID", required = true)]
    pods: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "POD-ID [POD-ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        session.runtime()?;
        session.all_at_once(&self.pods, |id| stop(&session, id))
    }
}

/// Stops one, and says so.
///
/// # Errors
/// The runtime's.
pub async fn stop(session: &Session<'_>, id: String) -> Result<(), Error> {
    let request = v1::StopPodSandboxRequest { pod_sandbox_id: id.clone() };
    let mut client = session.runtime()?;
    within(Some(session.settings.change), client.stop_pod_sandbox(request))
        .await
        .map_err(Error::doing(format!("stopping the pod sandbox {id:?}")))?;
    Ok(session.context.printer.line(format_args!("Stopped sandbox {id}"))?)
}
