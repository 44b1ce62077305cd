//! `events`: what happens to containers, images, volumes and networks, as the journal has it.

mod filter;

use chrono::{DateTime, Utc};
use isopod_runtime::event::{Entry, Reader};

use self::filter::Filters;
use super::follow::Follower;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::template::Format;
use crate::output::time;
use crate::output::views::events as view;

/// Show what happens to containers, images, volumes and networks
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show only those that fit (container=, event=, image=, label=, network=, scope=, type=, volume=)
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print by a Go template, or "json"
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Begin with those since then (RFC 3339, Unix seconds, or a duration before now as in 10m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// End then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let now = Utc::now();
        let since = point("--since", self.since.as_deref(), now)?;
        let until = point("--until", self.until.as_deref(), now)?;
        let show = Show {
            context,
            filters: Filters::parse(&self.filter)?,
            style: Style::parse(self.format.as_deref())?,
            since,
            until,
        };
        let events = context.runtime()?.events();
        // Watched before it is read, so that nothing falls between the two.
        let mut follower = Follower::new(&events.path())?;
        let mut reader = match since {
            Some(_) => events.from_the_first()?,
            None => events.from_now()?,
        };
        loop {
            show.all(&mut reader)?;
            if !follower.wait(until)? {
                // What was recorded up to then, and arrived while we looked at the clock.
                show.all(&mut reader)?;
                return Ok(0);
            }
        }
    }
}

struct Show<'a> {
    context: &'a Context,
    filters: Filters,
    style: Style,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl Show<'_> {
    fn all(&self, reader: &mut Reader) -> Result<(), Error> {
        while let Some(entry) = reader.next_entry()? {
            if self.concerns(&entry) {
                self.context.printer.line(self.style.render(&entry)?)?;
            }
        }
        Ok(())
    }

    fn concerns(&self, entry: &Entry) -> bool {
        let at = DateTime::from_timestamp_nanos(entry.time.0);
        let is_ours = entry.namespace.as_ref().is_none_or(|name| *name == self.context.namespace);
        is_ours
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at <= until)
            && self.filters.fit(entry)
    }
}

enum Style {
    Line,
    Json,
    Template(Format),
}

impl Style {
    fn parse(format: Option<&str>) -> Result<Self, Error> {
        Ok(match format {
            None | Some("") => Self::Line,
            // The fields of a template are spelled otherwise than those of the JSON.
            Some("json" | "{{json .}}" | "{{ json . }}") => Self::Json,
            Some(template) => Self::Template(Format::parse(template)?),
        })
    }

    fn render(&self, entry: &Entry) -> Result<String, Error> {
        Ok(match self {
            Self::Line => view::line(entry),
            Self::Json => view::json(entry).to_string(),
            Self::Template(template) => template.render(&view::fields(entry))?,
        })
    }
}

fn point(
    what: &'static str,
    text: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Error> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    time::parse_point(text, now).map(Some).ok_or_else(|| Error::Value {
        what,
        value: text.to_owned(),
        reason: "it is neither a time nor a duration".to_owned(),
    })
}
