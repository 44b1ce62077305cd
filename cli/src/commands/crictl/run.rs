//! `run`: a pod with a container in it, from files.

use std::path::PathBuf;
use std::time::Duration;

use super::create::{SchemaArgs, create};
use super::globals::duration;
use super::manifest;
use super::pulling::{PullArgs, WhetherArgs};
use super::runp::run_pod;
use super::session::Session;
use super::start::start;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Run a pod and a container in it
///
/// `run jsonschema --pod --container` prints the schemas of the files.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long making the container may take
    #[arg(short = 'T', long, value_name = "TIME", value_parser = duration)]
    cancel_timeout: Option<Duration>,
    /// The runtime's handler, one of those that `info` lists
    #[arg(short, long, value_name = "HANDLER", default_value = "")]
    runtime: String,
    #[command(flatten)]
    whether: WhetherArgs,
    #[command(flatten)]
    pull: PullArgs,
    #[command(flatten)]
    schema: SchemaArgs,
    /// The container's file and the pod's
    #[arg(value_name = "CONTAINER-FILE", required = true, num_args = 1..=2)]
    files: Vec<PathBuf>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER-FILE POD-FILE";

    fn run(self, context: &Context) -> Result<Status, Error> {
        if let [word] = self.files.as_slice()
            && manifest::is_schema(word)
        {
            return self.schema.print(context);
        }
        self.schema.unused()?;
        let [container, pod] = self.files.as_slice() else {
            return Err(Error::Argument(
                "run needs two arguments: the container's file and the pod's".to_owned(),
            ));
        };
        let session = Session::new(context)?;
        let pod = manifest::pod(&session, pod)?;
        // Before a pod is made for it.
        let config = manifest::container(&session, container)?;
        if self.whether.or(!session.settings.no_pull_on_run) {
            self.pull.pull_for(&session, &config, &pod)?;
        }
        let pod_id = run_pod(&session, pod.clone(), self.runtime, None)?;
        let id = create(&session, pod_id, config, pod, self.cancel_timeout)?;
        start(&session, &id)?;
        context.printer.line(id)?;
        Ok(0)
    }
}
