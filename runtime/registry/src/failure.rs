//! What an exchange that failed means: reqwest's errors by their innermost cause.

use std::time::Duration;

use crate::address::Forbidden;
use crate::error::{BoxError, Error};

/// What a failed exchange means. URLs are left out: they may hold signatures.
pub(crate) fn failure(host: &str, what: &str, error: reqwest::Error, waited: Duration) -> Error {
    let error = error.without_url();
    let host = host.to_owned();
    if let Some(Forbidden(target)) = find(&error) {
        let reason = "it is on loopback or link-local";
        return Error::Refused { host, target: target.clone(), reason };
    }
    if find::<rustls::Error>(&error).is_some() {
        return Error::Tls { host, source: error.into() };
    }
    if error.is_timeout() && !error.is_connect() {
        return Error::Stalled { what: what.to_owned(), host, idle: waited };
    }
    Error::Unreachable { host, source: innermost(error) }
}

/// The cause of type `T`, also inside of I/O errors, whose `source` skips what they wrap.
fn find<'a, T: std::error::Error + 'static>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        if let Some(wrapped) = wrapped
            && let Some(found) = find(wrapped as &(dyn std::error::Error + 'static))
        {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// The kind of the innermost I/O error that has one: wrappers only say that there was another.
pub(crate) fn find_io(error: &(dyn std::error::Error + 'static)) -> Option<std::io::ErrorKind> {
    let io = find::<std::io::Error>(error)?;
    let inner: Option<&(dyn std::error::Error + 'static)> = match io.get_ref() {
        Some(wrapped) => Some(wrapped),
        None => std::error::Error::source(io),
    };
    inner.and_then(find_io).or(Some(io.kind()))
}

/// reqwest's errors repeat that a request failed; the cause is what a person needs.
fn innermost(error: reqwest::Error) -> BoxError {
    let kind = find_io(&error);
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = error.to_string();
        cause = error.source();
    }
    match kind {
        Some(kind) => std::io::Error::new(kind, text).into(),
        None => text.into(),
    }
}
