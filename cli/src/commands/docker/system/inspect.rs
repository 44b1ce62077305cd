//! `inspect`: containers and images by name, containers first.

use isopod_image::Platform;
use isopod_runtime::ErrorKind;

use crate::commands::docker::{container, image, inspect};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Show everything about containers and images
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print by a Go template, or "json"
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Show what containers take of the disk
    #[arg(short, long)]
    size: bool,
    /// Only objects of this type: container or image
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Names or ids
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] NAME|ID [NAME|ID...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let (containers, images) = match self.kind.as_deref() {
            None | Some("") => (true, true),
            Some("container") => (true, false),
            Some("image") => (false, true),
            Some(other) => {
                return Err(Error::Value {
                    what: "--type",
                    value: other.to_owned(),
                    reason: "types of this release are container and image".to_owned(),
                });
            }
        };
        let all = context.containers()?;
        let store = context.runtime()?.images();
        inspect::print(context, self.format.as_deref(), &self.names, |name| {
            if containers {
                match container::inspect::find(&all, name, self.size) {
                    Err(error) if images && is_not_found(&error) => {}
                    other => return other,
                }
            }
            match store.find(name) {
                Err(error) if containers && error.kind() == ErrorKind::NotFound => {
                    Err(isopod_runtime::Error::NotFound {
                        what: "container or image",
                        name: name.to_owned(),
                    }
                    .into())
                }
                found => image::inspect::json(&store, &found?, &Platform::host()),
            }
        })
    }
}

fn is_not_found(error: &Error) -> bool {
    matches!(error, Error::Runtime(error) if error.kind() == ErrorKind::NotFound)
}
