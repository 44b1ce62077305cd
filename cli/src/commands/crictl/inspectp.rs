//! `inspectp`: statuses of pods.

use isopod_cri_client::v1;

use super::format::{self, StatusFormat};
use super::selection::Pods;
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::crictl::status as view;

/// Show the status of pods
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Without ids: those with this label (may be given several times)
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Without ids: the N newest; 0 is no limit
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<u64>,
    /// Without ids: the newest
    #[arg(short, long)]
    latest: bool,
    /// Without ids: those whose name matches a regular expression
    #[arg(long, value_name = "REGEX")]
    name: Option<String>,
    /// Without ids: those whose namespace matches a regular expression
    #[arg(long, value_name = "REGEX")]
    namespace: Option<String>,
    /// json, yaml, go-template or table
    #[arg(short, long, value_name = "FORMAT", default_value = "json")]
    output: StatusFormat,
    /// Leave out what the runtime adds
    #[arg(short, long)]
    quiet: bool,
    /// Without ids: those in this state (ready or notready)
    #[arg(short, long, value_name = "STATE")]
    state: Option<String>,
    /// A Go template, for -o go-template
    #[arg(long, value_name = "TEMPLATE")]
    template: Option<String>,
    /// Pods
    #[arg(value_name = "POD-ID")]
    pods: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [POD-ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let written = self.output.written(self.template.as_deref())?;
        let session = Session::new(context)?;
        let (verbose, mut ids) = (!self.quiet, self.pods);
        if ids.is_empty() {
            let selection = Pods {
                id: None,
                name: self.name,
                namespace: self.namespace,
                state: self.state,
                labels: self.label,
                latest: self.latest,
                last: self.last,
            };
            let found = selection.list(&session).map_err(Error::doing("listing pod sandboxes"))?;
            ids = found.into_iter().map(|pod| pod.id).collect();
        }
        if ids.is_empty() {
            return Err(Error::Argument("no pod is named, and none is found".to_owned()));
        }
        let mut client = session.runtime()?;
        let (mut text, mut all) = (String::new(), Vec::new());
        for pod_sandbox_id in ids {
            let doing = format!("getting the status of pod sandbox {pod_sandbox_id:?}");
            let request = v1::PodSandboxStatusRequest { pod_sandbox_id, verbose };
            let response =
                session.ask(client.pod_sandbox_status(request)).map_err(Error::doing(doing))?;
            match &written {
                None => text.push_str(&view::pod_lines(&response, verbose)),
                Some(_) => {
                    let status = view::pod(&response.status.unwrap_or_default());
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
