//! Ports as docker shows them: `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 443/udp`.

use std::net::SocketAddr;

use isopod_runtime::container::{Port, Protocol};
use isopod_runtime::network::Published;

/// docker's word.
#[must_use]
pub fn word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

/// A port of a container, and where it is published, if it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shown {
    port: u16,
    host: Option<SocketAddr>,
    protocol: Protocol,
}

/// Neighbours in one cell: ports that follow each other and are published under their own number.
#[derive(Debug)]
struct Run {
    address: Option<String>,
    protocol: Protocol,
    first: u16,
    last: u16,
}

/// The PORTS column: docker's order, where runs of ports under their own number come first and each other
/// mapping is for itself.
#[must_use]
pub fn cell(exposed: &[Port], published: &[Published]) -> String {
    let mut all: Vec<Shown> = published
        .iter()
        .map(|one| Shown { port: one.target.port(), host: Some(one.host), protocol: one.protocol })
        .collect();
    let is_hidden = |port: &&Port| {
        !all.iter().any(|shown| shown.port == port.port && shown.protocol == port.protocol)
    };
    let hidden: Vec<Shown> = exposed
        .iter()
        .filter(is_hidden)
        .map(|port| Shown { port: port.port, host: None, protocol: port.protocol })
        .collect();
    all.extend(hidden);
    all.sort_by_key(|shown| {
        let host = shown.host.map(|host| (host.ip().to_string(), host.port()));
        (shown.port, host, word(shown.protocol))
    });
    let mut done: Vec<String> = Vec::new();
    let mut mappings: Vec<String> = Vec::new();
    let mut open: Vec<Run> = Vec::new();
    for shown in all {
        let address = match shown.host {
            Some(host) if host.port() != shown.port => {
                mappings.push(format!("{host}->{}/{}", shown.port, word(shown.protocol)));
                continue;
            }
            Some(host) => Some(bracketed(host)),
            None => None,
        };
        let (protocol, first, last) = (shown.protocol, shown.port, shown.port);
        let is_same = |run: &&mut Run| run.address == address && run.protocol == protocol;
        match open.iter_mut().find(is_same) {
            None => open.push(Run { address, protocol, first, last }),
            Some(run) if run.last.checked_add(1) == Some(first) => run.last = last,
            Some(run) => {
                done.push(run.text());
                (run.first, run.last) = (first, last);
            }
        }
    }
    let runs = open.iter().map(Run::text);
    done.into_iter().chain(runs).chain(mappings).collect::<Vec<_>>().join(", ")
}

impl Run {
    fn text(&self) -> String {
        let ports = match self.first == self.last {
            true => self.first.to_string(),
            false => format!("{}-{}", self.first, self.last),
        };
        match &self.address {
            Some(address) => format!("{address}:{ports}->{ports}/{}", word(self.protocol)),
            None => format!("{ports}/{}", word(self.protocol)),
        }
    }
}

fn bracketed(host: SocketAddr) -> String {
    match host {
        SocketAddr::V4(host) => host.ip().to_string(),
        SocketAddr::V6(host) => format!("[{}]", host.ip()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(host: &str, port: u16) -> Published {
        Published {
            protocol: Protocol::Tcp,
            host: host.parse().unwrap(),
            target: SocketAddr::from(([172, 17, 0, 2], port)),
        }
    }

    fn exposed(port: u16, protocol: Protocol) -> Port {
        Port { port, protocol }
    }

    /// From docker/cli's own cases for DisplayablePorts, and docker's reference of `ps`.
    #[test]
    fn ports_are_shown_as_docker_shows_them() {
        let tcp = |port| exposed(port, Protocol::Tcp);
        assert_eq!(cell(&[tcp(9988)], &[]), "9988/tcp");
        assert_eq!(cell(&[exposed(9988, Protocol::Udp)], &[]), "9988/udp");
        assert_eq!(
            cell(&[tcp(9988)], &[published("0.0.0.0:8899", 9988)]),
            "0.0.0.0:8899->9988/tcp"
        );
        assert_eq!(
            cell(&[], &[published("4.3.2.1:8899", 9988), published("[::]:8899", 9988)]),
            "4.3.2.1:8899->9988/tcp, [::]:8899->9988/tcp"
        );
        assert_eq!(cell(&[tcp(9988), tcp(9989), tcp(9990)], &[]), "9988-9990/tcp");
        assert_eq!(
            cell(&[], &[published("1.2.3.4:9998", 9998), published("1.2.3.4:9999", 9999)]),
            "1.2.3.4:9998-9999->9998-9999/tcp"
        );
        assert_eq!(
            cell(&[], &[published("1.2.3.4:8887", 9998), published("1.2.3.4:8888", 9999)]),
            "1.2.3.4:8887->9998/tcp, 1.2.3.4:8888->9999/tcp"
        );
        assert_eq!(
            cell(
                &[exposed(9999, Protocol::Udp), tcp(80), tcp(82)],
                &[published("0.0.0.0:8080", 81)]
            ),
            "80/tcp, 82/tcp, 9999/udp, 0.0.0.0:8080->81/tcp"
        );
        assert_eq!(cell(&[], &[]), "");
    }
}
