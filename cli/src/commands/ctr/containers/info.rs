//! `ctr containers info`.

use serde_json::json;

use super::RUNTIME;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::{json, time};

/// Get info about a container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only display the specification
    #[arg(long)]
    spec: bool,
    /// Its id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let container = context.containers()?.find(&self.container)?;
        // Written at the first start: until then there is none to show.
        let spec = container.spec()?;
        if self.spec {
            context.printer.line(json::indented(&spec)?)?;
            return Ok(0);
        }
        let created = time::rfc3339_nano(container.created());
        let info = json!({
            "ID": container.id(),
            "Labels": container.labels(),
            "Image": container.image_name().unwrap_or_default(),
            "Runtime": { "Name": RUNTIME, "Options": null },
            "SnapshotKey": container.record().snapshot.clone().unwrap_or_default(),
            "Snapshotter": "overlayfs",
            "CreatedAt": created,
            "UpdatedAt": created,
            "Extensions": {},
            "SandboxID": "",
            "Spec": serde_json::to_value(&spec)?,
        });
        context.printer.line(json::indented(&info)?)?;
        Ok(0)
    }
}
