//! `container inspect`: everything about containers, as docker's JSON.

use isopod_runtime::container::{Container, Containers};
use serde_json::Value as Json;

use super::{command_line, state};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::container_inspect::{self, Subject};

/// Show everything about one or more containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print by a Go template, or "json"
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show what they take of the disk
    #[arg(short, long)]
    size: bool,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let containers = context.containers()?;
        let format = self.format.as_deref();
        crate::commands::docker::inspect::print(context, format, &self.containers, |name| {
            find(&containers, name, self.size)
        })
    }
}

/// One container as docker's JSON.
///
/// # Errors
/// There is none of this name; its files are damaged.
pub fn find(containers: &Containers<'_>, name: &str, size: bool) -> Result<Json, Error> {
    json(&containers.find(name)?, size)
}

fn json(container: &Container<'_>, size: bool) -> Result<Json, Error> {
    let status = container.status()?;
    Ok(container_inspect::json(&Subject {
        id: container.id(),
        name: container.name(),
        created: container.created(),
        command: command_line::of(container),
        state: state::of(&status),
        status: &status,
        record: container.record(),
        labels: container.labels(),
        cgroup: container.cgroup(),
        data: container.data(),
        log_path: container.log_path(),
        size: if size { Some(container.disk_usage()?.size) } else { None },
    }))
}
