//! One server after the other, each tried as often as is sensible, until one delivers.

use std::collections::VecDeque;
use std::sync::Arc;

use isopod_image::Reference;
use url::Url;

use crate::client::{Inner, Operation};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::retry::{Backoff, RetryPolicy};

/// While there is another server, a failing one is not waited for.
const ATTEMPTS_BEFORE_NEXT: u32 = 2;

/// Where content may be had.
pub(crate) enum Source {
    Registry(Endpoint),
    /// A foreign layer's own URL; the endpoint lends its trust in authorities.
    Foreign(Url, Endpoint),
}

impl Source {
    pub(crate) const fn endpoint(&self) -> &Endpoint {
        match self {
            Self::Registry(endpoint) | Self::Foreign(_, endpoint) => endpoint,
        }
    }
}

/// Which server is to be asked now. Callers ask [`Self::source`], and hand every failure to
/// [`Self::after`], which returns it once nobody is left.
pub(crate) struct Attempts {
    client: Arc<Inner>,
    registry: String,
    /// Never empty; the first is the present one.
    sources: VecDeque<Source>,
    backoff: Backoff,
    /// What went wrong at the servers before, each in one line.
    earlier: Vec<String>,
}

impl Attempts {
    /// The servers that may do `operation`, and then `foreign` URLs.
    pub(crate) fn new(
        client: &Arc<Inner>,
        reference: &Reference,
        operation: Operation,
        foreign: Vec<Url>,
    ) -> Result<Self, Error> {
        let endpoints = client.endpoints_for(reference, operation)?;
        let mut sources: VecDeque<_> = endpoints.into_iter().map(Source::Registry).collect();
        if let Some(last) = sources.back().map(|source| source.endpoint().clone()) {
            sources.extend(foreign.into_iter().map(|url| Source::Foreign(url, last.clone())));
        }
        Ok(Self::over(client, reference.registry(), sources))
    }

    /// One server, asked once: for callers that have an `Attempts` of their own.
    pub(crate) fn once(client: &Arc<Inner>, endpoint: Endpoint) -> Self {
        let registry = endpoint.registry.clone();
        let mut once = Self::over(client, &registry, [Source::Registry(endpoint)].into());
        once.backoff = Backoff::new(RetryPolicy { attempts: 1, ..client.config().retry });
        once
    }

    fn over(client: &Arc<Inner>, registry: &str, sources: VecDeque<Source>) -> Self {
        let backoff = Backoff::new(policy(client, &sources));
        let registry = registry.to_owned();
        Self { client: Arc::clone(client), registry, sources, backoff, earlier: Vec::new() }
    }

    /// Whom to ask now.
    pub(crate) fn source(&self) -> &Source {
        self.sources.front().expect("the last source is never dropped")
    }

    /// The present server's endpoint.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.source().endpoint()
    }

    /// Whether somebody else can be asked instead.
    pub(crate) fn has_next(&self) -> bool {
        self.sources.len() > 1
    }

    /// Much has come since the last failure: the next one is a new trouble.
    pub(crate) const fn note_progress(&mut self) {
        self.backoff.reset();
    }

    /// Waits for another attempt at the same server, or turns to the next.
    ///
    /// # Errors
    /// `error` itself, with those of earlier servers, once nobody is left to ask.
    pub(crate) async fn after(&mut self, error: Error) -> Result<(), Error> {
        if self.backoff.after(&error).await {
            return Ok(());
        }
        self.client.note_failure(self.endpoint(), &error);
        if self.sources.len() == 1 {
            return Err(match std::mem::take(&mut self.earlier) {
                earlier if earlier.is_empty() => error,
                earlier => Error::Exhausted {
                    registry: self.registry.clone(),
                    earlier,
                    source: Box::new(error),
                },
            });
        }
        let host = &self.endpoint().host;
        let line = error.in_one_line();
        tracing::info!(%host, error = line, "asking the next server");
        self.earlier.push(line);
        self.sources.pop_front();
        self.backoff = Backoff::new(policy(&self.client, &self.sources));
        Ok(())
    }
}

fn policy(client: &Inner, sources: &VecDeque<Source>) -> RetryPolicy {
    let policy = client.config().retry;
    if sources.len() == 1 {
        return policy;
    }
    RetryPolicy { attempts: policy.attempts.min(ATTEMPTS_BEFORE_NEXT), ..policy }
}
