//! `network create`.

use std::net::IpAddr;

use isopod_runtime::network::{CreateNetwork, Prefix};

use crate::commands::{Status, Verb, environment};
use crate::context::Context;
use crate::error::Error;

/// Make a network
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address that is somebody else's, for no container (NAME=IP)
    #[arg(long, value_name = "NAME=IP", value_delimiter = ',')]
    aux_address: Vec<String>,
    /// Driver: bridge or macvlan
    #[arg(short, long, value_name = "DRIVER", default_value = "bridge")]
    driver: String,
    /// The way out of a subnet
    #[arg(long, value_name = "IP", value_delimiter = ',')]
    gateway: Vec<IpAddr>,
    /// Without a way to the world
    #[arg(long)]
    internal: bool,
    /// Give containers addresses of this part of a subnet only
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    ip_range: Vec<String>,
    /// With IPv4 addresses
    #[arg(long, default_value = "true", action = clap::ArgAction::SetTrue)]
    ipv4: bool,
    /// With IPv6 addresses
    #[arg(long)]
    ipv6: bool,
    /// Set a label (KEY=VALUE)
    #[arg(long, value_name = "KEY[=VALUE]")]
    label: Vec<String>,
    /// Option of the driver (com.docker.network.driver.mtu=, parent=, …)
    #[arg(short, long, value_name = "KEY=VALUE")]
    opt: Vec<String>,
    /// Subnet, one of each family (10.1.0.0/16)
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    subnet: Vec<String>,
    /// Its name
    #[arg(value_name = "NETWORK")]
    name: String,
}

impl Verb for Args {
    const USAGE: &'static str = "[OPTIONS] NETWORK";

    fn run(self, context: &Context) -> Result<Status, Error> {
        let asked = CreateNetwork {
            name: self.name,
            driver: Some(self.driver),
            subnets: prefixes("--subnet", &self.subnet)?,
            gateways: self.gateway,
            ranges: prefixes("--ip-range", &self.ip_range)?,
            reserved: self
                .aux_address
                .iter()
                .map(|text| reserved(text))
                .collect::<Result<_, _>>()?,
            no_ipv4: !self.ipv4,
            ipv6: self.ipv6,
            internal: self.internal,
            labels: environment::labels(&[], &self.label)?,
            options: environment::pairs("--opt", &self.opt)?,
        };
        let (network, warnings) = context.runtime()?.networks().create(asked)?;
        for warning in warnings {
            context.printer.warn(warning);
        }
        context.printer.line(network.id)?;
        Ok(0)
    }
}

fn prefixes(what: &'static str, texts: &[String]) -> Result<Vec<Prefix>, Error> {
    let parse = |text: &String| {
        text.parse().map_err(|error: isopod_runtime::network::KernelError| Error::Value {
            what,
            value: text.clone(),
            reason: error.to_string(),
        })
    };
    texts.iter().map(parse).collect()
}

fn reserved(text: &str) -> Result<(String, IpAddr), Error> {
    let error = || Error::Value {
        what: "--aux-address",
        value: text.to_owned(),
        reason: "it is no NAME=IP".to_owned(),
    };
    let (name, address) = text.split_once('=').ok_or_else(error)?;
    Ok((name.to_owned(), address.parse().map_err(|_| error())?))
}
