//! `runp`: a pod from a file.

use std::path::PathBuf;
use std::time::Duration;

use isopod_cri_client::{v1, within};

use super::globals::duration;
use super::manifest;
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Run a pod
///
/// `runp jsonschema` prints the schema of the file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long the runtime may take
    #[arg(short = 'T', long, value_name = "TIME", value_parser = duration)]
    cancel_timeout: Option<Duration>,
    /// The runtime's handler, one of those that `info` lists
    #[arg(short, long, value_name = "HANDLER", default_value = "")]
    runtime: String,
    /// The file
    #[arg(value_name = "POD-FILE")]
    file: PathBuf,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] POD-FILE";

    fn run(self, context: &Context) -> Result<Status, Error> {
        if manifest::is_schema(&self.file) {
            let text = manifest::schema::<v1::PodSandboxConfig>()?;
            context.printer.data(text.as_bytes())?;
            return Ok(0);
        }
        let session = Session::new(context)?;
        let config = manifest::pod(&session, &self.file)?;
        let id = run_pod(&session, config, self.runtime, self.cancel_timeout)?;
        context.printer.line(id)?;
        Ok(0)
    }
}

/// Has the pod made; its id.
///
/// # Errors
/// The runtime's.
pub fn run_pod(
    session: &Session<'_>,
    config: v1::PodSandboxConfig,
    runtime_handler: String,
    limit: Option<Duration>,
) -> Result<String, Error> {
    let request = v1::RunPodSandboxRequest { config: Some(config), runtime_handler };
    let mut client = session.runtime()?;
    // Twice as much as for a container: there is its network too.
    let limit = limit.filter(|limit| !limit.is_zero()).unwrap_or(session.settings.change * 2);
    let answer = session.wait(within(Some(limit), client.run_pod_sandbox(request)));
    Ok(answer.map_err(Error::doing("running pod sandbox"))?.pod_sandbox_id)
}
