//! `port`: where a container's ports are published.

use isopod_runtime::network::Published;

use super::ports;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;
use crate::output::views::ports::word;

/// List where a container's ports are published, or where one of them is
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    #[arg(value_name = "CONTAINER")]
    container: String,
    /// A port of the container
    #[arg(value_name = "PORT[/PROTOCOL]")]
    port: Option<String>,
}

impl Verb for Args {
    const USAGE: &'static str = "CONTAINER [PRIVATE_PORT[/PROTO]]";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let wanted = self.port.as_deref().map(ports::one).transpose()?;
        let container = context.containers()?.find(&self.container)?;
        // One that does not run any more has none.
        container.release_if_over()?;
        let networks = context.runtime()?.networks();
        let endpoints = networks.endpoints_of(container.namespace(), container.id())?;
        let mut all: Vec<Published> =
            endpoints.into_iter().flat_map(|endpoint| endpoint.record.ports).collect();
        all.sort_by_key(|port| (port.target.port(), port.protocol, port.host));
        let Some(wanted) = wanted else {
            for port in all {
                let (target, protocol) = (port.target.port(), word(port.protocol));
                context.printer.line(format_args!("{target}/{protocol} -> {}", port.host))?;
            }
            return Ok(0);
        };
        let is_wanted = |port: &&Published| {
            port.target.port() == wanted.port && port.protocol == wanted.protocol
        };
        let mut found = all.iter().filter(is_wanted).peekable();
        if found.peek().is_none() {
            let name = format!("{}/{} of {}", wanted.port, word(wanted.protocol), container.name());
            return Err(isopod_runtime::Error::NotFound { what: "published port", name }.into());
        }
        for port in found {
            context.printer.line(port.host)?;
        }
        Ok(0)
    }
}
