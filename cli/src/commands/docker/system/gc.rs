//! `system gc`: removing what nothing needs, and saying why the rest stays.

use chrono::Utc;
use serde_json::json;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::fsck as view;
use crate::output::{json, units};

/// Remove blobs, layers and folders that no image, container, volume or running command needs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove nothing: say what would go, and why the rest stays
    #[arg(long)]
    explain: bool,
    /// Also remove what repairs have moved to damaged/ in the root; else it is kept for 30 days
    #[arg(long, conflicts_with = "explain")]
    damaged: bool,
    /// Print as "json"
    #[arg(long, value_name = "FORMAT", value_parser = ["json"])]
    format: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let runtime = context.runtime()?;
        let is_json = self.format.is_some();
        if self.explain {
            let items = runtime.explain_garbage()?;
            let text = match is_json {
                true => json::line(&view::explained_json(&items))? + "\n",
                false => {
                    let going = items.iter().filter(|item| item.goes).map(|item| item.size);
                    let total = units::decimal(going.sum());
                    format!("{}\nTotal that would be reclaimed: {total}\n", view::explained(&items))
                }
            };
            context.printer.data(text.as_bytes())?;
            return Ok(0);
        }
        let mut collected = runtime.collect_garbage()?;
        if self.damaged {
            collected.damaged.extend(runtime.remove_damaged(Utc::now())?);
        }
        let blobs = collected.blobs.iter().map(|(digest, size)| (digest.to_string(), *size));
        let layers = collected.layers.iter().map(|(name, size)| (name.as_str().to_owned(), *size));
        let damaged =
            collected.damaged.iter().map(|aside| (aside.path.display().to_string(), aside.size));
        let gone: Vec<(String, u64)> = blobs.chain(layers).chain(damaged).collect();
        let total: u64 = gone.iter().map(|(_, size)| size).sum();
        let text = match is_json {
            true => {
                let row = |(name, size): &(String, u64)| json!({"Name": name, "Size": size});
                let removed: Vec<_> = gone.iter().map(row).collect();
                json::line(&json!({"Reclaimed": total, "Removed": removed}))? + "\n"
            }
            false => {
                let lines: String =
                    gone.iter().map(|(name, _)| format!("deleted: {name}\n")).collect();
                format!("{lines}Total reclaimed space: {}\n", units::decimal(total))
            }
        };
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}
