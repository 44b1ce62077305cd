//! `create`: a container in a pod, from files.

use std::path::PathBuf;
use std::time::Duration;

use isopod_cri_client::{v1, within};

use super::globals::duration;
use super::manifest;
use super::pulling::{PullArgs, WhetherArgs};
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Create a container in a pod
///
/// `create jsonschema --pod --container` prints the schemas of the files.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long the runtime may take
    #[arg(short = 'T', long, value_name = "TIME", value_parser = duration)]
    cancel_timeout: Option<Duration>,
    #[command(flatten)]
    whether: WhetherArgs,
    #[command(flatten)]
    pull: PullArgs,
    #[command(flatten)]
    schema: SchemaArgs,
    /// Pod, the container's file and the pod's
    #[arg(value_name = "POD", required = true, num_args = 1..=3)]
    words: Vec<PathBuf>,
}

/// Which schemas `jsonschema` prints.
#[derive(Debug, Default, clap::Args)]
pub struct SchemaArgs {
    /// With jsonschema: that of a pod's file
    #[arg(short, long)]
    pod: bool,
    /// With jsonschema: that of a container's file
    #[arg(short, long)]
    container: bool,
}

impl SchemaArgs {
    /// Both where both were asked for.
    ///
    /// # Errors
    /// Neither was asked for.
    pub fn print(&self, context: &Context) -> Result<Status, Error> {
        if !self.pod && !self.container {
            return Err(Error::Argument("jsonschema needs --pod or --container".to_owned()));
        }
        if self.pod {
            let text = manifest::schema::<v1::PodSandboxConfig>()?;
            context.printer.data(text.as_bytes())?;
        }
        if self.container {
            let text = manifest::schema::<v1::ContainerConfig>()?;
            context.printer.data(text.as_bytes())?;
        }
        Ok(0)
    }

    /// Refuses them where no schema is printed.
    ///
    /// # Errors
    /// They were given.
    pub fn unused(&self) -> Result<(), Error> {
        match self.pod || self.container {
            true => Err(Error::Argument("--pod and --container belong to jsonschema".to_owned())),
            false => Ok(()),
        }
    }
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] POD CONTAINER-FILE POD-FILE";

    fn run(self, context: &Context) -> Result<Status, Error> {
        if let [word] = self.words.as_slice()
            && manifest::is_schema(word)
        {
            return self.schema.print(context);
        }
        self.schema.unused()?;
        let [pod_id, container, pod] = self.words.as_slice() else {
            return Err(Error::Argument(
                "create needs three arguments: a pod, the container's file and the pod's"
                    .to_owned(),
            ));
        };
        let session = Session::new(context)?;
        let config = manifest::container(&session, container)?;
        let pod = manifest::pod(&session, pod)?;
        if self.whether.or(session.settings.pull_on_create) {
            self.pull.pull_for(&session, &config, &pod)?;
        }
        let pod_id = pod_id.to_string_lossy().into_owned();
        let id = create(&session, pod_id, config, pod, self.cancel_timeout)?;
        context.printer.line(id)?;
        Ok(0)
    }
}

/// Has the container made; its id.
///
/// # Errors
/// The runtime's.
pub fn create(
    session: &Session<'_>,
    pod_sandbox_id: String,
    config: v1::ContainerConfig,
    pod: v1::PodSandboxConfig,
    limit: Option<Duration>,
) -> Result<String, Error> {
    let doing = format!("creating a container in pod sandbox {pod_sandbox_id:?}");
    let request = v1::CreateContainerRequest {
        pod_sandbox_id,
        config: Some(config),
        sandbox_config: Some(pod),
    };
    let mut client = session.runtime()?;
    let limit = limit.filter(|limit| !limit.is_zero()).unwrap_or(session.settings.change);
    let answer = session.wait(within(Some(limit), client.create_container(request)));
    Ok(answer.map_err(Error::doing(doing))?.container_id)
}
