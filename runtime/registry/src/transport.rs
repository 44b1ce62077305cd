//! One exchange with one server: the client that fits it, and whom its redirects lead to.
//!
//! An authorization belongs to the origin (scheme, host and port) of the URL it was made for
//! and is dropped for good when a redirect leaves that origin; so are a host's own headers,
//! its client certificate and its exemption from verification.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RANGE};
use url::{Host, Url};

use crate::address::{Guard, Reach, Resolver};
use crate::answer::Answer;
use crate::config::Config;
use crate::endpoint::{Endpoint, Scheme, TlsOptions};
use crate::error::Error;
use crate::failure::{failure, find_io};
use crate::names::SystemNames;
use crate::outgoing::Outgoing;
use crate::redirect::{is_redirect, may_follow, redirect_target};
use crate::tls;

/// Registries redirect once, to their storage; a few hops more are still no loop.
const MAX_REDIRECTS: usize = 5;

pub(crate) struct Transport {
    config: Config,
    clients: Mutex<HashMap<ClientKey, reqwest::Client>>,
    names: Arc<SystemNames>,
    /// Hosts that may be plain and turned out to be.
    plain: Mutex<HashSet<String>>,
}

/// What makes two connections interchangeable.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ClientKey {
    tls: TlsOptions,
    proxy: Option<Url>,
    guard: Option<Reach>,
    connect: Duration,
}

/// What to ask for, and in whose name.
pub(crate) struct Request<'a> {
    /// Whose settings hold on its own host.
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) url: Url,
    /// For messages.
    pub(crate) what: &'a str,
    pub(crate) accept: &'a str,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) range_from: Option<u64>,
    pub(crate) method: Method,
    pub(crate) payload: Payload<'a>,
    /// Where the answer came from that chose `url`; `None` where our configuration did.
    pub(crate) sent_by: Option<Reach>,
    /// Whether `authorization` was made for the origin of `url`.
    pub(crate) is_own: bool,
}

/// What a request carries.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// Nothing.
    None,
    /// A form that holds a secret: it is never sent anywhere but where it was meant for.
    Form(&'a str),
    /// A document, whole.
    Document { media_type: &'a str, bytes: &'a Bytes },
    /// A blob, or what is left of one.
    Blob(&'a Outgoing<'a>),
}

impl Payload<'_> {
    const fn is_secret(self) -> bool {
        matches!(self, Self::Form(_))
    }
}

