//! `stop`: a signal, patience, then SIGKILL.

use std::time::Duration;

use isopod_runtime::container::Patience;
use isopod_spec::signal;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Stop one or more running containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    how: How,
    /// Names or ids
    #[arg(value_name = "CONTAINER", required = true)]
    containers: Vec<String>,
}

/// How containers are asked to stop; `restart` asks likewise.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Signal to send instead of the container's own
    #[arg(short, long, value_name = "SIGNAL")]
    signal: Option<String>,
    /// Seconds to wait before killing it; -1 for ever
    #[arg(short, long, visible_alias = "time", value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<i64>,
}

impl How {
    /// The signal and patience, where they were given.
    ///
    /// # Errors
    /// No such signal; a negative time other than -1.
    pub fn parse(&self) -> Result<(Option<i32>, Option<Patience>), Error> {
        let signal = self.signal.as_deref().map(number).transpose()?;
        let patience = match self.timeout {
            None => None,
            Some(-1) => Some(Patience::Endless),
            Some(seconds) => match u64::try_from(seconds) {
                Ok(seconds) => Some(Patience::For(Duration::from_secs(seconds))),
                Err(_) => {
                    return Err(Error::Value {
                        what: "--timeout",
                        value: seconds.to_string(),
                        reason: "give seconds, or -1 for ever".to_owned(),
                    });
                }
            },
        };
        Ok((signal, patience))
    }
}

/// The number of a signal by name or number.
///
/// # Errors
/// No such signal.
pub fn number(text: &str) -> Result<i32, Error> {
    Ok(signal::parse(text).map_err(Error::argument)?.number())
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER [CONTAINER...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let (signal, patience) = self.how.parse()?;
        let containers = context.containers()?;
        context.each(&self.containers, |name| {
            containers.find(name)?.stop(signal, patience)?;
            Ok(context.printer.line(name)?)
        })
    }
}
