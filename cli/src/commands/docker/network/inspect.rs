//! `network inspect`: everything about networks, as docker's JSON.

use isopod_runtime::network::Networks;
use serde_json::Value as Json;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::network_inspect;

/// Show everything about one or more networks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print by a Go template, or "json"
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Names or ids
    #[arg(value_name = "NETWORK", required = true)]
    networks: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] NETWORK [NETWORK...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let networks = context.runtime()?.networks();
        networks.reclaim()?;
        let format = self.format.as_deref();
        crate::commands::docker::inspect::print(context, format, &self.networks, |name| {
            find(context, networks, name)
        })
    }
}

/// One network as docker's JSON.
///
/// # Errors
/// There is none of this name; its record is damaged.
pub fn find(context: &Context, networks: Networks<'_>, name: &str) -> Result<Json, Error> {
    let network = networks.find(name)?;
    let mut members = Vec::new();
    for endpoint in networks.endpoints(&network)? {
        let containers = context.runtime()?.containers(&endpoint.namespace);
        let name = containers.find(&endpoint.container).map(|found| found.name().to_owned());
        members.push((name.unwrap_or_default(), endpoint));
    }
    Ok(network_inspect::json(&network, &members))
}
