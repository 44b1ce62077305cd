//! `logs`: what a container has written.

use std::io::{self, Write};
use std::ops::ControlFlow;

use chrono::{DateTime, SecondsFormat, Utc};
use isopod_runtime::container::{LogLine, LogOptions, Stream};

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::time;

/// Print what a container has written
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show the labels, variables and tag that --log-opt asked for
    #[arg(long)]
    details: bool,
    /// Go on until it ends
    #[arg(short, long)]
    follow: bool,
    /// Not older (RFC 3339, Unix seconds, or a duration before now as in 10m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only the last lines, or all
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all")]
    tail: String,
    /// Show when each was written
    #[arg(short, long)]
    timestamps: bool,
    /// Not newer
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let now = Utc::now();
        let options = LogOptions {
            follow: self.follow,
            tail: self.tail()?,
            since: point("--since", self.since.as_deref(), now)?,
            until: point("--until", self.until.as_deref(), now)?,
        };
        let container = context.containers()?.find(&self.container)?;
        let mut failed = None;
        container.logs(options, &mut |line| match self.write(&line) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(0),
        }
    }
}

impl Args {
    /// `all` and negative numbers mean every line, as in docker.
    fn tail(&self) -> Result<Option<u64>, Error> {
        if self.tail == "all" || self.tail.starts_with('-') {
            return Ok(None);
        }
        self.tail.parse().map(Some).map_err(|_| Error::Value {
            what: "--tail",
            value: self.tail.clone(),
            reason: "it is neither a number nor all".to_owned(),
        })
    }

    /// Each line goes where the container wrote it.
    fn write(&self, line: &LogLine) -> io::Result<()> {
        let mut text = String::new();
        if self.timestamps {
            text.push_str(&line.time.to_rfc3339_opts(SecondsFormat::Nanos, true));
            text.push(' ');
        }
        if self.details {
            text.push_str(&details(line));
            text.push(' ');
        }
        text.push_str(&line.text);
        match line.stream {
            Stream::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()
            }
            Stream::Stderr => io::stderr().lock().write_all(text.as_bytes()),
        }
    }
}

fn point(
    what: &'static str,
    text: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, Error> {
    let Some(text) = text else { return Ok(None) };
    time::parse_point(text, now).map(Some).ok_or_else(|| Error::Value {
        what,
        value: text.to_owned(),
        reason: "it is neither a time nor a duration".to_owned(),
    })
}

/// As docker writes them: like a query of a URL.
fn details(line: &LogLine) -> String {
    let pairs =
        line.attributes.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join(",")
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => escaped.push('+'),
            b'-' | b'_' | b'.' | b'~' => escaped.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What docker 20.10 printed for these labels.
    #[test]
    fn details_are_written_as_docker_writes_them() {
        let attributes = [("a,b", "1,2 &<é/"), ("x", "y")];
        let line = LogLine {
            time: DateTime::UNIX_EPOCH,
            stream: Stream::Stdout,
            text: "hi\n".to_owned(),
            attributes: attributes.map(|(name, value)| (name.into(), value.into())).into(),
        };
        assert_eq!(details(&line), "a%2Cb=1%2C2+%26%3C%C3%A9%2F,x=y");
    }
}
