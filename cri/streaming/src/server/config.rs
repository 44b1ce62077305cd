//! What a streaming server may be told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use isopod_spdy::Limits;
use url::Url;

/// The settings of a streaming server. The defaults are those of containerd and the kubelet where they have them.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 for any that is free.
    pub listen: SocketAddr,
    /// What addresses begin with, if clients have another way in than `listen`.
    pub base_url: Option<Url>,
    /// The certificate to serve with; none: plain HTTP.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// After how long without a byte a session ends.
    pub idle_timeout: Duration,
    /// How long a client may take to open its streams (SPDY), and the second one of a forwarded connection.
    pub stream_creation_timeout: Duration,
    /// How long an address works.
    pub token_lifetime: Duration,
    /// How many addresses wait for their client at a time.
    pub tokens: usize,
    /// How many connections there are at a time; others wait to be accepted.
    pub connections: usize,
    /// How long a client may take to say its request.
    pub request_timeout: Duration,
    /// How long sessions may go on after the server was told to stop.
    pub grace: Duration,
    /// What one SPDY connection may hold. Its idle time is `idle_timeout`.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            base_url: None,
            tls: None,
            idle_timeout: Duration::from_secs(4 * 60 * 60),
            stream_creation_timeout: Duration::from_secs(30),
            token_lifetime: Duration::from_secs(60),
            tokens: 1000,
            connections: 4096,
            request_timeout: Duration::from_secs(10),
            grace: Duration::ZERO,
            limits: Limits::default(),
        }
    }
}
