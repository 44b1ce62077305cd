//! What a container's name server knows: names of its networks, and who knows the rest.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;

use isopod_monitor_protocol::resolver::Names;

use super::message::{Question, Record, kind};
use crate::network::replaced::Replaced;

/// At most so many servers are asked, as in resolv.conf(5).
const MAX_SERVERS: usize = 3;
const PORT: u16 = 53;

/// See the module.
#[derive(Debug)]
pub struct Knowledge {
    names: Replaced<Names>,
    networks: Vec<Replaced<String>>,
    host: Replaced<Vec<SocketAddr>>,
    /// Counts answers, so that each begins with another address.
    turn: usize,
}

impl Knowledge {
    /// That of the file at `names`.
    pub fn new(names: PathBuf) -> Self {
        let names = Replaced::new(names);
        Self { names, networks: Vec::new(), host: Replaced::new(PathBuf::new()), turn: 0 }
    }

    /// Reads what others have replaced.
    fn refresh(&mut self) {
        let names = self.names.read(|bytes| serde_json::from_slice(&bytes).ok());
        if !self.networks.iter().map(Replaced::path).eq(&names.networks) {
            self.networks = names.networks.iter().cloned().map(Replaced::new).collect();
        }
        for network in &mut self.networks {
            network.read(|bytes| String::from_utf8(bytes).ok());
        }
    }

    /// The records that answer `question`; none where the name is known but has no such record,
    /// `None` where it isn't known here.
    pub fn answer(&mut self, question: &Question) -> Option<Vec<Record>> {
        self.refresh();
        if question.kind == kind::PTR
            && let Some(address) = question.address()
        {
            let mut lines = self.networks.iter().flat_map(|network| lines(network.value()));
            let name = lines.find(|line| line.0 == address).and_then(|(_, mut names)| names.next());
            return name.map(|name| vec![Record::Name(name.to_owned())]);
        }
        let mut is_known = false;
        for network in &self.networks {
            let named = lines(network.value()).filter(|(_, names)| {
                names.clone().any(|name| name.as_bytes().eq_ignore_ascii_case(&question.name))
            });
            let mut addresses = Vec::new();
            for (address, _) in named {
                is_known = true;
                if question.kind == if address.is_ipv4() { kind::A } else { kind::AAAA } {
                    addresses.push(Record::Address(address));
                }
            }
            if !addresses.is_empty() {
                let first = self.turn % addresses.len();
                self.turn = self.turn.wrapping_add(1);
                addresses.rotate_left(first);
                return Some(addresses);
            }
        }
        is_known.then(Vec::new)
    }

    /// Who is to be asked for what isn't known here; nobody where the container is isolated.
    pub fn servers(&mut self) -> Vec<SocketAddr> {
        let names = self.names.value();
        if names.is_isolated {
            return Vec::new();
        }
        if !names.servers.is_empty() {
            let servers = names.servers.iter().take(MAX_SERVERS);
            return servers.map(|server| SocketAddr::new(*server, PORT)).collect();
        }
        if self.host.path() != names.host_config {
            self.host = Replaced::new(names.host_config.clone());
        }
        self.host.read(|bytes| Some(name_servers(&String::from_utf8_lossy(&bytes))));
        match self.host.value().as_slice() {
            // Without any, the machine itself is meant.
            [] => vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT)],
            servers => servers.to_vec(),
        }
    }
}

/// The lines of a file of names: `ADDRESS NAME…`.
fn lines(text: &str) -> impl Iterator<Item = (IpAddr, impl Iterator<Item = &str> + Clone)> {
    text.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        Some((address, words.map(|name| name.strip_suffix('.').unwrap_or(name))))
    })
}

/// The servers that a resolv.conf(5) names.
fn name_servers(text: &str) -> Vec<SocketAddr> {
    let servers = text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        if words.next() != Some("nameserver") {
            return None;
        }
        let word = words.next()?;
        let (address, scope) = word.split_once('%').unwrap_or((word, ""));
        Some(match address.parse().ok()? {
            IpAddr::V6(address) => SocketAddrV6::new(address, PORT, 0, scope_id(scope)).into(),
            address => SocketAddr::new(address, PORT),
        })
    });
    servers.take(MAX_SERVERS).collect()
}

/// The number of an interface that is named, or numbered, after an address; 0: none.
fn scope_id(scope: &str) -> u32 {
    if scope.is_empty() || scope.contains('/') {
        return 0;
    }
    let number = std::fs::read_to_string(format!("/sys/class/net/{scope}/ifindex"));
    number.as_deref().unwrap_or(scope).trim().parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_as_resolv_conf_5_says() {
        let text = "# comment\nsearch a b\nnameserver 10.0.0.1\n nameserver\t2001:db8::1 \nnameserver bad\n\
                    nameserver fe80::1%lo\noptions ndots:1\nnameserver 10.0.0.4\n";
        let servers = name_servers(text);
        let expected = ["10.0.0.1:53", "[2001:db8::1]:53", "[fe80::1%1]:53"];
        assert_eq!(servers, expected.map(|server| server.parse().unwrap()));
    }

    #[test]
    fn a_scope_is_never_a_path() {
        assert_eq!(scope_id("../net/lo"), 0);
        assert_eq!(scope_id("lo"), 1);
        assert_eq!(scope_id("3"), 3);
    }
}
