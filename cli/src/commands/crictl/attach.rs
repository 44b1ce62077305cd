//! `attach`: to a container's own process.

use isopod_cri_client::{v1, within};

use super::session::Session;
use super::streaming::{Carrier, require_terminal, stream};
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Attach to a running container; ctrl-p ctrl-q leaves a terminal
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Feed it from standard input
    #[arg(short = 'i', long)]
    stdin: bool,
    /// What carries the streams: spdy or websocket
    #[arg(short = 'r', long, value_name = "TRANSPORT", default_value = "spdy")]
    transport: Carrier,
    /// It has a terminal
    #[arg(short, long)]
    tty: bool,
    /// Container
    #[arg(value_name = "CONTAINER-ID")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] CONTAINER-ID";

    fn run(self, context: &Context) -> Result<Status, Error> {
        require_terminal(self.stdin, self.tty)?;
        let session = Session::new(context)?;
        let mut client = session.runtime()?;
        let doing = || format!("attaching to container {:?}", self.container);
        let request = v1::AttachRequest {
            container_id: self.container.clone(),
            stdin: self.stdin,
            tty: self.tty,
            stdout: true,
            stderr: !self.tty,
        };
        session.wait(async {
            let answer = within(Some(session.settings.read), client.attach(request)).await;
            let url = answer.map_err(Error::doing(doing()))?.url;
            let streamed = stream(self.transport, &url, self.stdin, self.tty).await;
            streamed.map_err(Error::doing(doing()))
        })
    }
}
