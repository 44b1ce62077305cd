//! Host names to addresses, in this process.
//!
//! The C library's look-up loads the system's name service modules at run time, which a
//! static binary can do only on a machine with the very C library that it was linked with.
//! Here `/etc/hosts` and `/etc/resolv.conf` (resolv.conf(5)) are all there is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::read_system_conf;
use tokio::sync::OnceCell;

const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NameError {
    /// Whoever was asked knows none.
    #[error("no such host")]
    Unknown,
    /// Nobody could be asked.
    #[error(transparent)]
    Asking(NetError),
}

impl From<NetError> for NameError {
    fn from(error: NetError) -> Self {
        match error.is_no_records_found() {
            true => Self::Unknown,
            false => Self::Asking(error),
        }
    }
}

/// The system's names; its files are read when the first name is looked up.
#[derive(Default)]
pub(crate) struct SystemNames(OnceCell<TokioResolver>);

impl SystemNames {
    /// The addresses of `host`, IPv6 ones and IPv4 ones, without port.
    pub(crate) async fn lookup(&self, host: &str) -> Result<Vec<SocketAddr>, NameError> {
        let resolver = self.0.get_or_try_init(async || system()).await?;
        let found = resolver.lookup_ip(host).await?;
        Ok(found.iter().map(|address| SocketAddr::new(address, 0)).collect())
    }
}

fn system() -> Result<TokioResolver, NetError> {
    let (config, options) = if Path::new(RESOLV_CONF).exists() {
        read_system_conf()?
    } else {
        // resolv.conf(5): without the file, the server on this machine.
        let own = NameServerConfig::udp_and_tcp(IpAddr::V4(Ipv4Addr::LOCALHOST));
        (ResolverConfig::from_parts(None, Vec::new(), vec![own]), ResolverOpts::default())
    };
    build(config, options)
}

fn build(config: ResolverConfig, options: ResolverOpts) -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    // Both kinds: whoever connects tries one and then the other.
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv6AndIpv4;
    builder.options_mut().use_hosts_file = ResolveHosts::Always;
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::config::ConnectionConfig;
    use tokio::net::UdpSocket;

    /// Answers every question for an A record by 192.0.2.7, others and those for `nobody` by nothing (RFC 1035, 4.1).
    async fn name_server() -> u16 {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let question = &buffer[..length];
                let name = question[12..].iter().position(|byte| *byte == 0).unwrap();
                let end = 12 + name + 5;
                let is_a = question[end - 4..end - 2] == [0, 1]
                    && !question[12..].starts_with(b"\x06nobody");
                let mut answer = question[..end].to_vec();
                // A response, recursion available; one question, an answer or none.
                answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
                if is_a {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
                }
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        port
    }

    async fn names() -> SystemNames {
        let mut connection = ConnectionConfig::udp();
        connection.port = name_server().await;
        let server = NameServerConfig::new(Ipv4Addr::LOCALHOST.into(), true, vec![connection]);
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let resolver = build(config, ResolverOpts::default()).unwrap();
        SystemNames(OnceCell::new_with(Some(resolver)))
    }

    #[tokio::test]
    async fn a_name_is_asked_of_the_configured_server() {
        let found = names().await.lookup("registry.example.").await.unwrap();
        assert_eq!(found, ["192.0.2.7:0".parse().unwrap()]);
    }

    /// In the words that resolvers have for it, not those of a library.
    #[tokio::test]
    async fn a_name_without_addresses_is_no_host() {
        let error = names().await.lookup("nobody.example.").await.unwrap_err();
        assert_eq!(error.to_string(), "no such host");
    }

    #[tokio::test]
    async fn this_machine_is_known_without_asking() {
        let names = SystemNames::default();
        let found = names.lookup("localhost").await.unwrap();
        assert!(!found.is_empty() && found.iter().all(|address| address.ip().is_loopback()));
    }
}
