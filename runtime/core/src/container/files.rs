//! The files that docker's profile puts over the image's: hosts, hostname, resolv.conf. They lie in
//! the container's data folder and are bound into it, so that nobody writes through the image. A
//! container in another's network namespace has that one's.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use isopod_sys::atomic::{self, Durability};

use super::Container;
use super::network::Places;
use super::resolv_conf::{self, Overrides};
use super::settings::{ExtraHost, Namespace, Network, Profile};
use crate::network::HOST_CONFIG;
use crate::{Error, Result};

/// Their names in the data folder and their places in a container.
pub(super) const FILES: [(&str, &str); 3] =
    [("hosts", "/etc/hosts"), ("hostname", "/etc/hostname"), ("resolv.conf", "/etc/resolv.conf")];

const LOCAL_HOSTS: &str = "127.0.0.1\tlocalhost\n\
    ::1\tlocalhost ip6-localhost ip6-loopback\n\
    fe00::\tip6-localnet\n\
    ff00::\tip6-mcastprefix\n\
    ff02::1\tip6-allnodes\n\
    ff02::2\tip6-allrouters\n";

/// What of a container's connections its files depend on.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// The host's address on its first network.
    pub host_gateway: Option<IpAddr>,
    /// Whether one of its networks has names.
    pub has_names: bool,
    /// Whether one of them has IPv6 addresses.
    pub has_ipv6: bool,
}

impl Container<'_> {
    /// The hostname it sees; `None` where it is the host's own.
    #[must_use]
    pub fn hostname(&self) -> Option<String> {
        let settings = &self.record.settings;
        let shares_uts = settings.namespaces.uts != Namespace::Private;
        match (&settings.hostname, settings.profile) {
            (Some(name), _) => Some(name.clone()),
            (None, _) if shares_uts => None,
            // docker gives a container on the host's network the host's name.
            (None, Profile::Docker) if settings.network == Network::Host => host_name(),
            (None, Profile::Docker) => Some(self.id().get(..12).unwrap_or(self.id()).to_owned()),
            (None, Profile::Ctr) => None,
        }
    }

    /// Writes them before a start.
    pub(super) fn write_files(&self, places: &Places<'_>) -> Result<()> {
        if self.record.settings.profile != Profile::Docker
            || matches!(places, Places::Shared { .. })
        {
            return Ok(());
        }
        let connections = match places {
            Places::Own { reserved, .. } => reserved.connections(),
            _ => Connections::default(),
        };
        let hostname = self.hostname().or_else(host_name).unwrap_or_default();
        let texts = [
            ("hosts", self.hosts(&connections)?),
            ("hostname", format!("{hostname}\n")),
            ("resolv.conf", self.resolv_conf(&connections)?),
        ];
        for (name, text) in texts {
            let path = self.data().join(name);
            atomic::write(&path, text.as_bytes(), 0o644, Durability::Process)
                .map_err(Error::io("cannot write", &path))?;
        }
        Ok(())
    }

    /// Writes hosts and resolv.conf of a running container anew: into the files that it has, for they are
    /// bound into it.
    pub(crate) fn rewrite_files(&self, connections: &Connections) -> Result<()> {
        if self.record.settings.profile != Profile::Docker {
            return Ok(());
        }
        let texts =
            [("hosts", self.hosts(connections)?), ("resolv.conf", self.resolv_conf(connections)?)];
        for (name, text) in texts {
            let path = self.data().join(name);
            let write = || {
                let mut file = OpenOptions::new().write(true).open(&path)?;
                file.write_all(text.as_bytes())?;
                file.set_len(text.len() as u64)
            };
            write().map_err(Error::io("cannot write", &path))?;
        }
        Ok(())
    }

    /// The usual lines (the host's own with its network), what was asked for, then its own addresses.
    fn hosts(&self, connections: &Connections) -> Result<String> {
        let settings = &self.record.settings;
        let is_host = settings.network == Network::Host;
        let mut text = if is_host { host_file("/etc/hosts")? } else { LOCAL_HOSTS.to_owned() };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let gateway = match is_host {
            true => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            false => connections.host_gateway,
        };
        for ExtraHost { name, ip } in &settings.extra_hosts {
            let ip = ip.or(gateway).ok_or_else(|| {
                Error::Invalid(format!(
                    "host {name} can't be given the host's address: the container is on no network \
                     on which the host has one"
                ))
            })?;
            text.push_str(&format!("{ip}\t{name}\n"));
        }
        let full = match (self.hostname(), &settings.domainname) {
            (Some(host), Some(domain)) if !domain.is_empty() => format!("{host}.{domain}"),
            (Some(host), _) => host,
            (None, _) => return Ok(text),
        };
        // A name with dots is known by its first part too, wherever its domain was said.
        let names = match full.split_once('.') {
            Some((host, _)) => format!("{full} {host}"),
            None => full,
        };
        for address in &connections.addresses {
            text.push_str(&format!("{address}\t{names}\n"));
        }
        Ok(text)
    }

    fn resolv_conf(&self, connections: &Connections) -> Result<String> {
        let settings = &self.record.settings;
        let overrides = Overrides {
            servers: &settings.dns,
            search: &settings.dns_search,
            options: &settings.dns_options,
        };
        match &settings.network {
            // Nothing can be reached, so nothing is to be asked.
            Network::None => Ok(resolv_conf::of_host("", overrides)),
            Network::Networks(_) if connections.has_names => {
                Ok(resolv_conf::internal(&host_file(HOST_CONFIG)?, overrides))
            }
            Network::Networks(_) => {
                let host = host_file(HOST_CONFIG)?;
                Ok(resolv_conf::legacy(&host, overrides, connections.has_ipv6))
            }
            Network::Host | Network::Namespace(_) | Network::Container(_) => {
                Ok(resolv_conf::of_host(&host_file(HOST_CONFIG)?, overrides))
            }
        }
    }
}

fn host_name() -> Option<String> {
    let name = rustix::system::uname();
    name.nodename().to_str().ok().map(str::to_owned)
}

/// A file of the host's, or nothing where it has none.
fn host_file(path: &str) -> Result<String> {
    let path = Path::new(path);
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(Error::io("cannot read", path)),
    }
}
