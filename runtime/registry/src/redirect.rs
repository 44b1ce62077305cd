//! Redirects, followed by hand: where one may lead, and what it may carry there.

use reqwest::header::{HeaderMap, LOCATION};
use reqwest::{Method, StatusCode};
use url::Url;

use crate::error::Error;
use crate::transport::authority;

pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Whether a redirect of this status leaves method and payload as they are (RFC 9110, 15.4).
pub(crate) fn may_follow(method: &Method, status: StatusCode) -> bool {
    matches!(*method, Method::GET | Method::HEAD) || matches!(status.as_u16(), 307 | 308)
}

pub(crate) fn redirect_target(from: &Url, headers: &HeaderMap, host: &str) -> Result<Url, Error> {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|location| from.join(location).ok()).ok_or_else(|| {
        let problem = "it redirects without a usable Location".to_owned();
        Error::Protocol { host: host.to_owned(), problem }
    })?;
    check_target(from, &target, host)?;
    Ok(target)
}

/// What no server may send us to, wherever it is.
pub(crate) fn check_target(from: &Url, target: &Url, host: &str) -> Result<(), Error> {
    let reason = match target.scheme() {
        "https" => None,
        "http" if from.scheme() == "http" => None,
        "http" => Some("it leads from TLS to plain text"),
        _ => Some("it is neither http nor https"),
    };
    let has_user = !target.username().is_empty() || target.password().is_some();
    let reason = reason.or(has_user.then_some("it holds a user name or password"));
    match reason {
        None => Ok(()),
        Some(reason) => {
            Err(Error::Refused { host: host.to_owned(), target: authority(target), reason })
        }
    }
}
