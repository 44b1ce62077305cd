//! `pull`: an image from a registry, by the runtime.

use std::path::{Path, PathBuf};

use isopod_cri_client::v1;

use super::pulling::PullArgs;
use super::session::Session;
use super::{labels, manifest};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Pull an image from a registry
///
/// `pull jsonschema` prints the schema of the pod's file.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Annotation of the image (may be given several times)
    #[arg(short, long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Pull it for the pod that a file describes
    #[arg(long, value_name = "FILE")]
    pod_config: Option<PathBuf>,
    #[command(flatten)]
    pull: PullArgs,
    /// Image
    #[arg(value_name = "NAME[:TAG|@DIGEST]")]
    image: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] NAME[:TAG|@DIGEST]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        if manifest::is_schema(Path::new(&self.image)) {
            let text = manifest::schema::<v1::PodSandboxConfig>()?;
            context.printer.data(text.as_bytes())?;
            return Ok(0);
        }
        let session = Session::new(context)?;
        let pod = self.pod_config.as_deref().map(|path| manifest::pod(&session, path));
        let annotations = labels::parse("--annotation", &self.annotation)?;
        let reference = self.pull.pull(&session, &self.image, annotations, pod.transpose()?)?;
        context.printer.line(format_args!("Image is up to date for {reference}"))?;
        Ok(0)
    }
}
