//! `logs`: a container's output, from the file that the runtime writes.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use isopod_cri_client::logs::{LogFile, Record, Selection, Selector, Stream, Verdict};
use isopod_cri_client::v1;

use super::session::Session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::time;

/// Between two looks at a file's end.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two questions whether the container still runs, in looks.
const LOOKS: u32 = 10;

/// Show a container's output
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on until the container ends
    #[arg(short, long)]
    follow: bool,
    /// Stop after so many bytes; -1 is no limit
    #[arg(long, value_name = "N", default_value_t = -1)]
    limit_bytes: i64,
    /// That of the container's previous attempt
    #[arg(short, long)]
    previous: bool,
    /// Have the runtime open the file anew before
    #[arg(short, long)]
    reopen: bool,
    /// Nothing older: a time, or so long ago (42m)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what went to stdout, or to stderr
    #[arg(short, long, value_name = "STREAM", conflicts_with = "tail")]
    stream: Option<Source>,
    /// The last lines only; -1 is all
    #[arg(long, value_name = "N")]
    tail: Option<i64>,
    /// Show when each line was written
    #[arg(short, long)]
    timestamps: bool,
    /// Container
    #[arg(value_name = "CONTAINER-ID")]
    container: String,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Source {
    Stdout,
    Stderr,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER-ID";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let selection = self.selection()?;
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        if self.reopen {
            let request = v1::ReopenContainerLogRequest { container_id: self.container.clone() };
            session
                .change(client.reopen_container_log(request))
                .map_err(Error::doing("reopening the container's log"))?;
        }
        let status = self.status(&session)?;
        let path = self.path(&status)?;
        let tail = self.tail.and_then(|tail| u64::try_from(tail).ok());
        let file = LogFile::open(&path, tail)?;
        // The attempt before has ended.
        let follow = self.follow && !self.previous;
        let mut shown = Shown { file, selector: Selector::new(selection) };
        if shown.show()? {
            return Ok(0);
        }
        if follow {
            self.follow(&session, &mut shown)?;
        }
        shown.show_rest()?;
        Ok(0)
    }
}

impl Args {
    fn selection(&self) -> Result<Selection, Error> {
        let since = self.since.as_deref().filter(|text| !text.is_empty());
        let since = since.map(|text| {
            time::parse_point(text, Utc::now()).ok_or_else(|| Error::Value {
                what: "--since",
                value: text.to_owned(),
                reason:
                    "it is neither a time, as in 2013-01-02T13:23:37Z, nor a duration, as in 42m"
                        .to_owned(),
            })
        });
        Ok(Selection {
            since: since.transpose()?,
            stream: self.stream.map(|source| match source {
                Source::Stdout => Stream::Stdout,
                Source::Stderr => Stream::Stderr,
            }),
            timestamps: self.timestamps,
            limit: u64::try_from(self.limit_bytes).ok(),
        })
    }

    fn status(&self, session: &Session<'_>) -> Result<v1::ContainerStatus, Error> {
        let request =
            v1::ContainerStatusRequest { container_id: self.container.clone(), verbose: false };
        let mut client = session.runtime()?;
        let doing = format!("getting the status of container {:?}", self.container);
        let answer = session.ask(client.container_status(request)).map_err(Error::doing(doing))?;
        Ok(answer.status.unwrap_or_default())
    }

    /// The runtime's path; that of the previous attempt has its number in the place of this one's.
    fn path(&self, status: &v1::ContainerStatus) -> Result<PathBuf, Error> {
        if status.log_path.is_empty() {
            return Err(Error::Argument(format!(
                "container {:?} has no log: its configuration names no log_path",
                self.container
            )));
        }
        let path = Path::new(&status.log_path);
        if !self.previous {
            return Ok(path.to_owned());
        }
        let metadata = status.metadata.clone().unwrap_or_default();
        let Some(attempt) = metadata.attempt.checked_sub(1) else {
            return Err(Error::Argument(format!(
                "previous terminated container {} not found",
                metadata.name
            )));
        };
        let extension = path.extension().map(|text| format!(".{}", text.to_string_lossy()));
        Ok(path.with_file_name(format!("{attempt}{}", extension.unwrap_or_default())))
    }

    /// Until the container has ended and everything is read, or nothing more is wanted.
    fn follow(&self, session: &Session<'_>, shown: &mut Shown) -> Result<(), Error> {
        let mut looks: u32 = 0;
        loop {
            let over = looks.is_multiple_of(LOOKS) && !self.runs(session)?;
            // What was written until it was asked is read now.
            if shown.show()? {
                return Ok(());
            }
            if shown.file.follow_rotation()? {
                // Its end may be in the next file.
                continue;
            }
            if over {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
            looks = looks.wrapping_add(1);
        }
    }

    /// One that is gone doesn't.
    fn runs(&self, session: &Session<'_>) -> Result<bool, Error> {
        match self.status(session) {
            Ok(status) => Ok(matches!(
                status.state(),
                v1::ContainerState::ContainerRunning | v1::ContainerState::ContainerCreated
            )),
            Err(Error::Doing { source, .. }) if is_gone(&source) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

fn is_gone(error: &Error) -> bool {
    matches!(error, Error::Cri(error) if error.code() == isopod_cri_client::Code::NotFound)
}

struct Shown {
    file: LogFile,
    selector: Selector,
}

impl Shown {
    /// Writes whatever whole lines there are; says whether nothing more is wanted.
    fn show(&mut self) -> Result<bool, Error> {
        if self.selector.is_full() {
            return Ok(true);
        }
        let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
        while let Some(line) = self.file.line()? {
            if self.write(&line, &mut out, &mut err)? {
                out.flush()?;
                return Ok(true);
            }
        }
        out.flush()?;
        Ok(false)
    }

    /// Writes a last line that has no end.
    fn show_rest(&mut self) -> Result<(), Error> {
        if let Some(line) = self.file.rest()
            && Record::parse(&line).is_some()
        {
            self.write(&line, &mut io::stdout().lock(), &mut io::stderr().lock())?;
        }
        Ok(())
    }

    fn write(
        &mut self,
        line: &[u8],
        out: &mut impl io::Write,
        err: &mut impl io::Write,
    ) -> Result<bool, Error> {
        let record = Record::parse(line).ok_or_else(|| self.file.malformed(line))?;
        let (stream, bytes, last) = match self.selector.take(record) {
            Verdict::Skip => return Ok(false),
            Verdict::Write(stream, bytes) => (stream, bytes, false),
            Verdict::Last(stream, bytes) => (stream, bytes, true),
        };
        match stream {
            Stream::Stdout => out.write_all(&bytes)?,
            Stream::Stderr => {
                // In the order in which they were written, where both are one.
                out.flush()?;
                err.write_all(&bytes)?;
            }
        }
        Ok(last)
    }
}
