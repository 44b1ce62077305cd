//! What can go wrong between here and a registry.
//!
//! Codes of registries: OCI distribution-spec, "Error Codes".

use std::fmt;
use std::time::Duration;

use isopod_image::document;
use serde::Deserialize;

use crate::auth::CredentialError;
use crate::hosts::HostsError;

/// A source of any type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a registry said in its own words, if it did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryMessage {
    /// `MANIFEST_UNKNOWN` and the like.
    pub code: Option<String>,
    /// For people.
    pub message: Option<String>,
}

/// A failed exchange. `host` is always the server that was asked, which may be a mirror;
/// `what` is the reference or digest that was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The server has no such repository, tag, manifest or blob.
    #[error("{what} not found on {host}{message}")]
    NotFound {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// What it said.
        message: RegistryMessage,
    },
    /// The server wants credentials, or other ones.
    #[error("{host} asks for valid credentials for {what}{message}")]
    Unauthorized {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// What it said.
        message: RegistryMessage,
    },
    /// The credentials do not allow it.
    #[error("{host} denies access to {what}{message}")]
    Denied {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// What it said.
        message: RegistryMessage,
    },
    /// Too many requests; the wait the server asked for is longer than we wait, or it repeats itself.
    #[error("{host} limits the rate of requests{message}")]
    RateLimited {
        /// Who was asked.
        host: String,
        /// How long it asked us to wait.
        retry_after: Option<Duration>,
        /// What it said.
        message: RegistryMessage,
    },
    /// Any other status that is no success.
    #[error("{host} answered {status} for {what}{message}")]
    Status {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        message: RegistryMessage,
    },
    /// No connection, or it broke.
    #[error("cannot reach {host}")]
    Unreachable {
        /// Who was asked.
        host: String,
        /// Why.
        source: BoxError,
    },
    /// No trust: an unknown authority, a wrong name, an expired certificate.
    #[error("cannot establish TLS with {host}")]
    Tls {
        /// Who was asked.
        host: String,
        /// Why.
        source: BoxError,
    },
    /// Nothing arrived for too long.
    #[error("{host} sent nothing of {what} for {} s", .idle.as_secs_f32())]
    Stalled {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// For how long.
        idle: Duration,
    },
    /// Too little arrived, and somebody else can be asked.
    #[error("{host} sent only {bytes} bytes of {what} in {} s", .within.as_secs_f32())]
    Slow {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// How much came.
        bytes: u64,
        /// In what time.
        within: Duration,
    },
    /// Nothing was taken for too long.
    #[error("{host} took nothing of {what} for {} s", .idle.as_secs_f32())]
    NotTaken {
        /// What was sent.
        what: String,
        /// To whom.
        host: String,
        /// For how long.
        idle: Duration,
    },
    /// What is to be sent can't be read.
    #[error("cannot read {what} to send it")]
    Unreadable {
        /// What was to be sent.
        what: String,
        /// Why not.
        source: std::io::Error,
    },
    /// What is to be sent is not what its digest says; nothing of it was kept.
    #[error("{what} is damaged here, and was not sent: {detail}; pull the image again")]
    Damaged {
        /// What was to be sent.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The bytes are not those that the digest names.
    #[error("{host} sent other content than {what}: its digest is {actual}, not {expected}")]
    DigestMismatch {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// What it should be.
        expected: String,
        /// What it is, or what the server says it is.
        actual: String,
    },
    /// The body has another length than the descriptor says.
    #[error("{host} sent {actual} bytes of {what}, which has {expected}")]
    SizeMismatch {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// What the descriptor says, in bytes.
        expected: u64,
        /// What arrived or was announced, in bytes; at least that many if it was still arriving.
        actual: u64,
    },
    /// The content is larger than what is accepted of its kind.
    #[error("{what} on {host} is larger than the {limit} bytes allowed")]
    TooLarge {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// The cap in bytes.
        limit: u64,
    },
    /// A manifest or index that is malformed, ambiguous or of another kind than announced.
    #[error("{host} sent an unusable document for {what}")]
    Document {
        /// What was asked for.
        what: String,
        /// Who was asked.
        host: String,
        /// Why.
        source: document::ParseError,
    },
    /// An answer that breaks the protocol.
    #[error("{host} breaks the registry protocol: {problem}")]
    Protocol {
        /// Who was asked.
        host: String,
        /// How.
        problem: String,
    },
    /// The server points to a place that its answers may not send us to.
    #[error("{host} sends us to {target}, which is refused: {reason}")]
    Refused {
        /// Who was asked.
        host: String,
        /// Where it points to.
        target: String,
        /// Why we do not go there.
        reason: &'static str,
    },
    /// No server is configured for this.
    #[error("no configured server of {registry} may {operation}")]
    NoEndpoint {
        /// The registry.
        registry: String,
        /// `resolve`, `pull` or `push`.
        operation: &'static str,
    },
    /// The configuration of hosts is unusable.
    #[error("unusable configuration for {registry}")]
    Hosts {
        /// The registry it is for.
        registry: String,
        /// Why.
        source: HostsError,
    },
    /// Credentials cannot be had.
    #[error("cannot get credentials for {host}")]
    Credentials {
        /// For whom.
        host: String,
        /// Why.
        source: CredentialError,
    },
    /// The TLS settings for a host are unusable.
    #[error("unusable TLS settings for {host}")]
    TlsSettings {
        /// For whom.
        host: String,
        /// Why.
        source: crate::tls::TlsError,
    },
    /// The HTTP client could not be built.
    #[error("cannot set up an HTTP client for {host}")]
    Setup {
        /// For whom.
        host: String,
        /// Why.
        source: reqwest::Error,
    },
    /// A mirror failed first, then the last server; the source is the last server's error.
    #[error("no server of {registry} could serve it (before that: {})", .earlier.join("; "))]
    Exhausted {
        /// The registry.
        registry: String,
        /// What went wrong with the servers before, each in one line.
        earlier: Vec<String>,
        /// What went wrong with the last one.
        source: Box<Error>,
    },
}

