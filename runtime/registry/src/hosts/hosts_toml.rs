//! containerd's `hosts.toml` (its docs/hosts.md), and the folder it lies in.
//!
//! Unlike containerd, which falls back to certificates when the file is broken, a file that
//! cannot be understood is an error: a typing mistake must not lead past a mirror.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use isopod_image::Reference;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use toml::Spanned;
use url::Url;

use super::{HostsError, certificates, namespace, read_optional};
use crate::endpoint::{Capabilities, Endpoint, Scheme, TlsOptions, server_of};
use crate::proxy;

/// One registry's folder, read.
pub(super) struct Folder {
    /// Mirrors in file order.
    hosts: Vec<Host>,
    /// The last resort, unless it is the registry itself.
    server: Option<Host>,
    /// What holds for the last resort when that is the registry itself.
    upstream: Settings,
}

struct Host {
    scheme: Scheme,
    host: String,
    path: String,
    settings: Settings,
}

/// A host's settings; `None` is containerd's default.
#[derive(Default)]
struct Settings {
    capabilities: Option<Capabilities>,
    authorities: Vec<PathBuf>,
    identities: Vec<(PathBuf, Option<PathBuf>)>,
    skip_verify: Option<bool>,
    headers: Vec<(HeaderName, HeaderValue)>,
    dial_timeout: Option<Duration>,
    proxy: Option<Url>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    server: Option<String>,
    #[serde(default)]
    host: BTreeMap<Spanned<String>, Section>,
    // The fields of `Section`: `flatten` and `deny_unknown_fields` exclude each other.
    capabilities: Option<Vec<String>>,
    ca: Option<OneOrMany<String>>,
    client: Option<OneOrMany<Identity>>,
    skip_verify: Option<bool>,
    #[serde(default)]
    override_path: bool,
    #[serde(default)]
    header: BTreeMap<String, OneOrMany<String>>,
    dial_timeout: Option<String>,
    proxy: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Section {
    capabilities: Option<Vec<String>>,
    ca: Option<OneOrMany<String>>,
    client: Option<OneOrMany<Identity>>,
    skip_verify: Option<bool>,
    #[serde(default)]
    override_path: bool,
    #[serde(default)]
    header: BTreeMap<String, OneOrMany<String>>,
    dial_timeout: Option<String>,
    proxy: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Identity {
    Both(String),
    Pair([String; 2]),
}

impl Folder {
    /// Reads `folder`; `None` if there is no such folder or it says nothing.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, HostsError> {
        let path = folder.join("hosts.toml");
        match read_optional(&path)? {
            Some(text) if !text.trim().is_empty() => Self::parse(&path, &text).map(Some),
            _ => Ok(certificates::read(folder)?.map(|tls| Self {
                hosts: Vec::new(),
                server: None,
                upstream: Settings {
                    authorities: tls.authorities,
                    identities: tls.identities,
                    ..Settings::default()
                },
            })),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self, HostsError> {
        let file: File = toml::from_str(text).map_err(|source| HostsError::Malformed {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        let reader = Reader { path };
        let mut sections: Vec<_> = file.host.into_iter().collect();
        sections.sort_by_key(|(name, _)| name.span().start);
        let hosts = sections
            .into_iter()
            .map(|(name, section)| reader.host("host", name.as_ref(), section))
            .collect::<Result<_, _>>()?;
        let own = Section {
            capabilities: file.capabilities,
            ca: file.ca,
            client: file.client,
            skip_verify: file.skip_verify,
            override_path: file.override_path,
            header: file.header,
            dial_timeout: file.dial_timeout,
            proxy: file.proxy,
        };
        Ok(match file.server.filter(|server| !server.is_empty()) {
            Some(server) => Self {
                hosts,
                server: Some(reader.host("server", &server, own)?),
                upstream: Settings::default(),
            },
            None if own.override_path => {
                return Err(reader.value("override_path without server", "true"));
            }
            None => Self { hosts, server: None, upstream: reader.settings(own)? },
        })
    }

    /// The servers for `reference`.
    pub(super) fn endpoints(&self, reference: &Reference) -> Vec<Endpoint> {
        let mut endpoints: Vec<_> =
            self.hosts.iter().map(|host| host.endpoint(reference)).collect();
        endpoints.push(match &self.server {
            Some(server) => server.endpoint(reference),
            None => self
                .upstream
                .apply(Endpoint::upstream(reference.registry(), reference.repository())),
        });
        endpoints
    }
}

impl Host {
    fn endpoint(&self, reference: &Reference) -> Endpoint {
        let namespace = namespace(reference.registry(), &self.host);
        // Credentials are a server's own: a mirror gets those stored for the mirror.
        let registry =
            if namespace.is_some() { self.host.clone() } else { reference.registry().to_owned() };
        // containerd: an http:// host with TLS settings is tried by TLS first.
        let wants_tls = self.settings.skip_verify.is_some()
            || !self.settings.authorities.is_empty()
            || !self.settings.identities.is_empty();
        let scheme = match self.scheme {
            Scheme::Http if wants_tls && !self.host.ends_with(":80") => Scheme::HttpsThenHttp,
            scheme => scheme,
        };
        self.settings.apply(Endpoint {
            scheme,
            host: self.host.clone(),
            path: self.path.clone(),
            repository: reference.repository().to_owned(),
            capabilities: Capabilities::ALL,
            tls: TlsOptions::default(),
            headers: Vec::new(),
            dial_timeout: None,
            proxy: None,
            namespace,
            registry,
        })
    }
}

impl Settings {
    fn apply(&self, mut endpoint: Endpoint) -> Endpoint {
        if let Some(capabilities) = self.capabilities {
            endpoint.capabilities = capabilities;
        }
        let explicit_authority = !self.authorities.is_empty();
        endpoint.tls = TlsOptions {
            authorities: self.authorities.clone(),
            identities: self.identities.clone(),
            skip_verify: self
                .skip_verify
                .unwrap_or(endpoint.tls.skip_verify && !explicit_authority),
        };
        endpoint.headers.clone_from(&self.headers);
        endpoint.dial_timeout = self.dial_timeout;
        endpoint.proxy.clone_from(&self.proxy);
        endpoint
    }
}

/// Turns a file's words into settings, with errors that name the file.
struct Reader<'a> {
    path: &'a Path,
}

impl Reader<'_> {
    fn value(&self, field: &'static str, value: &str) -> HostsError {
        HostsError::Value { path: self.path.to_owned(), field, value: value.to_owned() }
    }

    fn host(&self, field: &'static str, text: &str, section: Section) -> Result<Host, HostsError> {
        let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&full).map_err(|_| self.value(field, text))?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(self.value(field, text)),
        };
        let extras = !url.username().is_empty() || url.password().is_some();
        let (Some(name), false) =
            (url.host_str(), extras || url.query().is_some() || url.fragment().is_some())
        else {
            return Err(self.value(field, text));
        };
        // containerd's own example has docker.io for the server, which serves web pages.
        let host =
            url.port().map_or_else(|| server_of(name).to_owned(), |port| format!("{name}:{port}"));
        let mut path = url.path().trim_end_matches('/').to_owned();
        if !section.override_path && !path.ends_with("/v2") {
            path.push_str("/v2");
        }
        Ok(Host { scheme, host, path, settings: self.settings(section)? })
    }

    fn settings(&self, section: Section) -> Result<Settings, HostsError> {
        let mut headers = Vec::new();
        for (name, values) in section.header {
            let parsed = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| self.value("header name", &name))?;
            for value in values.into_vec() {
                // The value may be a secret: it is not repeated.
                let mut value = HeaderValue::from_str(&value)
                    .map_err(|_| self.value("header value of", &name))?;
                value.set_sensitive(true);
                headers.push((parsed.clone(), value));
            }
        }
        let proxy = section.proxy.filter(|text| !text.is_empty());
        Ok(Settings {
            capabilities: section.capabilities.map(|list| self.capabilities(&list)).transpose()?,
            authorities: section
                .ca
                .map(OneOrMany::into_vec)
                .unwrap_or_default()
                .iter()
                .map(|file| self.absolute(file))
                .collect(),
            identities: section
                .client
                .map(OneOrMany::into_vec)
                .unwrap_or_default()
                .iter()
                .map(|identity| self.identity(identity))
                .collect(),
            skip_verify: section.skip_verify,
            headers,
            dial_timeout: section.dial_timeout.map(|text| self.duration(&text)).transpose()?,
            proxy: proxy
                .map(|text| proxy::parse(&text))
                .transpose()
                .map_err(|source| HostsError::Proxy { path: self.path.to_owned(), source })?,
        })
    }

