//! `exec`: a command in containers that run.

use std::io::Write as _;
use std::time::Duration;

use isopod_cri_client::{v1, within};

use super::selection::Containers;
use super::session::Session;
use super::streaming::{Carrier, require_terminal, stream};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Run a command in a running container, or in those that filters choose
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Don't fail when the command does
    #[arg(short = 'e', long)]
    ignore_errors: bool,
    /// In those of this image
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// In those with this label (may be given several times)
    #[arg(long, value_name = "KEY=VALUE")]
    label: Vec<String>,
    /// In the N newest, in every state; 0 is no limit
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<u64>,
    /// In the newest, in every state
    #[arg(short, long)]
    latest: bool,
    /// In those whose name matches a regular expression
    #[arg(long, value_name = "REGEX")]
    name: Option<String>,
    /// In all of them at once
    #[arg(short = 'x', long)]
    parallel: bool,
    /// In those of this pod
    #[arg(short, long, value_name = "ID")]
    pod: Option<String>,
    /// Don't print which container's output follows
    #[arg(short, long)]
    quiet: bool,
    /// In those in this state: created, running, exited or unknown
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Feed it from standard input
    #[arg(short, long, conflicts_with = "sync")]
    interactive: bool,
    /// Get the output at the end, in one piece
    #[arg(short, long)]
    sync: bool,
    /// What carries the streams: spdy or websocket
    #[arg(short = 'r', long, value_name = "TRANSPORT", default_value = "spdy")]
    transport: Carrier,
    /// Give it a terminal
    #[arg(short, long, conflicts_with = "sync")]
    tty: bool,
    /// With --sync: seconds after which the command is killed; 0 is no limit
    #[arg(long, value_name = "SECONDS", default_value_t = 0, requires = "sync")]
    timeout: u32,
    /// Container, unless filters choose it, and the command to run in it
    #[arg(value_name = "CONTAINER-ID", required = true, num_args = 1.., trailing_var_arg = true, hide = true)]
    command_line: Vec<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] [CONTAINER-ID] COMMAND [ARG...]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        require_terminal(self.interactive, self.tty)?;
        let session = Session::new(context)?;
        session.runtime()?;
        let (ids, command) = self.choose(&session)?;
        let mut status = 0;
        if self.parallel {
            let outcomes = session.wait(futures_util::future::join_all(
                ids.iter().map(|id| self.exec(&session, id, command)),
            ));
            for outcome in outcomes {
                status = self.settle(context, outcome)?.max(status);
            }
        } else {
            for id in &ids {
                if ids.len() > 1 && !self.quiet {
                    context.printer.line(format_args!("{id}:"))?;
                }
                let outcome = session.wait(self.exec(&session, id, command));
                status = self.settle(context, outcome)?.max(status);
            }
        }
        Ok(status)
    }
}

impl Args {
    /// Where, and what: the first word is a container unless filters choose.
    fn choose(&self, session: &Session<'_>) -> Result<(Vec<String>, &[String]), Error> {
        let filtered = self.name.is_some()
            || self.pod.is_some()
            || self.image.is_some()
            || self.state.is_some()
            || !self.label.is_empty()
            || self.latest
            || self.last.is_some();
        if !filtered {
            let (id, command) = self.command_line.split_first().expect("clap requires a word");
            if command.is_empty() {
                return Err(Error::Argument(format!("no command is given to run in {id:?}")));
            }
            return Ok((vec![id.clone()], command));
        }
        let selection = Containers {
            id: None,
            pod: self.pod.clone(),
            name: self.name.clone(),
            namespace: None,
            image: self.image.clone(),
            state: self.state.clone(),
            labels: self.label.clone(),
            all: false,
            latest: self.latest,
            last: self.last,
        };
        let found = selection.list(session).map_err(Error::doing("listing containers"))?;
        if found.is_empty() {
            return Err(Error::Argument("no container is found by these filters".to_owned()));
        }
        let ids = found.into_iter().map(|container| container.id).collect();
        Ok((ids, &self.command_line))
    }

    /// The status of one command, which counts unless errors don't.
    fn settle(&self, context: &Context, outcome: Result<Status, Error>) -> Result<Status, Error> {
        match outcome {
            Err(error @ Error::Output(_)) => Err(error),
            Ok(_) if self.ignore_errors => Ok(0),
            Ok(status) => Ok(status),
            Err(error) => {
                context.report(&error);
                Ok(if self.ignore_errors { 0 } else { error.status(1, 1) })
            }
        }
    }

    async fn exec(
        &self,
        session: &Session<'_>,
        id: &str,
        command: &[String],
    ) -> Result<Status, Error> {
        match self.sync {
            true => self.in_one_piece(session, id, command).await,
            false => self.streamed(session, id, command).await,
        }
        .map_err(Error::doing(format!("executing a command in container {id:?}")))
    }

    async fn streamed(
        &self,
        session: &Session<'_>,
        id: &str,
        command: &[String],
    ) -> Result<Status, Error> {
        let request = v1::ExecRequest {
            container_id: id.to_owned(),
            cmd: command.to_vec(),
            tty: self.tty,
            stdin: self.interactive,
            stdout: true,
            stderr: !self.tty,
        };
        let mut client = session.runtime()?;
        let answer = within(Some(session.settings.read), client.exec(request)).await?;
        stream(self.transport, &answer.url, self.interactive, self.tty).await
    }

    async fn in_one_piece(
        &self,
        session: &Session<'_>,
        id: &str,
        command: &[String],
    ) -> Result<Status, Error> {
        let request = v1::ExecSyncRequest {
            container_id: id.to_owned(),
            cmd: command.to_vec(),
            timeout: i64::from(self.timeout),
        };
        // The runtime ends it in time; it only has to have said so.
        let limit = Duration::from_secs(self.timeout.into());
        let limit = Some(limit).filter(|limit| !limit.is_zero());
        let limit = limit.map(|limit| limit + session.settings.read);
        let mut client = session.runtime()?;
        let answer = within(limit, client.exec_sync(request)).await?;
        session.context.printer.data(&answer.stdout)?;
        std::io::stderr().lock().write_all(&answer.stderr).ok();
        // 0 to 255 of any Linux process.
        Ok(u8::try_from(answer.exit_code).unwrap_or(u8::MAX))
    }
}
