//! A container's `/etc/resolv.conf`, by docker's rules, from the host's and what was asked for. Pure text.

use std::net::IpAddr;

/// Where the name server inside a container's network namespace is asked.
pub(super) const INTERNAL: &str = "127.0.0.11";

/// What was asked for; what is empty is the host's.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Overrides<'o> {
    pub servers: &'o [IpAddr],
    pub search: &'o [String],
    pub options: &'o [String],
}

impl Overrides<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.search.is_empty() && self.options.is_empty()
    }
}

/// resolv.conf(5), as far as it goes on to containers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Config {
    servers: Vec<String>,
    search: Vec<String>,
    options: Vec<String>,
}

/// For a container whose own name server answers.
pub(super) fn internal(host: &str, overrides: Overrides<'_>) -> String {
    let mut config = Config::parse(host);
    config.apply(overrides);
    config.servers = vec![INTERNAL.to_owned()];
    // A name without dots is a container's: it is to be asked for as it is.
    if !config.options.iter().any(|option| option.starts_with("ndots:")) {
        config.options.push("ndots:0".to_owned());
    }
    config.to_text()
}

/// For a container that asks others' name servers itself: the host's, without those that are not to be
/// reached from where it is. Where none is left, its own asks the host's for it.
pub(super) fn legacy(host: &str, overrides: Overrides<'_>, has_ipv6: bool) -> String {
    let mut config = Config::parse(host);
    config.servers.retain(|server| is_reachable(server, has_ipv6));
    config.apply(overrides);
    if config.servers.is_empty() {
        config.servers.push(INTERNAL.to_owned());
    }
    config.to_text()
}

/// For a container in the host's network namespace: the host's as it is, unless something was asked for.
pub(super) fn of_host(host: &str, overrides: Overrides<'_>) -> String {
    if overrides.is_empty() {
        return host.to_owned();
    }
    let mut config = Config::parse(host);
    config.apply(overrides);
    config.to_text()
}

fn is_reachable(server: &str, has_ipv6: bool) -> bool {
    // An IPv6 address may carry a zone, which is one of the host's devices.
    match server.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => !address.is_loopback(),
        Ok(IpAddr::V6(address)) => has_ipv6 && !address.is_loopback(),
        Err(_) => false,
    }
}

impl Config {
    fn parse(text: &str) -> Self {
        let mut config = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace().map(str::to_owned);
            match words.next().as_deref() {
                Some("nameserver") => config.servers.extend(words.next()),
                // The last one counts (resolv.conf(5)).
                Some("search" | "domain") => config.search = words.collect(),
                Some("options") => config.options.extend(words),
                _ => {}
            }
        }
        config
    }

    fn apply(&mut self, overrides: Overrides<'_>) {
        if !overrides.servers.is_empty() {
            self.servers = overrides.servers.iter().map(ToString::to_string).collect();
        }
        if !overrides.search.is_empty() {
            // docker's way of saying «none».
            self.search = overrides.search.iter().filter(|name| *name != ".").cloned().collect();
        }
        if !overrides.options.is_empty() {
            self.options = overrides.options.to_vec();
        }
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        for server in &self.servers {
            text.push_str(&format!("nameserver {server}\n"));
        }
        for (word, values) in [("search", &self.search), ("options", &self.options)] {
            if !values.is_empty() {
                text.push_str(&format!("{word} {}\n", values.join(" ")));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "# the host's\nnameserver 127.0.0.53\nnameserver 10.0.0.2\n\
        nameserver fe80::1%eth0\nnameserver 2001:db8::53\nsearch corp.example lab.example\n\
        options edns0 trust-ad\n";

    /// docker's page on networking: containers on a user-defined network get 127.0.0.11 and the host's
    /// search domains; moby's internal/resolvconf adds ndots:0 where the host says nothing about it.
    #[test]
    fn on_networks_with_names_the_containers_own_server_is_asked() {
        assert_eq!(
            internal(HOST, Overrides::default()),
            "nameserver 127.0.0.11\nsearch corp.example lab.example\noptions edns0 trust-ad ndots:0\n"
        );
        assert_eq!(
            internal("options ndots:5\n", Overrides::default()),
            "nameserver 127.0.0.11\noptions ndots:5\n"
        );
    }

    /// The same: on the default bridge the host's servers are asked, without those on its loopback.
    #[test]
    fn on_the_default_bridge_the_hosts_servers_are_asked() {
        let rest = "search corp.example lab.example\noptions edns0 trust-ad\n";
        assert_eq!(
            legacy(HOST, Overrides::default(), false),
            format!("nameserver 10.0.0.2\n{rest}")
        );
        assert_eq!(
            legacy(HOST, Overrides::default(), true),
            format!("nameserver 10.0.0.2\nnameserver 2001:db8::53\n{rest}")
        );
        // Ours answers for a stub resolver on the host's loopback.
        assert_eq!(
            legacy("nameserver 127.0.0.53\n", Overrides::default(), false),
            "nameserver 127.0.0.11\n"
        );
    }

    #[test]
    fn what_is_asked_for_replaces_what_the_host_says() {
        let servers = ["127.0.0.1".parse().unwrap(), "9.9.9.9".parse().unwrap()];
        let (none, options) = ([".".to_owned()], ["timeout:1".to_owned()]);
        let asked = Overrides { servers: &servers, search: &none, options: &options };
        // What somebody names is used as it is, loopback or not.
        let text = "nameserver 127.0.0.1\nnameserver 9.9.9.9\noptions timeout:1\n";
        assert_eq!(legacy(HOST, asked, false), text);
        assert_eq!(of_host(HOST, asked), text);
        assert_eq!(of_host(HOST, Overrides::default()), HOST);
        assert_eq!(internal(HOST, asked), "nameserver 127.0.0.11\noptions timeout:1 ndots:0\n");
    }
}