impl Transport {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, clients: Mutex::default(), names: Arc::default(), plain: Mutex::default() }
    }

    pub(crate) const fn config(&self) -> &Config {
        &self.config
    }

    /// A URL of `endpoint`, by the scheme it is known to speak.
    pub(crate) fn url(&self, endpoint: &Endpoint, kind: &str, name: &str) -> Result<Url, Error> {
        endpoint.url(self.is_plain(endpoint), kind, name).map_err(|source| Error::Protocol {
            host: endpoint.host.clone(),
            problem: format!("its URL cannot be formed ({source})"),
        })
    }

    /// The root of an endpoint's API.
    pub(crate) fn root(&self, endpoint: &Endpoint) -> Result<Url, Error> {
        let scheme = match self.is_plain(endpoint) || endpoint.scheme == Scheme::Http {
            true => "http",
            false => "https",
        };
        let text = format!("{scheme}://{}{}/", endpoint.host, endpoint.path);
        Url::parse(&text).map_err(|source| Error::Protocol {
            host: endpoint.host.clone(),
            problem: format!("its URL cannot be formed ({source})"),
        })
    }

    /// Sends `request` and follows redirects. Any status that is no redirect is an answer.
    pub(crate) async fn send(&self, request: Request<'_>) -> Result<Answer, Error> {
        let Request { endpoint, what, .. } = request;
        let mut url = request.url.clone();
        let mut sent_by = request.sent_by;
        // Where an answer has named a place for an upload, it may be somebody else's.
        let mut own = request.is_own;
        for _ in 0..=MAX_REDIRECTS {
            let (response, proxied) = match self.once(&request, &url, own, sent_by).await {
                Err(error) if own && self.falls_back(endpoint, &url, &error) => {
                    url.set_scheme("http").expect("http can stand for https");
                    self.once(&request, &url, own, sent_by).await?
                }
                other => other?,
            };
            let from = match response.remote_addr() {
                // Behind a proxy its address is all there is to see.
                Some(address) if !proxied => (self.config.classify)(address.ip()),
                _ => Reach::Elsewhere,
            };
            let host = authority(&url);
            if !is_redirect(response.status()) {
                return Ok(Answer { response, host, from, own });
            }
            if request.payload.is_secret() {
                let problem = "it redirects a request that carries a secret".to_owned();
                return Err(Error::Protocol { host, problem });
            }
            if !may_follow(&request.method, response.status()) {
                let problem = format!(
                    "it redirects a {} by a {}, which would lose what it carries",
                    request.method,
                    response.status().as_u16()
                );
                return Err(Error::Protocol { host, problem });
            }
            let target = redirect_target(&url, response.headers(), &host)?;
            tracing::debug!(%host, target = %authority(&target), what, "redirected");
            own = own && target.origin() == url.origin();
            sent_by = Some(from);
            url = target;
        }
        let problem = format!("more than {MAX_REDIRECTS} redirects");
        Err(Error::Protocol { host: authority(&url), problem })
    }

    /// One request to one URL; tells whether it went through a proxy.
    async fn once(
        &self,
        request: &Request<'_>,
        url: &Url,
        own: bool,
        sent_by: Option<Reach>,
    ) -> Result<(reqwest::Response, bool), Error> {
        let endpoint = request.endpoint;
        let host = authority(url);
        let at_home = self.is_at_home(endpoint, url);
        let proxy = endpoint
            .proxy
            .as_ref()
            .filter(|_| at_home)
            .or_else(|| self.config.proxies.for_url(url))
            .cloned();
        // Our own configuration and a server's own origin need no permission.
        let guard = sent_by.filter(|_| !at_home);
        if let Some(from) = guard {
            self.check_literal(endpoint, url, Guard { from, classify: self.config.classify })?;
        }
        let proxied = proxy.is_some();
        let key = ClientKey {
            tls: tls_for(endpoint, url),
            guard: guard.filter(|_| !proxied),
            proxy,
            connect: endpoint.dial_timeout.unwrap_or(self.config.timeouts.connect),
        };
        let patience = key.connect + self.config.timeouts.idle;
        let client = self.client(key, &host)?;
        let method = request.method.clone();
        let mut outgoing = client.request(method, url.clone()).header(ACCEPT, request.accept);
        if at_home {
            for (name, value) in &endpoint.headers {
                outgoing = outgoing.header(name, value.clone());
            }
        }
        if let Some(authorization) = request.authorization.as_ref().filter(|_| own) {
            outgoing = outgoing.header(AUTHORIZATION, authorization.clone());
        }
        if let Some(from) = request.range_from {
            outgoing = outgoing.header(RANGE, format!("bytes={from}-"));
        }
        let Payload::Blob(blob) = request.payload else {
            outgoing = match request.payload {
                Payload::None if request.method == Method::GET => outgoing,
                Payload::None | Payload::Blob(_) => outgoing.header(CONTENT_LENGTH, 0),
                Payload::Form(form) => outgoing
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.to_owned()),
                Payload::Document { media_type, bytes } => {
                    outgoing.header(CONTENT_TYPE, media_type).body(bytes.clone())
                }
            };
            return match tokio::time::timeout(patience, outgoing.send()).await {
                Ok(Ok(response)) => Ok((response, proxied)),
                Ok(Err(error)) => Err(failure(&host, request.what, error, patience)),
                Err(_) => {
                    Err(Error::Stalled { what: request.what.to_owned(), host, idle: patience })
                }
            };
        };
        let sent = blob.send(outgoing, &host, request.what, self.config.timeouts.idle).await?;
        Ok((sent, proxied))
    }

    /// Whether `url` is on the very origin that `endpoint` names.
    pub(crate) fn is_at_home(&self, endpoint: &Endpoint, url: &Url) -> bool {
        let home = endpoint.url(self.is_plain(endpoint), "manifests", "x");
        home.is_ok_and(|home| home.origin() == url.origin())
    }

    fn is_plain(&self, endpoint: &Endpoint) -> bool {
        let plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
        endpoint.scheme == Scheme::HttpsThenHttp && plain.contains(&endpoint.host)
    }

    /// Whether a failed attempt by TLS is to be repeated in plain text, and from now on.
    fn falls_back(&self, endpoint: &Endpoint, url: &Url, error: &Error) -> bool {
        let no_tls = match error {
            Error::Tls { .. } => true,
            // Some servers just hang up on a greeting they do not understand.
            Error::Unreachable { source, .. } => find_io(source.as_ref()).is_some_and(|kind| {
                use std::io::ErrorKind::{ConnectionReset, InvalidData, UnexpectedEof};
                matches!(kind, ConnectionReset | InvalidData | UnexpectedEof)
            }),
            _ => false,
        };
        let falls_back = no_tls
            && url.scheme() == "https"
            && endpoint.scheme == Scheme::HttpsThenHttp
            && self.is_at_home(endpoint, url);
        if falls_back {
            let mut plain = self.plain.lock().unwrap_or_else(PoisonError::into_inner);
            plain.insert(endpoint.host.clone());
        }
        falls_back
    }

    /// Addresses that are written out are never looked up, so they are checked here.
    fn check_literal(&self, endpoint: &Endpoint, url: &Url, guard: Guard) -> Result<(), Error> {
        let allowed = match url.host() {
            Some(Host::Ipv4(address)) => guard.allows(address.into()),
            Some(Host::Ipv6(address)) => guard.allows(address.into()),
            // A proxy would look this one up for itself, on its own machine.
            Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => {
                guard.from == Reach::Loopback
            }
            Some(Host::Domain(_)) => true,
            None => false,
        };
        if allowed {
            return Ok(());
        }
        Err(Error::Refused {
            host: endpoint.host.clone(),
            target: authority(url),
            reason: "it is on loopback or link-local",
        })
    }

    fn client(&self, key: ClientKey, host: &str) -> Result<reqwest::Client, Error> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = self.build(&key, host)?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn build(&self, key: &ClientKey, host: &str) -> Result<reqwest::Client, Error> {
        let tls = tls::client_config(&self.config.roots, &key.tls)
            .map_err(|source| Error::TlsSettings { host: host.to_owned(), source })?;
        let resolver = Resolver {
            inner: self.config.resolver.clone(),
            system: Arc::clone(&self.names),
            guard: key.guard.map(|from| Guard { from, classify: self.config.classify }),
        };
        let setup = |source| Error::Setup { host: host.to_owned(), source };
        let mut builder = reqwest::Client::builder()
            .user_agent(&self.config.user_agent)
            .tls_backend_preconfigured(tls)
            // Neither redirects, nor proxies of the environment, nor tries of its own.
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .retry(reqwest::retry::never())
            .connect_timeout(key.connect)
            .tcp_keepalive(Duration::from_secs(30))
            // The default window of 64 KiB makes one layer wait for the wire at each step.
            // What is in flight is memory, so that more is not better.
            .http2_initial_stream_window_size(2 << 20)
            .http2_initial_connection_window_size(8 << 20)
            .dns_resolver(resolver);
        if let Some(proxy) = &key.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(setup)?);
        }
        builder.build().map_err(setup)
    }
}

/// `host[:port]` for messages: a redirect's query often holds a signature.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A host's certificates are its own; its authorities may vouch for its neighbours.
fn tls_for(endpoint: &Endpoint, url: &Url) -> TlsOptions {
    if url.scheme() == "http" {
        return TlsOptions::default();
    }
    let home = Url::parse(&format!("https://{}/", endpoint.host)).ok();
    if home.is_some_and(|home| home.host() == url.host()) {
        return endpoint.tls.clone();
    }
    TlsOptions { authorities: endpoint.tls.authorities.clone(), ..TlsOptions::default() }
}
