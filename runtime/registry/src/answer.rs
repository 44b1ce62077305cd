//! What a server says: the status as the error that it means, and a body no longer than it may be.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, RETRY_AFTER};

use crate::address::Reach;
use crate::error::{Error, RegistryMessage};
use crate::failure::failure;

/// An error's body is read up to here.
const MAX_MESSAGE: u64 = 64 << 10;
/// An error's body may take as long as this; what it says is a courtesy.
const MESSAGE_TIME: Duration = Duration::from_secs(5);

/// The head of a response, and the body still to come.
pub(crate) struct Answer {
    pub(crate) response: reqwest::Response,
    /// The server that answered in the end.
    pub(crate) host: String,
    /// Where it is.
    pub(crate) from: Reach,
    /// No redirect led away from the origin that was asked.
    pub(crate) own: bool,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Turns a status that is no success into the error it means.
    pub(crate) async fn success(self, what: &str) -> Result<Self, Error> {
        let answer = self.one_of(what, &[StatusCode::OK, StatusCode::PARTIAL_CONTENT]).await?;
        answer.plain(what)
    }

    /// Turns any status but those `expected` into the error it means.
    pub(crate) async fn one_of(self, what: &str, expected: &[StatusCode]) -> Result<Self, Error> {
        let status = self.response.status();
        if expected.contains(&status) {
            return Ok(self);
        }
        Err(self.into_error(what, status).await)
    }

    fn plain(self, what: &str) -> Result<Self, Error> {
        let encoding = self.header(CONTENT_ENCODING.as_str()).unwrap_or("identity");
        if !encoding.eq_ignore_ascii_case("identity") {
            let problem =
                format!("it sends {what} in the encoding {encoding:?}, which nobody asked for");
            return Err(Error::Protocol { host: self.host, problem });
        }
        Ok(self)
    }

    async fn into_error(self, what: &str, status: StatusCode) -> Error {
        let retry_after = self.header(RETRY_AFTER.as_str()).and_then(parse_retry_after);
        let host = self.host.clone();
        let what = what.to_owned();
        let body = tokio::time::timeout(MESSAGE_TIME, self.body(&what, MAX_MESSAGE, MESSAGE_TIME));
        let message = match body.await {
            Ok(Ok(bytes)) => RegistryMessage::parse(&bytes),
            _ => RegistryMessage::default(),
        };
        let denied = message.code.as_deref() == Some("DENIED");
        match status.as_u16() {
            401 if !denied => Error::Unauthorized { what, host, message },
            401 | 403 => Error::Denied { what, host, message },
            404 => Error::NotFound { what, host, message },
            429 => Error::RateLimited { host, retry_after, message },
            status => Error::Status { what, host, status, message },
        }
    }

    /// The whole body, refused as soon as it is known to be longer than `cap`.
    pub(crate) async fn body(self, what: &str, cap: u64, idle: Duration) -> Result<Bytes, Error> {
        let Self { mut response, host, .. } = self;
        let too_large =
            || Error::TooLarge { what: what.to_owned(), host: host.clone(), limit: cap };
        if response.content_length().is_some_and(|length| length > cap) {
            return Err(too_large());
        }
        let mut body = BytesMut::new();
        while let Some(piece) = next_piece(&mut response, &host, what, idle).await? {
            if (body.len() + piece.len()) as u64 > cap {
                return Err(too_large());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }
}

/// The next bytes of a body, within `idle`.
pub(crate) async fn next_piece(
    response: &mut reqwest::Response,
    host: &str,
    what: &str,
    idle: Duration,
) -> Result<Option<Bytes>, Error> {
    match tokio::time::timeout(idle, response.chunk()).await {
        Ok(Ok(piece)) => Ok(piece),
        Ok(Err(error)) => Err(failure(host, what, error, idle)),
        Err(_) => Err(Error::Stalled { what: what.to_owned(), host: host.to_owned(), idle }),
    }
}

/// Seconds or an HTTP date (RFC 9110, 10.2.3).
fn parse_retry_after(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some((at.to_utc() - Utc::now()).to_std().unwrap_or_default())
}
