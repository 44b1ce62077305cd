//! `inspect`: containers, images, networks and volumes by name, in this order.

use isopod_image::Platform;
use isopod_runtime::ErrorKind;
use serde_json::Value as Json;

use crate::commands::docker::{container, image, inspect, network, volume};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Show everything about containers, images, networks and volumes
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print by a Go template, or "json"
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show what containers take of the disk
    #[arg(short, long)]
    size: bool,
    /// Only objects of this type: container, image, network or volume
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Names or ids
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] NAME|ID [NAME|ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let kind = self.kind.as_deref().filter(|kind| !kind.is_empty());
        if let Some(other) = kind.filter(|kind| !KINDS.contains(kind)) {
            return Err(Error::Value {
                what: "--type",
                value: other.to_owned(),
                reason: format!("types of this release are {}", KINDS.join(", ")),
            });
        }
        let all = context.containers()?;
        inspect::print(context, self.format.as_deref(), &self.names, |name| {
            let kinds = KINDS.iter().filter(|known| kind.is_none_or(|kind| kind == **known));
            for known in kinds {
                let found = match *known {
                    "container" => container::inspect::find(context, &all, name, self.size),
                    "image" => image(context, name),
                    "volume" => volume::find(context, name),
                    _ => network::inspect::find(context, context.runtime()?.networks(), name),
                };
                match found {
                    Err(error) if kind.is_none() && is_not_found(&error) => {}
                    other => return other,
                }
            }
            Err(isopod_runtime::Error::NotFound { what: "object", name: name.to_owned() }.into())
        })
    }
}

/// What is looked for, in this order.
const KINDS: [&str; 4] = ["container", "image", "network", "volume"];

fn image(context: &Context, name: &str) -> Result<Json, Error> {
    let store = context.runtime()?.images();
    image::inspect::json(&store, &store.find(name)?, &Platform::host())
}

fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Runtime(error) if error.kind() == ErrorKind::NotFound)
}
