//! `ctr tasks metrics`.

use chrono::Utc;
use isopod_runtime::container::Stats;
use serde_json::json;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::table::{CTR_WIDE, Table};
use crate::output::{json, time};

/// Get a single data point of metrics for a task
#[derive(Debug, clap::Args)]
pub struct Args {
    /// table or json
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: String,
    /// Its id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let container = context.containers()?.find(&self.container)?;
        let stats = container.stats()?;
        let text = match self.format.as_str() {
            "table" => table(container.id(), &stats),
            "json" => json::indented(&object(&stats))? + "\n",
            other => {
                return Err(Error::Value {
                    what: "--format",
                    value: other.to_owned(),
                    reason: "give table or json".to_owned(),
                });
            }
        };
        context.printer.data(text.as_bytes())?;
        Ok(0)
    }
}

fn table(id: &str, stats: &Stats) -> String {
    let mut head = Table::new(CTR_WIDE, &["ID", "TIMESTAMP", ""]);
    head.row([id, &time::rfc3339_nano(Utc::now()), ""]);
    let mut body = Table::new(CTR_WIDE, &["METRIC", "VALUE", ""]);
    for (name, value) in [
        ("memory.usage_in_bytes", stats.memory_total_bytes.to_string()),
        ("memory.working_set_in_bytes", stats.memory_bytes.to_string()),
        ("memory.limit_in_bytes", limit(stats.memory_limit_bytes)),
        ("cpuacct.usage", stats.cpu_nanoseconds.to_string()),
        ("cpuacct.usage_user", stats.cpu_user_nanoseconds.to_string()),
        ("cpuacct.usage_sys", stats.cpu_system_nanoseconds.to_string()),
        ("pids.current", stats.pids.to_string()),
        ("pids.limit", limit(stats.pids_limit)),
    ] {
        body.row([name, &value, ""]);
    }
    format!("{}\n{}", head.render(), body.render())
}

fn limit(limit: Option<u64>) -> String {
    limit.map_or_else(|| "max".to_owned(), |limit| limit.to_string())
}

fn object(stats: &Stats) -> serde_json::Value {
    json!({
        "pids": { "current": stats.pids, "limit": stats.pids_limit },
        "cpu": {
            "usage": {
                "total": stats.cpu_nanoseconds,
                "user": stats.cpu_user_nanoseconds,
                "kernel": stats.cpu_system_nanoseconds,
            },
        },
        "memory": {
            "usage": { "usage": stats.memory_total_bytes, "limit": stats.memory_limit_bytes },
            "working_set": stats.memory_bytes,
        },
    })
}
