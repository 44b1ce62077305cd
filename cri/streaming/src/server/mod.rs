//! The streaming server: gives out addresses that work once, for a minute, and does what was asked behind them.

mod closing;
mod config;
mod handshake;
mod http;
mod port_forward;
mod remote_command;
mod request;
mod tokens;

use std::future::Future;
use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Request, Response};
use isopod_cri_protocol::v1::{AttachRequest, ExecRequest, PortForwardRequest};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

pub use config::Config;
pub use http::{Body, Server, ServerError};
pub use request::RequestError;

use crate::ends::{Duplex, Streams};
use request::Wanted;
use tokens::Tokens;

/// Runs what clients ask for. Each call is dropped when its client has gone: what is to go on without it must be started
/// as a task of its own.
pub trait Runtime: Send + Sync + 'static {
    /// Runs a command in a container, and gives its exit status.
    ///
    /// # Errors
    ///
    /// In words, for the client: what couldn't be done, with which container.
    fn exec(
        &self,
        request: ExecRequest,
        streams: Streams,
    ) -> impl Future<Output = Result<i32, String>> + Send;

    /// Carries a container's own streams until it ends or the client goes.
    ///
    /// # Errors
    ///
    /// In words, for the client.
    fn attach(
        &self,
        request: AttachRequest,
        streams: Streams,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// Carries one connection to a port in a pod sandbox, until it is over: [`crate::carry`] does that between the stream
    /// and a socket.
    ///
    /// # Errors
    ///
    /// Nothing answers there, or the connection broke. A connection that its target resets or closes early
    /// (`ConnectionReset`, `BrokenPipe`) is not told to the client as a failure of the forwarding.
    fn port_forward(
        &self,
        pod_sandbox_id: String,
        port: u16,
        stream: Box<dyn Duplex>,
    ) -> impl Future<Output = io::Result<()>> + Send;
}

/// What gives out the addresses, and answers at them. Clones are the same server.
pub struct Streaming<R> {
    inner: Arc<Inner<R>>,
}

impl<R> Clone for Streaming<R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

/// How long a session that is cut off may take to tell its client.
const FAREWELL: std::time::Duration = std::time::Duration::from_secs(1);

pub(crate) struct Inner<R> {
    config: Config,
    base: Url,
    runtime: R,
    tokens: Tokens<Wanted>,
    sessions: TaskTracker,
    /// Ends all sessions.
    stop: CancellationToken,
}

impl<R: Runtime> Streaming<R> {
    /// A server whose addresses begin with `base`. [`Server::bind`] makes one that also listens; this alone is for whoever
    /// has an HTTP server already, and gives its requests to [`Streaming::handle`].
    #[must_use]
    pub fn new(config: Config, base: Url, runtime: R) -> Self {
        let tokens = Tokens::new(config.token_lifetime, config.tokens);
        let (sessions, stop) = (TaskTracker::new(), CancellationToken::new());
        Self { inner: Arc::new(Inner { config, base, runtime, tokens, sessions, stop }) }
    }

    /// The address at which a command's streams are to be had.
    ///
    /// # Errors
    ///
    /// A request that can't be done, or too many that nobody has come for.
    pub fn url_for_exec(&self, request: ExecRequest) -> Result<String, RequestError> {
        request::check_exec(&request)?;
        self.url_for("exec", Wanted::Exec(request))
    }

    /// The address at which a container's own streams are to be had.
    ///
    /// # Errors
    ///
    /// As [`Streaming::url_for_exec`].
    pub fn url_for_attach(&self, request: AttachRequest) -> Result<String, RequestError> {
        request::check_attach(&request)?;
        self.url_for("attach", Wanted::Attach(request))
    }

    /// The address at which a pod's ports are to be had.
    ///
    /// # Errors
    ///
    /// As [`Streaming::url_for_exec`].
    pub fn url_for_port_forward(
        &self,
        request: PortForwardRequest,
    ) -> Result<String, RequestError> {
        request::check_port_forward(&request)?;
        self.url_for("portforward", Wanted::PortForward(request))
    }

    fn url_for(&self, what: &str, wanted: Wanted) -> Result<String, RequestError> {
        let token = self.inner.tokens.insert(wanted)?;
        let mut url = self.inner.base.clone();
        let path = format!("{}/{what}/{token}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(url.into())
    }

    /// Answers a request at one of the addresses. What is behind it goes on after the answer, in a task of its own.
    pub async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let base = self.inner.base.path().trim_end_matches('/');
        let path = request.uri().path().strip_prefix(base).unwrap_or_default();
        let wanted = match path.trim_start_matches('/').split_once('/') {
            Some((what, token)) => self.inner.tokens.take(token, |wanted| wanted.path() == what),
            None => None,
        };
        match wanted {
            Some(Wanted::Exec(wanted)) => self.exec(request, wanted),
            Some(Wanted::Attach(wanted)) => self.attach(request, wanted),
            Some(Wanted::PortForward(wanted)) => self.port_forward(request, wanted),
            None => http::text(hyper::StatusCode::NOT_FOUND, "404 page not found\n"),
        }
    }

    /// Answers a request to run a command, wherever it came in; no token is needed.
    pub fn exec(&self, request: Request<Incoming>, wanted: ExecRequest) -> Response<Body> {
        remote_command::exec(&self.inner, request, wanted)
    }

    /// Answers a request to attach, wherever it came in.
    pub fn attach(&self, request: Request<Incoming>, wanted: AttachRequest) -> Response<Body> {
        remote_command::attach(&self.inner, request, wanted)
    }

    /// Answers a request to forward ports, wherever it came in.
    pub fn port_forward(
        &self,
        request: Request<Incoming>,
        wanted: PortForwardRequest,
    ) -> Response<Body> {
        port_forward::serve(&self.inner, request, wanted)
    }

    /// How many sessions are under way.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.inner.sessions.len()
    }
}

impl<R: Runtime> Inner<R> {
    /// Runs a session in a task of its own, until it ends or the server has stopped and it had time to say so.
    fn spawn(self: &Arc<Self>, session: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.sessions.spawn(async move {
            tokio::select! {
                () = session => {}
                () = async {
                    stop.cancelled().await;
                    tokio::time::sleep(FAREWELL).await;
                } => {}
            }
        });
    }
}
