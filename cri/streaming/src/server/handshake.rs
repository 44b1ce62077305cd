//! Which upgrade a request asks for, and the answer to it.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use super::http::{Body, text};
use crate::protocol::{ACCEPTED, SPDY, VERSION, choose, values};
use crate::websocket::accept_for;

/// What a request wants to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Spdy,
    WebSocket,
}

/// Reads it from the headers; the answer, if it is neither.
pub(crate) fn transport(headers: &HeaderMap) -> Result<Transport, Box<Response<Body>>> {
    let asks = |name: &HeaderName, word: &str| {
        values(headers, name).iter().any(|value| value.eq_ignore_ascii_case(word))
    };
    if asks(&CONNECTION, "upgrade") && asks(&UPGRADE, "websocket") {
        return Ok(Transport::WebSocket);
    }
    if asks(&CONNECTION, "upgrade") && asks(&UPGRADE, SPDY) {
        return Ok(Transport::Spdy);
    }
    let words = format!("unable to upgrade: missing upgrade headers for {SPDY} or websocket\n");
    Err(Box::new(text(StatusCode::BAD_REQUEST, words)))
}

/// Agrees on a version over SPDY, and gives the answer that says so.
pub(crate) fn spdy<T: Copy>(
    headers: &HeaderMap,
    known: &[(&'static str, T)],
) -> Result<(T, Response<Body>), Box<Response<Body>>> {
    let offered = values(headers, &VERSION);
    if offered.is_empty() {
        let words = "unable to upgrade: X-Stream-Protocol-Version is required\n";
        return Err(Box::new(text(StatusCode::BAD_REQUEST, words)));
    }
    let Some((name, chosen)) = choose(&offered, known) else {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let words = format!(
            "unable to upgrade: unable to negotiate protocol: client supports [{}], server accepts [{}]\n",
            offered.join(" "),
            names.join(" ")
        );
        let mut refusal = text(StatusCode::FORBIDDEN, words);
        for name in names {
            refusal.headers_mut().append(ACCEPTED, HeaderValue::from_static(name));
        }
        return Err(Box::new(refusal));
    };
    let mut response = switching(SPDY);
    response.headers_mut().insert(VERSION, HeaderValue::from_static(name));
    Ok((chosen, response))
}

/// Agrees on a subprotocol of a WebSocket. Where the client offers none, the one named `""` is meant.
pub(crate) fn websocket<T: Copy>(
    request: &Request<impl Sized>,
    known: &[(&'static str, T)],
) -> Result<(T, Response<Body>), Box<Response<Body>>> {
    let headers = request.headers();
    let refuse = |status, words: &str| Box::new(text(status, words.to_owned()));
    if request.method() != Method::GET {
        return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket begins with GET\n"));
    }
    if values(headers, &SEC_WEBSOCKET_VERSION) != ["13"] {
        let mut refusal = refuse(StatusCode::BAD_REQUEST, "only WebSocket version 13 is spoken\n");
        refusal.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(refusal);
    }
    let Some(key) = headers.get(SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok()) else {
        return Err(refuse(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is required\n"));
    };
    let mut offered = values(headers, &SEC_WEBSOCKET_PROTOCOL);
    if offered.is_empty() {
        offered.push("");
    }
    let Some((name, chosen)) = choose(&offered, known) else {
        let names: Vec<&str> =
            known.iter().map(|(name, _)| *name).filter(|n| !n.is_empty()).collect();
        let words = format!(
            "requested protocol(s) are not supported: [{}]; supports [{}]\n",
            offered.join(" "),
            names.join(" ")
        );
        return Err(refuse(StatusCode::FORBIDDEN, &words));
    };
    let accept = HeaderValue::from_str(&accept_for(key));
    let Ok(accept) = accept else {
        return Err(refuse(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is malformed\n"));
    };
    let mut response = switching("websocket");
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    if !name.is_empty() {
        let name = HeaderValue::from_static(name);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
    }
    Ok((chosen, response))
}

fn switching(to: &'static str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static(to));
    response
}
