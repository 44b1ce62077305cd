//! One server that stands for a registry, and how to speak with it.

use std::path::PathBuf;
use std::time::Duration;

use isopod_image::reference::DEFAULT_REGISTRY;
use reqwest::header::{HeaderName, HeaderValue};
use url::Url;

/// The server behind docker.io.
pub(crate) const DOCKER_HUB: &str = "registry-1.docker.io";

/// Whether a server is spoken to in plain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// TLS.
    Https,
    /// Plain HTTP, because the configuration says so.
    Http,
    /// TLS, and plain HTTP where the server does not speak TLS: for registries on loopback and
    /// those that the configuration calls insecure.
    HttpsThenHttp,
}

/// What a server is trusted with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// To say which digest a tag means.
    pub resolve: bool,
    /// To deliver content that is named by its digest.
    pub pull: bool,
    /// To take content.
    pub push: bool,
}

impl Capabilities {
    /// Everything.
    pub const ALL: Self = Self { resolve: true, pull: true, push: true };
}

/// How a server is authenticated, and ourselves to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsOptions {
    /// PEM files of authorities beside the system's.
    pub authorities: Vec<PathBuf>,
    /// PEM files of client certificates, each with its key's unless that is in the same file.
    pub identities: Vec<(PathBuf, Option<PathBuf>)>,
    /// Neither the certificate nor its name is checked.
    pub skip_verify: bool,
}

/// A server for one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// TLS or not.
    pub scheme: Scheme,
    /// `host[:port]`.
    pub host: String,
    /// The root of the API, without slash at the end: `/v2`.
    pub path: String,
    /// The repository's name on this server.
    pub repository: String,
    /// What it is trusted with.
    pub capabilities: Capabilities,
    /// How it is authenticated.
    pub tls: TlsOptions,
    /// Headers it is to be sent, and nobody else.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The bound of a connection attempt.
    pub dial_timeout: Option<Duration>,
    /// A proxy of its own.
    pub proxy: Option<Url>,
    /// The registry it stands for, if that is another: a mirror is told so by `?ns=`.
    pub namespace: Option<String>,
    /// The registry whose credentials are this server's.
    pub registry: String,
}

impl Endpoint {
    /// The server that `registry` itself names.
    #[must_use]
    pub fn upstream(registry: &str, repository: &str) -> Self {
        let (scheme, skip_verify) = default_scheme(registry);
        Self {
            scheme,
            host: server_of(registry).to_owned(),
            path: "/v2".to_owned(),
            repository: repository.to_owned(),
            capabilities: Capabilities::ALL,
            tls: TlsOptions { skip_verify, ..TlsOptions::default() },
            headers: Vec::new(),
            dial_timeout: None,
            proxy: None,
            namespace: None,
            registry: registry.to_owned(),
        }
    }

    /// The base of its URLs as text, for messages and as the key of what belongs to it.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.scheme == Scheme::Http { "http" } else { "https" };
        format!("{scheme}://{}{}", self.host, self.path)
    }

    /// A URL below its repository: `kind` is `manifests` or `blobs`, `name` a tag or digest; or `tags` and `list`.
    pub(crate) fn url(&self, plain: bool, kind: &str, name: &str) -> Result<Url, url::ParseError> {
        let scheme = if plain || self.scheme == Scheme::Http { "http" } else { "https" };
        let Self { host, path, repository, .. } = self;
        let mut url = Url::parse(&format!("{scheme}://{host}{path}/{repository}/{kind}/{name}"))?;
        if let Some(namespace) = &self.namespace {
            url.query_pairs_mut().append_pair("ns", namespace);
        }
        Ok(url)
    }
}

/// The server of a registry: docker.io's has another name.
pub(crate) fn server_of(registry: &str) -> &str {
    if registry == DEFAULT_REGISTRY { DOCKER_HUB } else { registry }
}

/// containerd's defaults: TLS everywhere but on this machine, where a registry is a
/// developer's own and either TLS with any certificate or plain.
fn default_scheme(registry: &str) -> (Scheme, bool) {
    if !is_loopback_host(registry) {
        return (Scheme::Https, false);
    }
    match port_of(registry) {
        Some(80) => (Scheme::Http, false),
        Some(443) | None => (Scheme::Https, true),
        Some(_) => (Scheme::HttpsThenHttp, true),
    }
}

/// Whether `host[:port]` names this machine by its very text.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    Url::parse(&format!("http://{host}/")).is_ok_and(|url| match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    })
}

fn port_of(host: &str) -> Option<u16> {
    let (_, port) = host.rsplit_once(':')?;
    port.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_registries_may_be_plain_by_default() {
        for (registry, scheme, skip_verify) in [
            ("docker.io", Scheme::Https, false),
            ("quay.io:5000", Scheme::Https, false),
            ("quay.io:80", Scheme::Https, false),
            ("10.0.0.1:5000", Scheme::Https, false),
            ("localhost.example.com:5000", Scheme::Https, false),
            ("127.example.com:5000", Scheme::Https, false),
            ("localhost", Scheme::Https, true),
            ("localhost:5000", Scheme::HttpsThenHttp, true),
            ("127.0.0.1:5000", Scheme::HttpsThenHttp, true),
            ("[::1]:5000", Scheme::HttpsThenHttp, true),
            ("localhost:80", Scheme::Http, false),
        ] {
            let endpoint = Endpoint::upstream(registry, "a/b");
            assert_eq!(
                (endpoint.scheme, endpoint.tls.skip_verify),
                (scheme, skip_verify),
                "{registry}"
            );
        }
    }

    #[test]
    fn urls_are_those_of_the_specification() {
        let hub = Endpoint::upstream("docker.io", "library/redis");
        assert_eq!(
            hub.url(false, "manifests", "alpine").unwrap().as_str(),
            "https://registry-1.docker.io/v2/library/redis/manifests/alpine"
        );
        let mirror =
            Endpoint { namespace: Some("docker.io".into()), ..Endpoint::upstream("m:1", "a") };
        assert_eq!(
            mirror.url(true, "blobs", "x").unwrap().as_str(),
            "http://m:1/v2/a/blobs/x?ns=docker.io"
        );
    }
}
