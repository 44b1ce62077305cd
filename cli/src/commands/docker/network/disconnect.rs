//! `network disconnect`: one network less for a container, running or not.

use isopod_runtime::ErrorKind;

use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Disconnect a container from a network
#[derive(Debug, clap::Args)]
pub struct Args {
    /// It is no error if it is not connected
    #[arg(short, long)]
    force: bool,
    /// Name or id
    #[arg(value_name = "NETWORK")]
    network: String,
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] NETWORK CONTAINER";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let networks = context.runtime()?.networks();
        let disconnected = context
            .containers()?
            .find(&self.container)
            .and_then(|container| networks.disconnect(&container, &self.network));
        match disconnected {
            Err(error) if self.force && error.kind() == ErrorKind::NotFound => {
                // What a container that is gone may have left.
                Ok(networks.reclaim().map(|()| 0)?)
            }
            other => Ok(other.map(|()| 0)?),
        }
    }
}
