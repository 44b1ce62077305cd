//! Which proxy a URL goes through.
//!
//! The rules are those of Go's `net/http` (`httpproxy`), which every tool beside us follows:
//! `NO_PROXY` is a list of hosts, domains, addresses and networks, each with an optional port;
//! this machine is never asked for through a proxy.

use std::net::IpAddr;

use url::{Host, Url};

/// Why a proxy setting is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("proxy {0:?} is no URL of http, https, socks5 or socks5h")]
pub struct ProxyError(String);

/// Proxies for plain and TLS traffic, and what goes around them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    around: Vec<Around>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Around {
    Everything,
    Address(IpAddr, Option<u16>),
    Network(IpAddr, u8),
    /// The domain itself (unless `below` only) and everything below it.
    Domain {
        name: String,
        below: bool,
        port: Option<u16>,
    },
}

/// Reads one proxy; a missing scheme is `http`.
///
/// # Errors
/// It is no URL, or of a scheme that is no proxy's.
pub fn parse(text: &str) -> Result<Url, ProxyError> {
    let error = || ProxyError(text.to_owned());
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).map_err(|_| error())?;
    let known = matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h");
    if known && url.has_host() { Ok(url) } else { Err(error()) }
}

impl Proxies {
    /// From the values of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`; empty means unset.
    ///
    /// # Errors
    /// A proxy is no URL.
    pub fn new(
        http: Option<&str>,
        https: Option<&str>,
        around: Option<&str>,
    ) -> Result<Self, ProxyError> {
        let one = |text: Option<&str>| {
            text.map(str::trim).filter(|text| !text.is_empty()).map(parse).transpose()
        };
        let around = around.unwrap_or_default().split(',').map(str::trim);
        Ok(Self {
            http: one(http)?,
            https: one(https)?,
            around: around.filter(|entry| !entry.is_empty()).map(Around::parse).collect(),
        })
    }

    /// The proxy for `url`, if it goes through one.
    #[must_use]
    pub fn for_url(&self, url: &Url) -> Option<&Url> {
        let proxy = match url.scheme() {
            "https" => self.https.as_ref(),
            "http" => self.http.as_ref(),
            _ => None,
        }?;
        let port = url.port_or_known_default();
        let direct = match url.host()? {
            Host::Ipv4(address) => self.direct_address(IpAddr::V4(address), port),
            Host::Ipv6(address) => self.direct_address(IpAddr::V6(address), port),
            Host::Domain(name) => {
                name == "localhost" || self.around.iter().any(|rule| rule.has_name(name, port))
            }
        };
        (!direct).then_some(proxy)
    }

    fn direct_address(&self, address: IpAddr, port: Option<u16>) -> bool {
        address.is_loopback() || self.around.iter().any(|rule| rule.has_address(address, port))
    }
}

impl Around {
    fn parse(entry: &str) -> Self {
        if entry == "*" {
            return Self::Everything;
        }
        if let Some((address, bits)) = entry.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u8>())
        {
            return Self::Network(address, bits);
        }
        if let Ok(address) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Self::Address(address, None);
        }
        let (name, port) = match entry.rsplit_once(':') {
            Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
            _ => (entry, None),
        };
        if let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Self::Address(address, port);
        }
        let below = name.starts_with('.');
        let name = name.trim_start_matches("*.").trim_start_matches('.').to_ascii_lowercase();
        Self::Domain { name, below, port }
    }

    fn has_name(&self, host: &str, port: Option<u16>) -> bool {
        match self {
            Self::Everything => true,
            Self::Domain { name, below, port: wanted } => {
                let is_below =
                    host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                (is_below || (!below && host == name)) && (wanted.is_none() || *wanted == port)
            }
            _ => false,
        }
    }

    fn has_address(&self, host: IpAddr, port: Option<u16>) -> bool {
        match self {
            Self::Everything => true,
            Self::Address(address, wanted) => {
                *address == host && (wanted.is_none() || *wanted == port)
            }
            Self::Network(network, bits) => match (network, host) {
                (IpAddr::V4(network), IpAddr::V4(host)) => {
                    let shift = 32u32.saturating_sub(u32::from(*bits));
                    let cut = |address: u32| address.checked_shr(shift).unwrap_or(0);
                    cut(network.to_bits()) == cut(host.to_bits())
                }
                (IpAddr::V6(network), IpAddr::V6(host)) => {
                    let shift = 128u32.saturating_sub(u32::from(*bits));
                    let cut = |address: u128| address.checked_shr(shift).unwrap_or(0);
                    cut(network.to_bits()) == cut(host.to_bits())
                }
                _ => false,
            },
            Self::Domain { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(around: &str, url: &str) -> bool {
        let proxies =
            Proxies::new(Some("plain:3128"), Some("http://u:p@tls:3128"), Some(around)).unwrap();
        proxies.for_url(&url.parse().unwrap()).is_some()
    }

    // The cases follow golang.org/x/net/http/httpproxy's documentation of NO_PROXY.
    #[test]
    fn what_goes_around_the_proxy_follows_gos_rules() {
        for (around, url, expected) in [
            ("", "https://quay.io/", true),
            ("", "http://127.0.0.1:5000/", false),
            ("", "http://127.9.9.9/", false),
            ("", "http://[::1]:5000/", false),
            ("", "https://localhost:5000/", false),
            ("*", "https://quay.io/", false),
            ("quay.io", "https://quay.io/", false),
            ("quay.io", "https://cdn.quay.io/", false),
            ("quay.io", "https://notquay.io/", true),
            (".quay.io", "https://quay.io/", true),
            (".quay.io", "https://cdn.quay.io/", false),
            ("quay.io:8443", "https://quay.io/", true),
            ("quay.io:443", "https://quay.io/", false),
            ("a.b, 10.0.0.0/8", "https://10.1.2.3/", false),
            ("10.0.0.0/8", "https://11.1.2.3/", true),
            ("2001:db8::/32", "https://[2001:db8::5]/", false),
            ("10.0.0.1", "https://10.0.0.1/", false),
            ("10.0.0.1:5000", "https://10.0.0.1/", true),
        ] {
            assert_eq!(through(around, url), expected, "{around} {url}");
        }
    }

    #[test]
    fn each_scheme_has_its_own_proxy() {
        let proxies = Proxies::new(Some("plain:3128"), Some("socks5://tls:1080"), None).unwrap();
        let host = |url: &str| {
            proxies.for_url(&url.parse().unwrap()).unwrap().host_str().unwrap().to_owned()
        };
        assert_eq!(host("http://a.io/"), "plain");
        assert_eq!(host("https://a.io/"), "tls");
        assert_eq!(Proxies::new(Some(""), None, None).unwrap(), Proxies::default());
        assert!(Proxies::new(Some("ftp://x"), None, None).is_err());
        assert!(Proxies::new(Some("http://"), None, None).is_err());
    }
}