/// The kinds of [`Error`] that callers tell apart, whichever server it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The image or blob does not exist.
    NotFound,
    /// Credentials are missing or wrong.
    Unauthorized,
    /// Credentials do not suffice.
    Denied,
    /// Asked too often.
    RateLimited,
    /// No connection.
    Unreachable,
    /// No trust.
    Tls,
    /// Nothing arrives.
    Stalled,
    /// Wrong bytes.
    DigestMismatch,
    /// Too many or too few bytes.
    SizeMismatch,
    /// Over a cap.
    TooLarge,
    /// The server fails (5xx).
    Server,
    /// The server misbehaves.
    Protocol,
    /// A file or option here is wrong.
    Configuration,
    /// What was to be sent is damaged or unreadable here.
    Source,
}

impl Error {
    /// What kind it is; that of the last server where several were asked.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Unauthorized { .. } => ErrorKind::Unauthorized,
            Self::Denied { .. } => ErrorKind::Denied,
            Self::RateLimited { .. } => ErrorKind::RateLimited,
            Self::Unreachable { .. } => ErrorKind::Unreachable,
            Self::Tls { .. } => ErrorKind::Tls,
            Self::Stalled { .. } | Self::Slow { .. } | Self::NotTaken { .. } => ErrorKind::Stalled,
            Self::Unreadable { .. } | Self::Damaged { .. } => ErrorKind::Source,
            Self::DigestMismatch { .. } => ErrorKind::DigestMismatch,
            Self::SizeMismatch { .. } => ErrorKind::SizeMismatch,
            Self::TooLarge { .. } => ErrorKind::TooLarge,
            Self::Status { status: 500.., .. } => ErrorKind::Server,
            Self::Document { .. }
            | Self::Status { .. }
            | Self::Protocol { .. }
            | Self::Refused { .. } => ErrorKind::Protocol,
            Self::NoEndpoint { .. }
            | Self::Hosts { .. }
            | Self::Credentials { .. }
            | Self::TlsSettings { .. }
            | Self::Setup { .. } => ErrorKind::Configuration,
            Self::Exhausted { source, .. } => source.kind(),
        }
    }

    /// Whether the same request may succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Stalled { .. }
            | Self::NotTaken { .. }
            | Self::RateLimited { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 408,
            _ => false,
        }
    }

    /// The error and its sources in one line.
    pub(crate) fn in_one_line(&self) -> String {
        let mut line = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            source = cause.source();
        }
        line
    }
}

impl fmt::Display for RegistryMessage {
    /// ` (CODE: message)`, or nothing: it follows the words of an [`Error`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.code, &self.message) {
            (Some(code), Some(message)) => write!(f, " ({code}: {message})"),
            (Some(text), None) | (None, Some(text)) => write!(f, " ({text})"),
            (None, None) => Ok(()),
        }
    }
}

impl RegistryMessage {
    /// Reads a body of the specification's form; anything else says nothing.
    pub(crate) fn parse(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            #[serde(default)]
            errors: Vec<Entry>,
            // Token servers answer `{"details": …}` or OAuth's `{"error": …}`.
            details: Option<String>,
            error: Option<String>,
            error_description: Option<String>,
        }
        #[derive(Deserialize)]
        struct Entry {
            code: Option<String>,
            message: Option<String>,
        }
        let Ok(body) = serde_json::from_slice::<Body>(body) else { return Self::default() };
        match body.errors.into_iter().next() {
            Some(entry) => Self {
                code: entry.code.and_then(printable),
                message: entry.message.and_then(printable),
            },
            None => Self {
                code: body.error.and_then(printable),
                message: body.error_description.or(body.details).and_then(printable),
            },
        }
    }
}

/// A server's text goes to terminals: no control characters, no novels.
fn printable(text: String) -> Option<String> {
    let clean: String = text.chars().filter(|c| !c.is_control()).take(300).collect();
    let clean = clean.trim();
    (!clean.is_empty()).then(|| clean.to_owned())
}
