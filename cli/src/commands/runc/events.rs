//! `runc events`.

use std::thread::sleep;
use std::time::{Duration, Instant};

use isopod_oci::Error;
use isopod_oci::store::Container;
use isopod_spec::quantity;
use serde_json::json;

use super::{Failure, Globals, Verb, one};
use crate::commands::Status;

/// Between two looks at whether the container has ended or run out of memory.
const LOOK: Duration = Duration::from_millis(100);

/// Print what a container uses, again and again until it ends
#[derive(Debug, clap::Args)]
pub struct Events {
    /// Between two prints, like 5s or 500ms
    #[arg(long, value_name = "DURATION", default_value = "5s")]
    interval: String,
    /// Print once
    #[arg(long)]
    stats: bool,
    /// The container
    #[arg(trailing_var_arg = true)]
    arguments: Vec<String>,
}

impl Verb for Events {
    const USAGE: &'static str = "[options] <container-id>";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        let id = one("events", self.arguments)?;
        let interval = quantity::duration(&self.interval).filter(|interval| !interval.is_zero());
        let interval = interval.ok_or_else(|| {
            Failure::new(format!(
                "duration interval must be greater than 0, not {:?}",
                self.interval
            ))
        })?;
        let container = globals.store().load(&id)?;
        if !container.status().has_process() {
            return Err(Failure::new(format!("container with id {id} is not running")));
        }
        if self.stats {
            globals.printer.line(container.stats()?)?;
            return Ok(0);
        }
        follow(globals, &container, interval)
    }
}

fn follow(globals: &Globals, container: &Container, interval: Duration) -> Result<Status, Failure> {
    let mut kills = container.oom_kills()?;
    let mut next = Instant::now() + interval;
    while globals.store().load(&container.record.id).is_ok() && container.status().has_process() {
        let now = match container.oom_kills() {
            Ok(now) => now,
            // Its cgroup has just gone.
            Err(Error::Io(..)) => kills,
            Err(error) => return Err(error.into()),
        };
        for _ in kills..now {
            globals.printer.line(json!({"type": "oom", "id": container.record.id}))?;
        }
        kills = kills.max(now);
        if Instant::now() >= next {
            globals.printer.line(container.stats()?)?;
            next += interval;
        }
        sleep(LOOK.min(next.saturating_duration_since(Instant::now())));
    }
    Ok(0)
}
