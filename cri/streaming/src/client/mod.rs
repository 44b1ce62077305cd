//! The other end of the streams: for whoever was given an address by a runtime (ours or another's).
//!
//! ```no_run
//! # async fn example() -> Result<(), isopod_streaming::client::ClientError> {
//! use isopod_streaming::client::{Connector, RemoteCommand, Transport};
//! use tokio::io::AsyncReadExt;
//!
//! let connector = Connector::new(Transport::Spdy);
//! let wanted = RemoteCommand { stdout: true, ..RemoteCommand::default() };
//! let mut session = connector.remote_command("http://127.0.0.1:1234/exec/token", wanted).await?;
//! let mut output = Vec::new();
//! if let Some(mut stdout) = session.stdout.take() {
//!     stdout.read_to_end(&mut output).await?;
//! }
//! let outcome = session.outcome().await?;
//! # Ok(()) }
//! ```

mod connect;
mod forward;
mod session;

use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use forward::{Forwarded, Forwarder};
pub use session::{RemoteCommand, Resizer, Session};

/// What carries the streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// SPDY/3.1: every server of CRI has it.
    #[default]
    Spdy,
    /// WebSocket: `v5.channel.k8s.io` down to the first version, and the SPDY tunnel for port-forward.
    WebSocket,
}

/// Connects to addresses.
#[derive(Clone)]
pub struct Connector {
    transport: Transport,
    tls: Option<Arc<rustls::ClientConfig>>,
    timeout: Duration,
}

/// Why there is no session, or how one broke.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// What was given as an address is none.
    #[error("{0} is no address to stream from")]
    Address(String),
    /// An address with https, and no configuration for it.
    #[error("{0} needs TLS, which is not set up")]
    NoTls(String),
    /// The server can't be reached, or the connection broke.
    #[error("the connection to {0} broke")]
    Connection(String, #[source] io::Error),
    /// Nothing answers in time.
    #[error("{0} does not answer in time")]
    Timeout(String),
    /// What the server says is no HTTP.
    #[error("{0} does not speak HTTP")]
    Http(String, #[source] hyper::Error),
    /// The server doesn't upgrade the connection. With what it says.
    #[error("the server refuses to stream (HTTP {status}): {message}")]
    Refused {
        /// The status code.
        status: u16,
        /// The body, shortened.
        message: String,
    },
    /// The server upgrades to something else than was offered.
    #[error("the server chose a protocol that was not offered: {0}")]
    Protocol(String),
    /// The session is over, and nothing says how the command ended: it, or what ran it, was cut off.
    #[error("the session ended without an outcome")]
    NoOutcome,
    /// The streams broke.
    #[error("the streams broke")]
    Streams(#[from] isopod_spdy::Error),
    /// Reading or writing a stream failed.
    #[error("a stream broke")]
    Io(#[from] io::Error),
}

impl Connector {
    /// Connects over a transport, without TLS, and waits up to 30 seconds for the server.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self { transport, tls: None, timeout: Duration::from_secs(30) }
    }

    /// What https and wss addresses are connected to with.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<rustls::ClientConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How long a server may take until it streams.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}
