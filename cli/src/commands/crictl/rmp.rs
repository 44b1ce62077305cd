//! `rmp`: pods with their containers.

use isopod_cri_client::{v1, within};

use super::selection::Pods;
use super::session::Session;
use super::stopp;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Remove pods
#[derive(Debug, clap::Args)]
pub struct Args {
    /// All there are
    #[arg(short, long, conflicts_with = "pods")]
    all: bool,
    /// Also those that are ready
    #[arg(short, long)]
    force: bool,
    /// Pods
    #[arg(value_name = "POD-ID", required_unless_present = "all")]
    pods: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [POD-ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let mut ids = self.pods.clone();
        if self.all {
            let every = Pods::default().list(&session);
            let every = every.map_err(Error::doing("listing pod sandboxes"))?;
            ids = every.into_iter().map(|pod| pod.id).collect();
            if ids.is_empty() {
                session.note("No pods to remove");
            }
        }
        session.runtime()?;
        session.all_at_once(&ids, |id| self.remove(&session, id))
    }
}

impl Args {
    async fn remove(&self, session: &Session<'_>, id: String) -> Result<(), Error> {
        let mut client = session.runtime()?;
        let request = v1::PodSandboxStatusRequest { pod_sandbox_id: id.clone(), verbose: false };
        let status = within(Some(session.settings.read), client.pod_sandbox_status(request))
            .await
            .map_err(Error::doing(format!("getting the status of pod sandbox {id:?}")))?
            .status
            .unwrap_or_default();
        if status.state() == v1::PodSandboxState::SandboxReady {
            if !self.force {
                return Err(Error::Argument(format!(
                    "pod sandbox {id:?} is running: stop it first, or give -f"
                )));
            }
            stopp::stop(session, id.clone()).await?;
        }
        let request = v1::RemovePodSandboxRequest { pod_sandbox_id: id.clone() };
        within(Some(session.settings.change), client.remove_pod_sandbox(request))
            .await
            .map_err(Error::doing(format!("removing the pod sandbox {id:?}")))?;
        Ok(session.context.printer.line(format_args!("Removed sandbox {id}"))?)
    }
}
