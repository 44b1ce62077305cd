//! `ctr snapshots info`.

use serde_json::json;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::{json, time};

/// Get info about a snapshot
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its key
    #[arg(value_name = "KEY")]
    key: String,
}

impl Verb for Args {
    const USAGE: &'static str = "<key>";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let snapshot = context.runtime()?.snapshots().get(&self.key)?;
        let created = snapshot.created.map_or_else(|| time::NEVER.to_owned(), time::rfc3339_nano);
        let info = json!({
            "Kind": snapshot.kind.as_str(),
            "Name": snapshot.key,
            "Parent": snapshot.parent,
            "Created": created,
            "Updated": created,
        });
        context.printer.line(json::indented(&info)?)?;
        Ok(0)
    }
}
