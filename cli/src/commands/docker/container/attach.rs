//! `attach`: one's own streams on a running container.

use isopod_runtime::container::Streams;

use super::session;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::terminal::detach;
use crate::terminal::foreground::{Left, catch_signals};

/// Join a running container's standard streams
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Keys that leave it running
    #[arg(long, value_name = "KEYS", default_value = detach::DEFAULT)]
    detach_keys: String,
    /// Do not feed it from standard input
    #[arg(long)]
    no_stdin: bool,
    /// Hand signals on to it
    #[arg(long, default_value = "true", action = clap::ArgAction::SetTrue)]
    sig_proxy: bool,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let keys = session::keys(&self.detach_keys)?;
        let container = context.containers()?.find(&self.container)?;
        let tty = container.settings().terminal;
        let stdin = container.settings().open_stdin && !self.no_stdin;
        session::require_terminal(stdin, tty)?;
        let proxy = self.sig_proxy && !tty;
        let signals = catch_signals(proxy, tty)?;
        let session = container.attach(Streams { stdin, stdout: true, stderr: !tty })?;
        let left = session::show(&container, session, signals, proxy, keys)?;
        if container.record().auto_remove && matches!(left, Left::Exited(_)) {
            session::remove_after(&container)?;
        }
        Ok(session::status_of_visitor(context, &left))
    }
}
