//! `stats`: what running containers use, again and again.

use std::thread::sleep;
use std::time::{Duration, Instant};

use isopod_runtime::ErrorKind;
use isopod_runtime::container::{Container, Phase, Stats, Traffic};

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::template;
use crate::output::views::stats::{self as view, Row, Usage};

/// Between two looks: docker's.
const PERIOD: Duration = Duration::from_secs(1);

/// Show what containers use
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show those that do not run too
    #[arg(short, long)]
    all: bool,
    /// Print by a Go template, "table TEMPLATE" or "json"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print once and end
    #[arg(long)]
    no_stream: bool,
    /// Show whole ids
    #[arg(long)]
    no_trunc: bool,
    /// Names or ids; none means all that run
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [CONTAINER...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        // Refused before anything is waited for.
        template::list(self.format.as_deref(), view::TABLE, view::HEADERS, &[])?;
        let mut before = self.look(context)?;
        loop {
            sleep(PERIOD);
            let now = self.look(context)?;
            let rows: Vec<_> = now
                .iter()
                .map(|look| look.row(before.iter().find(|earlier| earlier.id == look.id)))
                .map(|row| view::fields(&row, !self.no_trunc))
                .collect();
            let text = template::list(self.format.as_deref(), view::TABLE, view::HEADERS, &rows)?;
            context.printer.data(self.framed(&text).as_bytes())?;
            let is_over = now.is_empty() && !self.containers.is_empty();
            if self.no_stream || is_over {
                return Ok(0);
            }
            before = now;
        }
    }
}

/// One container at one time.
struct Look {
    id: String,
    name: String,
    /// As it was asked for.
    asked: String,
    at: Instant,
    /// `None`: it does not run.
    usage: Option<(Stats, Traffic)>,
}

impl Args {
    /// Over what stood there before, as docker does; a template's lines follow each other.
    fn framed(&self, text: &str) -> String {
        if self.no_stream || self.format.as_deref().is_some_and(|f| !f.starts_with("table")) {
            return text.to_owned();
        }
        let lines: String = text.lines().map(|line| format!("{line}\x1b[K\n")).collect();
        format!("\x1b[H{lines}\x1b[J")
    }

    fn look(&self, context: &Context) -> Result<Vec<Look>, Error> {
        let containers = context.containers()?;
        let mut looks = Vec::new();
        if self.containers.is_empty() {
            for container in containers.list()?.containers {
                looks.extend(look(&container, container.id(), self.all)?);
            }
        } else {
            for name in &self.containers {
                looks.extend(look(&containers.find(name)?, name, true)?);
            }
        }
        Ok(looks)
    }
}

/// `None` for one that is not wanted, or went while we looked.
fn look(container: &Container<'_>, asked: &str, ended: bool) -> Result<Option<Look>, Error> {
    let read = || {
        let phase = container.status()?.phase;
        if !matches!(phase, Phase::Running | Phase::Paused) {
            return Ok(None);
        }
        Ok(Some((container.stats()?, container.traffic()?)))
    };
    let usage = match read() {
        Ok(usage) => usage,
        Err(error) => match isopod_runtime::Error::kind(&error) {
            ErrorKind::NotFound => return Ok(None),
            _ => return Err(error.into()),
        },
    };
    if usage.is_none() && !ended {
        return Ok(None);
    }
    Ok(Some(Look {
        id: container.id().to_owned(),
        name: container.name().to_owned(),
        asked: asked.to_owned(),
        at: Instant::now(),
        usage,
    }))
}

impl Look {
    /// With what it used since `before`.
    fn row(&self, before: Option<&Self>) -> Row {
        let usage = self.usage.map(|(stats, traffic)| {
            let earlier = before.and_then(|before| Some((before.at, before.usage?.0)));
            let cpu = earlier.map_or(0.0, |(at, earlier)| {
                let used = stats.cpu_nanoseconds.saturating_sub(earlier.cpu_nanoseconds);
                Duration::from_nanos(used).as_secs_f64() / self.at.duration_since(at).as_secs_f64()
            });
            Usage {
                cpu,
                memory: stats.memory_bytes,
                limit: stats.memory_limit_bytes,
                received: traffic.received_bytes,
                sent: traffic.sent_bytes,
                read: stats.block_read_bytes,
                written: stats.block_written_bytes,
                pids: stats.pids,
            }
        });
        Row { id: self.id.clone(), name: self.name.clone(), asked: self.asked.clone(), usage }
    }
}
