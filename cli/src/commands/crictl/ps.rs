//! `ps`: containers, the newest first.

use std::collections::HashMap;

use chrono::Utc;
use isopod_cri_client::v1;

use super::format::{self, ListFormat};
use super::selection::{Containers, image_of};
use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::crictl::containers as view;

/// List containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also those that don't run
    #[arg(short, long)]
    all: bool,
    /// Only the container of this id
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only those of this image
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Only those with this label (may be given several times)
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// Only the N newest, in every state; 0 is no limit
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<u64>,
    /// Only the newest, in every state
    #[arg(short, long)]
    latest: bool,
    /// Only those whose name matches a regular expression
    #[arg(long, value_name = "REGEX")]
    name: Option<String>,
    /// Only those whose pod's namespace matches a regular expression
    #[arg(long, value_name = "REGEX")]
    namespace: Option<String>,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// json, yaml or table
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: ListFormat,
    /// Only those of this pod
    #[arg(short, long, value_name = "ID")]
    pod: Option<String>,
    /// Show ids only
    #[arg(short, long)]
    quiet: bool,
    /// Show an image by its name, not its id
    #[arg(short, long)]
    resolve_image_path: bool,
    /// Only those in this state: created, running, exited or unknown
    #[arg(short, long, value_name = "STATE")]
    state: Option<String>,
    /// Show more, in lines
    #[arg(short, long)]
    verbose: bool,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let session = Session::new(context)?;
        let selection = Containers {
            id: self.id,
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
        let containers = selection.list(&session).map_err(Error::doing("listing containers"))?;
        let text = match self.output.data() {
            Some(format) => format::message(format, &v1::ListContainersResponse { containers })?,
            None if self.quiet => {
                containers.iter().map(|container| format!("{}\n", container.id)).collect()
            }
            None if self.verbose => view::verbose(&containers, Utc::now()),
            None => {
                let names = match self.resolve_image_path {
                    true => tags(&session, &containers)?,
                    false => HashMap::new(),
                };
                let image = |container: &v1::Container| {
                    let shown = view::image(container, self.no_trunc);
                    let whole = view::image(container, true);
                    names.get(&whole).cloned().unwrap_or(shown)
                };
                view::table(&containers, self.no_trunc, image, Utc::now())
            }
        };
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}

/// The first tag of each image that has one.
fn tags(
    session: &Session<'_>,
    containers: &[v1::Container],
) -> Result<HashMap<String, String>, Error> {
    let mut tags = HashMap::new();
    for container in containers {
        let name = view::image(container, true);
        if !tags.contains_key(&name)
            && let Some(image) = image_of(session, &name)?
            && let Some(tag) = image.repo_tags.into_iter().next()
        {
            tags.insert(name, tag);
        }
    }
    Ok(tags)
}
