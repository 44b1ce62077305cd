//! `network connect`: another network for a container, running or not.

use std::net::{Ipv4Addr, Ipv6Addr};

use isopod_runtime::container::Attachment;

use crate::commands::docker::container::networking;
use crate::commands::{Status, Verb};
use crate::context::Context;
use crate::error::Error;

/// Connect a container to a network
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name beside its own, for other containers of the network
    #[arg(long, value_name = "NAME")]
    alias: Vec<String>,
    /// The network with the greatest gives the default route
    #[arg(long, value_name = "PRIORITY", default_value_t = 0, allow_negative_numbers = true)]
    gw_priority: i64,
    /// Its IPv4 address
    #[arg(long, value_name = "IP")]
    ip: Option<Ipv4Addr>,
    /// Its IPv6 address
    #[arg(long, value_name = "IP")]
    ip6: Option<Ipv6Addr>,
    /// Its hardware address, as in 02:42:ac:11:00:02
    #[arg(long, value_name = "MAC")]
    mac_address: Option<String>,
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
        for alias in &self.alias {
            networking::check_alias(alias)?;
        }
        let mac = self.mac_address.as_deref();
        let attachment = Attachment {
            network: self.network,
            aliases: self.alias,
            ip: self.ip,
            ip6: self.ip6,
            mac: mac.map(|mac| networking::checked_mac("--mac-address", mac)).transpose()?,
            gateway_priority: self.gw_priority,
            leaving: false,
        };
        let container = context.containers()?.find(&self.container)?;
        context.runtime()?.networks().connect(&container, &attachment)?;
        Ok(0)
    }
}
