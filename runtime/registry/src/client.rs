//! The client: one for a process, shared by all its pulls.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use isopod_image::Reference;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use url::Url;

use crate::address::Reach;
use crate::answer::Answer;
use crate::auth::session::Sessions;
use crate::config::Config;
use crate::endpoint::{Capabilities, Endpoint};
use crate::error::Error;
use crate::transport::{Payload, Request, Transport};

/// A server that failed is asked last for this long.
const PENALTY: Duration = Duration::from_secs(60);

/// How often a challenge is met for one request. One does for content; a token for an upload may lack
/// what another upload's brought in meanwhile.
const CHALLENGES: usize = 2;

/// Speaks with registries. Clones share connections, tokens and what was learned of servers.
#[derive(Clone)]
pub struct Client {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) transport: Transport,
    sessions: Sessions,
    penalties: Mutex<HashMap<String, Instant>>,
}

/// What is wanted of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Resolve,
    Pull,
    Push,
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }

    const fn is_within(self, capabilities: Capabilities) -> bool {
        match self {
            Self::Resolve => capabilities.resolve,
            Self::Pull => capabilities.pull,
            Self::Push => capabilities.push,
        }
    }
}

/// What to ask an endpoint for.
pub(crate) struct Ask<'a> {
    pub(crate) url: Url,
    pub(crate) what: &'a str,
    pub(crate) accept: &'a str,
    pub(crate) range_from: Option<u64>,
    pub(crate) method: Method,
    pub(crate) payload: Payload<'a>,
    /// Where the answer came from that chose `url`; `None` where our configuration did.
    pub(crate) sent_by: Option<Reach>,
}

impl<'a> Ask<'a> {
    /// For content.
    pub(crate) const fn get(url: Url, what: &'a str, accept: &'a str) -> Self {
        let (range_from, sent_by) = (None, None);
        Self { url, what, accept, range_from, method: Method::GET, payload: Payload::None, sent_by }
    }

    /// To do something else than to send content.
    pub(crate) const fn to(method: Method, url: Url, what: &'a str) -> Self {
        let (range_from, sent_by) = (None, None);
        Self { url, what, accept: "*/*", range_from, method, payload: Payload::None, sent_by }
    }

    fn request<'r>(
        &'r self,
        endpoint: &'r Endpoint,
        url: &Url,
        authorization: &Option<HeaderValue>,
        is_own: bool,
    ) -> Request<'r> {
        Request {
            endpoint,
            url: url.clone(),
            what: self.what,
            accept: self.accept,
            authorization: authorization.clone(),
            range_from: self.range_from,
            method: self.method.clone(),
            payload: self.payload,
            sent_by: self.sent_by,
            is_own,
        }
    }

    /// What a token has to allow (the token specification's actions), where a challenge does not say.
    pub(crate) fn actions(&self) -> &'static str {
        if matches!(self.method, Method::GET | Method::HEAD) { "pull" } else { "pull,push" }
    }
}

impl Client {
    /// A client of this configuration. Nothing is read or connected yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            inner: Arc::new(Inner {
                transport: Transport::new(config),
                sessions: Sessions::default(),
                penalties: Mutex::default(),
            }),
        }
    }

    /// The servers that would be asked for `reference`, in that order.
    ///
    /// # Errors
    /// The configuration for its registry is unusable.
    pub fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>, Error> {
        self.inner.all_endpoints(reference)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Inner {
    pub(crate) const fn config(&self) -> &Config {
        self.transport.config()
    }

    pub(crate) fn all_endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>, Error> {
        let registry = reference.registry();
        self.config()
            .hosts
            .endpoints(reference)
            .map_err(|source| Error::Hosts { registry: registry.to_owned(), source })
    }

    /// The servers that may do `operation`, those that failed lately at the end.
    pub(crate) fn endpoints_for(
        &self,
        reference: &Reference,
        operation: Operation,
    ) -> Result<Vec<Endpoint>, Error> {
        let mut endpoints = self.all_endpoints(reference)?;
        endpoints.retain(|endpoint| operation.is_within(endpoint.capabilities));
        // `hosts.toml` usually names the server as a host too, and with more about it there.
        let mut known = HashSet::new();
        endpoints.retain(|endpoint| known.insert((endpoint.origin(), endpoint.repository.clone())));
        if endpoints.is_empty() {
            let registry = reference.registry().to_owned();
            return Err(Error::NoEndpoint { registry, operation: operation.as_str() });
        }
        let penalties = self.penalties.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        endpoints.sort_by_key(|endpoint| {
            penalties.get(&endpoint.origin()).is_some_and(|until| *until > now)
        });
        Ok(endpoints)
    }

    /// A server that cannot be reached, or lies, is asked last for a while. One that only
    /// lacks something is not to blame.
    pub(crate) fn note_failure(&self, endpoint: &Endpoint, error: &Error) {
        let blame = matches!(
            error,
            Error::Unreachable { .. }
                | Error::Stalled { .. }
                | Error::Slow { .. }
                | Error::Tls { .. }
                | Error::DigestMismatch { .. }
                | Error::SizeMismatch { .. }
        );
        if blame {
            self.penalise(endpoint.origin());
        }
    }

    pub(crate) fn penalise(&self, origin: String) {
        let mut penalties = self.penalties.lock().unwrap_or_else(PoisonError::into_inner);
        penalties.insert(origin, Instant::now() + PENALTY);
    }

    /// Asks `endpoint` once for content, meeting its challenge if it has one.
    pub(crate) async fn get(&self, endpoint: &Endpoint, ask: Ask<'_>) -> Result<Answer, Error> {
        let what = ask.what;
        self.exchange(endpoint, ask).await?.success(what).await
    }

    /// Asks `endpoint` once, meeting its challenge if it has one; any status is an answer.
    pub(crate) async fn exchange(
        &self,
        endpoint: &Endpoint,
        ask: Ask<'_>,
    ) -> Result<Answer, Error> {
        // What belongs to an endpoint goes nowhere else, whoever names the place.
        let at_home = ask.sent_by.is_none() || self.transport.is_at_home(endpoint, &ask.url);
        let mut known = match at_home {
            true => self.sessions.known(endpoint).await,
            false => None,
        };
        let mut url = ask.url.clone();
        let rounds = if ask.actions() == "pull" { 1 } else { CHALLENGES };
        for _ in 0..rounds {
            let answer = self.transport.send(ask.request(endpoint, &url, &known, at_home)).await?;
            // The challenge of a server that we were sent to is not for our credentials.
            if answer.response.status() != StatusCode::UNAUTHORIZED || !answer.own {
                return Ok(answer);
            }
            url = answer.response.url().clone();
            let used = known.take();
            let meet =
                self.sessions.meet(&self.transport, endpoint, answer, &url, used.as_ref(), &ask);
            known = Some(meet.await?);
        }
        self.transport.send(ask.request(endpoint, &url, &known, at_home)).await
    }
}