    /// An empty list is containerd's default: everything.
    fn capabilities(&self, list: &[String]) -> Result<Capabilities, HostsError> {
        if list.is_empty() {
            return Ok(Capabilities::ALL);
        }
        let mut capabilities = Capabilities { resolve: false, pull: false, push: false };
        for word in list {
            match word.to_ascii_lowercase().as_str() {
                "resolve" => capabilities.resolve = true,
                "pull" => capabilities.pull = true,
                "push" => capabilities.push = true,
                _ => return Err(self.value("capability", word)),
            }
        }
        Ok(capabilities)
    }

    /// Paths are relative to the file.
    fn absolute(&self, file: &str) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("/")).join(file)
    }

    fn identity(&self, identity: &Identity) -> (PathBuf, Option<PathBuf>) {
        match identity {
            Identity::Both(file) => (self.absolute(file), None),
            Identity::Pair([certificate, key]) => {
                let key = (!key.is_empty()).then(|| self.absolute(key));
                (self.absolute(certificate), key)
            }
        }
    }

    /// A positive duration in Go's words: `1s`, `1m30s`, `500ms`, `1.5s`.
    fn duration(&self, text: &str) -> Result<Duration, HostsError> {
        parse_duration(text)
            .filter(|duration| !duration.is_zero())
            .ok_or_else(|| self.value("dial_timeout", text))
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let amount: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let seconds = match &rest[..letters] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total = total.checked_add(Duration::try_from_secs_f64(amount * seconds).ok()?)?;
        rest = &rest[letters..];
    }
    (!text.is_empty()).then_some(total)
}
