//! `inspect`: statuses of containers.

use chrono::Utc;
use isopod_cri_client::v1;

use super::format::{self, StatusFormat};
use super::selection::Containers;
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::crictl::status as view;

/// Show the status of containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Without ids: also those that don't run
    #[arg(short, long)]
    all: bool,
    /// Without ids: those of this image
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Without ids: those with this label (may be given several times)
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Without ids: the N newest, in every state; 0 is no limit
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<u64>,
    /// Without ids: the newest, in every state
    #[arg(short, long)]
    latest: bool,
    /// Without ids: those whose name matches a regular expression
    #[arg(long, value_name = "REGEX")]
    name: Option<String>,
    /// Without ids: those whose pod's namespace matches a regular expression
    #[arg(long, value_name = "REGEX")]
    namespace: Option<String>,
    /// json, yaml, go-template or table
    #[arg(short, long, value_name = "FORMAT", default_value = "json")]
    output: StatusFormat,
    /// Without ids: those of this pod
    #[arg(short, long, value_name = "ID")]
    pod: Option<String>,
    /// Leave out what the runtime adds
    #[arg(short, long)]
    quiet: bool,
    /// Without ids: those in this state (created, running, exited or unknown)
    #[arg(short, long, value_name = "STATE")]
    state: Option<String>,
    /// A Go template, for -o go-template
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// Containers
    #[arg(value_name = "CONTAINER-ID")]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [CONTAINER-ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let written = self.output.written(self.template.as_deref())?;
        let session = Session::new(context)?;
        let (verbose, mut ids) = (!self.quiet, self.containers);
        if ids.is_empty() {
            let selection = Containers {
                id: None,
                pod: self.pod,
                name: self.name,
                namespace: self.namespace,
                image: self.image,
                state: self.state,
                labels: self.label,
                all: self.all,
                latest: self.latest,
                last: self.last,
            };
            let found = selection.list(&session).map_err(Error::doing("listing containers"))?;
            ids = found.into_iter().map(|container| container.id).collect();
        }
        if ids.is_empty() {
            return Err(Error::Argument("no container is named, and none is found".to_owned()));
        }
        let mut client = session.runtime()?;
        let (mut text, mut all) = (String::new(), Vec::new());
        for container_id in ids {
            let doing = format!("getting the status of container {container_id:?}");
            let request = v1::ContainerStatusRequest { container_id, verbose };
            let response =
                session.ask(client.container_status(request)).map_err(Error::doing(doing))?;
            match &written {
                None => text.push_str(&view::container_lines(&response, verbose, Utc::now())),
                Some(_) => {
                    let status = view::container(&response.status.unwrap_or_default());
                    all.push(format::status(status, &response.info)?);
                }
            }
        }
        if let Some(written) = written {
            text = format::statuses(&written, all)?;
        }
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}
