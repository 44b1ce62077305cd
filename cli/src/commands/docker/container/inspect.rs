//! `container inspect`: everything about containers, as docker's JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use isopod_runtime::container::{Attachment, Container, Containers, Network};
use isopod_runtime::network::Endpoint;
use serde_json::Value as Json;

use super::{command_line, list, state};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::container_inspect::{self, Subject};
use crate::output::views::network_settings::{self, Place};

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
            find(context, &containers, name, self.size)
        })
    }
}

/// One container as docker's JSON.
///
/// # Errors
/// There is none of this name; its files are damaged.
pub fn find(
    context: &Context,
    containers: &Containers<'_>,
    name: &str,
    size: bool,
) -> Result<Json, Error> {
    json(context, &containers.find(name)?, size)
}

/// Where it is, in the order of its devices while it has them.
fn places(context: &Context, container: &Container<'_>) -> Result<Vec<Place>, Error> {
    let setting = &container.settings().network;
    let Network::Networks(attachments) = setting else {
        let name = network_settings::mode(setting);
        return Ok(vec![Place { name, network: None, attachment: None, endpoint: None }]);
    };
    container.release_if_over()?;
    let networks = context.runtime()?.networks();
    let mut endpoints = networks.endpoints_of(container.namespace(), container.id())?;
    let place = |attachment: &Attachment| {
        // One that was removed since is known by its name alone.
        let network = networks.find(&attachment.network).ok();
        if network.is_none() {
            context.printer.warn(format!(
                "network {}, which container {} is to be on, is gone",
                attachment.network,
                container.name()
            ));
        }
        let is_its = |endpoint: &Endpoint| {
            network.as_ref().is_some_and(|network| network.id == endpoint.network)
        };
        let endpoint = endpoints.iter().position(is_its).map(|index| endpoints.remove(index));
        let name = attachment.network.clone();
        Place { name, network, attachment: Some(attachment.clone()), endpoint }
    };
    Ok(attachments.iter().filter(|one| !one.leaving).map(place).collect())
}

fn volume_folders(
    context: &Context,
    container: &Container<'_>,
) -> Result<BTreeMap<String, PathBuf>, Error> {
    let volumes = context.runtime()?.volumes();
    let used = container.record().volumes.iter();
    Ok(used.map(|volume| (volume.name.clone(), volumes.data_folder(&volume.name))).collect())
}

fn json(context: &Context, container: &Container<'_>, size: bool) -> Result<Json, Error> {
    let status = container.status()?;
    Ok(container_inspect::json(&Subject {
        id: container.id(),
        name: container.name(),
        created: container.created(),
        command: command_line::of(container),
        state: state::of(&status),
        status: &status,
        record: container.record(),
        volumes: volume_folders(context, container)?,
        labels: container.labels(),
        places: places(context, container)?,
        exposed: container.exposed_ports().into_iter().collect(),
        data: container.data(),
        log_path: container.log_path(),
        apparmor_profile: container.apparmor_profile(),
        size: match size {
            true => Some(list::size(container, context.runtime()?.images())?),
            false => None,
        },
    }))
}
