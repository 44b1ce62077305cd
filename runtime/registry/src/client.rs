//! The client: one for a process, shared by all its pulls.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use isopod_image::Reference;
use reqwest::StatusCode;
use url::Url;

use crate::auth::session::Sessions;
use crate::config::Config;
use crate::endpoint::{Capabilities, Endpoint};
use crate::error::Error;
use crate::transport::{Answer, Request, Transport};

/// A server that failed is asked last for this long.
const PENALTY: Duration = Duration::from_secs(60);

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
}

impl Operation {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Pull => "pull",
        }
    }

    const fn is_within(self, capabilities: Capabilities) -> bool {
        match self {
            Self::Resolve => capabilities.resolve,
            Self::Pull => capabilities.pull,
        }
    }
}

/// What to ask an endpoint for.
pub(crate) struct Ask<'a> {
    pub(crate) url: Url,
    pub(crate) what: &'a str,
    pub(crate) accept: &'a str,
    pub(crate) range_from: Option<u64>,
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

    fn all_endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>, Error> {
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

    /// Asks `endpoint` once, meeting its challenge if it has one.
    pub(crate) async fn get(&self, endpoint: &Endpoint, ask: Ask<'_>) -> Result<Answer, Error> {
        let known = self.sessions.known(endpoint).await;
        let request = |url: Url, authorization| Request {
            endpoint,
            url,
            what: ask.what,
            accept: ask.accept,
            authorization,
            range_from: ask.range_from,
            form: None,
            sent_by: None,
        };
        let answer = self.transport.send(request(ask.url.clone(), known.clone())).await?;
        // The challenge of a server that we were sent to is not for our credentials.
        if answer.response.status() != StatusCode::UNAUTHORIZED || !answer.own {
            return answer.success(ask.what).await;
        }
        let url = answer.response.url().clone();
        let header = self
            .sessions
            .meet(&self.transport, endpoint, answer, &url, known.as_ref(), ask.what)
            .await?;
        self.transport.send(request(url, Some(header))).await?.success(ask.what).await
    }
}
