//! Listening, and HTTP/1.1 up to the upgrade.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use url::Url;

use super::{Config, Runtime, Streaming};

/// The body of an answer: never long.
pub type Body = Full<Bytes>;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address can't be listened on.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// The addresses to be given out can't begin with this.
    #[error("{0} is no base for addresses: it must be http:// or https:// with a host")]
    Base(String),
}

/// A streaming server that listens.
pub struct Server<R> {
    listener: TcpListener,
    address: SocketAddr,
    streaming: Streaming<R>,
}

impl<R: Runtime> Server<R> {
    /// Listens; nothing is answered before [`Server::run`].
    ///
    /// # Errors
    ///
    /// The address can't be listened on, or the base of the configuration is none.
    pub async fn bind(config: Config, runtime: R) -> Result<Self, ServerError> {
        let failed = |error| ServerError::Listen(config.listen, error);
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let base = match &config.base_url {
            Some(base) => base.clone(),
            None => {
                let scheme = if config.tls.is_some() { "https" } else { "http" };
                let text = format!("{scheme}://{address}");
                Url::parse(&text).map_err(|_| ServerError::Base(text))?
            }
        };
        if base.host().is_none() || !matches!(base.scheme(), "http" | "https") {
            return Err(ServerError::Base(base.into()));
        }
        Ok(Self { listener, address, streaming: Streaming::new(config, base, runtime) })
    }

    /// Where it listens, with the port it got.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What gives out the addresses.
    #[must_use]
    pub fn streaming(&self) -> Streaming<R> {
        self.streaming.clone()
    }

    /// Serves until `stop`. Then nobody is accepted any more, sessions have the grace of the configuration, and the rest
    /// are cut off.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let inner = self.streaming.inner.clone();
        let connections = Arc::new(Semaphore::new(inner.config.connections));
        let tls = inner.config.tls.clone().map(TlsAcceptor::from);
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = accept(&self.listener, &connections) => accepted,
            };
            let Ok((stream, place)) = accepted else {
                // Mostly that all descriptors are in use: some come back.
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (streaming, tls) = (self.streaming.clone(), tls.clone());
            inner.spawn(async move {
                let limit = streaming.inner.config.request_timeout;
                match tls {
                    None => serve(streaming, stream).await,
                    Some(tls) => {
                        if let Ok(Ok(stream)) = timeout(limit, tls.accept(stream)).await {
                            serve(streaming, stream).await;
                        }
                    }
                }
                drop(place);
            });
        }
        drop(self.listener);
        inner.sessions.close();
        let _ = timeout(inner.config.grace, inner.sessions.wait()).await;
        inner.stop.cancel();
        inner.sessions.wait().await;
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = connections.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Keys that somebody types are not to wait for each other.
    let _ = stream.set_nodelay(true);
    Ok((stream, place))
}

/// One request on a connection, and what it is upgraded to.
async fn serve<R: Runtime, T>(streaming: Streaming<R>, stream: T)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let limit = streaming.inner.config.request_timeout;
    let service = service_fn(move |request| {
        let streaming = streaming.clone();
        async move { Ok::<_, Infallible>(streaming.handle(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limit)
        .max_buf_size(32 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let _ = connection.await;
}

/// An answer in words.
pub(crate) fn text(status: StatusCode, words: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(words.into())));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    // One request a connection: what isn't upgraded is over.
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
