//! What was agreed with a server about one repository: the header that it accepts.
//!
//! Nothing is sent before a server asks for it. A token is asked for at the realm that the
//! server names (the distribution project's token and OAuth2 specifications), with the
//! credentials that are stored for that server and no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use url::Url;

use super::challenge::{self, Challenge};
use super::credentials::Credential;
use crate::answer::Answer;
use crate::client::Ask;
use crate::endpoint::Endpoint;
use crate::error::{Error, RegistryMessage};
use crate::redirect::check_target;
use crate::transport::{Payload, Request, Transport};

/// A token server's answer is read up to here.
const MAX_TOKEN: u64 = 1 << 20;
/// The life of a token that does not say (token specification: "expires_in").
const DEFAULT_LIFE: u64 = 60;

/// One header a server and repository.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<Key, Arc<tokio::sync::Mutex<Option<Accepted>>>>>);

#[derive(PartialEq, Eq, Hash)]
struct Key {
    origin: String,
    registry: String,
    repository: String,
}

#[derive(Clone)]
struct Accepted {
    header: HeaderValue,
    until: Option<Instant>,
}

impl Accepted {
    fn is_valid(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }
}

impl Sessions {
    fn slot(&self, endpoint: &Endpoint) -> Arc<tokio::sync::Mutex<Option<Accepted>>> {
        let key = Key {
            origin: endpoint.origin(),
            registry: endpoint.registry.clone(),
            repository: endpoint.repository.clone(),
        };
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key).or_default())
    }

    /// What the server has accepted before, if that still holds.
    pub(crate) async fn known(&self, endpoint: &Endpoint) -> Option<HeaderValue> {
        let slot = self.slot(endpoint);
        let accepted = slot.lock().await;
        accepted.as_ref().filter(|accepted| accepted.is_valid()).map(|a| a.header.clone())
    }

    /// Meets the challenge of `answer`, a 401 for `url` that was sent with `used`. Of many
    /// requests at once, the first does the work and the others take its result.
    pub(crate) async fn meet(
        &self,
        transport: &Transport,
        endpoint: &Endpoint,
        answer: Answer,
        url: &Url,
        used: Option<&HeaderValue>,
        ask: &Ask<'_>,
    ) -> Result<HeaderValue, Error> {
        let what = ask.what;
        let slot = self.slot(endpoint);
        let mut accepted = slot.lock().await;
        if let Some(newer) = accepted.as_ref().filter(|a| a.is_valid() && Some(&a.header) != used) {
            return Ok(newer.header.clone());
        }
        *accepted = None;
        let challenges = challenge::parse(answer.response.headers());
        let asked = Asked { transport, endpoint, url, from: answer.from, what };
        let credential = asked.credential().await?;
        if let Some(Credential::RegistryToken(token)) = &credential {
            let header = asked.bearer(token)?;
            return Ok(accepted.insert(Accepted { header, until: None }).header.clone());
        }
        let met = match challenges.first() {
            Some(Challenge::Bearer { realm, service, scope, .. }) => {
                let scope = scope.clone().unwrap_or_else(|| match endpoint.repository.as_str() {
                    // A login is about no repository.
                    "" => String::new(),
                    repository => format!("repository:{repository}:{}", ask.actions()),
                });
                asked.token(realm, service.as_deref(), &scope, credential).await?
            }
            Some(Challenge::Basic) => match credential {
                Some(Credential::Password { user, password }) => {
                    Accepted { header: asked.basic(&user, &password)?, until: None }
                }
                // The server's own words are in its answer.
                _ => return Err(unauthorized(answer, what).await),
            },
            None => return Err(unauthorized(answer, what).await),
        };
        Ok(accepted.insert(met).header.clone())
    }
}

async fn unauthorized(answer: Answer, what: &str) -> Error {
    let host = answer.host.clone();
    match answer.success(what).await {
        Err(error) => error,
        Ok(_) => {
            Error::Unauthorized { what: what.to_owned(), host, message: RegistryMessage::default() }
        }
    }
}

/// One server's question.
struct Asked<'a> {
    transport: &'a Transport,
    endpoint: &'a Endpoint,
    url: &'a Url,
    from: crate::address::Reach,
    what: &'a str,
}

// `issued_at` is left out: the clocks of two machines need not agree.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Asked<'_> {
    /// The credential of the endpoint's own registry. Files and helpers may block.
    async fn credential(&self) -> Result<Option<Credential>, Error> {
        let credentials = self.transport.config().credentials.clone();
        let (registry, repository) =
            (self.endpoint.registry.clone(), self.endpoint.repository.clone());
        let found =
            tokio::task::spawn_blocking(move || credentials.find(&registry, &repository)).await;
        match found {
            Ok(found) => found
                .map_err(|source| Error::Credentials { host: self.endpoint.host.clone(), source }),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        credential: Option<Credential>,
    ) -> Result<Accepted, Error> {
        let mut url = Url::parse(realm)
            .map_err(|_| self.protocol(format!("its token realm {realm:?} is no URL")))?;
        check_target(self.url, &url, &self.endpoint.host)?;
        let mut query: Vec<(&str, &str)> = Vec::new();
        query.extend(service.map(|service| ("service", service)));
        // Several scopes are separated by spaces in a challenge, and repeated in a query.
        query.extend(scope.split(' ').filter(|part| !part.is_empty()).map(|part| ("scope", part)));
        let mut authorization = None;
        let mut form = None;
        match &credential {
            Some(Credential::IdentityToken(refresh)) => {
                let mut body = url::form_urlencoded::Serializer::new(String::new());
                body.append_pair("grant_type", "refresh_token")
                    .append_pair("service", service.unwrap_or_default())
                    .append_pair("client_id", "isopod")
                    .append_pair("scope", scope)
                    .append_pair("refresh_token", refresh);
                form = Some(body.finish());
            }
            Some(Credential::Password { user, password }) => {
                authorization = Some(self.basic(user, password)?);
                query.push(("account", user));
                url.query_pairs_mut().extend_pairs(query);
            }
            Some(Credential::RegistryToken(_)) | None => {
                url.query_pairs_mut().extend_pairs(query);
            }
        }
        let request = Request {
            endpoint: self.endpoint,
            url,
            what: "a token",
            accept: "application/json",
            authorization,
            range_from: None,
            method: if form.is_some() { Method::POST } else { Method::GET },
            payload: form.as_deref().map_or(Payload::None, Payload::Form),
            sent_by: Some(self.from),
            is_own: true,
        };
        let timeouts = self.transport.config().timeouts;
        let exchange = async {
            let answer = self.transport.send(request).await?;
            answer.success(self.what).await?.body("a token", MAX_TOKEN, timeouts.idle).await
        };
        let body = tokio::time::timeout(timeouts.document, exchange).await.map_err(|_| {
            let host = self.endpoint.host.clone();
            Error::Stalled { what: "a token".into(), host, idle: timeouts.document }
        })??;
        let token: Token = serde_json::from_slice(&body)
            .map_err(|_| self.protocol("its token server sends no token".to_owned()))?;
        let given = |token: Option<String>| token.filter(|token| !token.is_empty());
        let value = given(token.token)
            .or_else(|| given(token.access_token))
            .ok_or_else(|| self.protocol("its token server sends an empty token".to_owned()))?;
        let life = Duration::from_secs(token.expires_in.unwrap_or(DEFAULT_LIFE).min(86_400));
        // What is about to expire may have expired when it arrives.
        let until = Some(Instant::now() + life.mul_f32(0.9));
        Ok(Accepted { header: self.bearer(&value)?, until })
    }

    fn basic(&self, user: &str, password: &str) -> Result<HeaderValue, Error> {
        self.secret(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
    }

    fn bearer(&self, token: &str) -> Result<HeaderValue, Error> {
        self.secret(&format!("Bearer {token}"))
    }

    fn secret(&self, text: &str) -> Result<HeaderValue, Error> {
        let mut header = HeaderValue::from_str(text)
            .map_err(|_| self.protocol("its token cannot stand in a header".to_owned()))?;
        header.set_sensitive(true);
        Ok(header)
    }

    fn protocol(&self, problem: String) -> Error {
        Error::Protocol { host: self.endpoint.host.clone(), problem }
    }
}
