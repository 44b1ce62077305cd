//! A server that does to the byte what a test tells it, honest or not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(super) struct Received {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The same request without a header.
    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(key, _)| !key.eq_ignore_ascii_case(name));
        self
    }

    /// The offset of a `Range: bytes=N-`.
    pub(super) fn range(&self) -> Option<usize> {
        let range = self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?;
        range.parse().ok()
    }
}

/// What to do after the head was sent.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Send(Vec<u8>),
    /// Nothing for as long as the client stays.
    Stall,
    /// The same bytes for as long as the client takes them, up to [`FLOOD`].
    Forever(Vec<u8>),
}

/// As good as endless, but a client that does not defend itself does not fill the machine.
const FLOOD: usize = 64 << 20;

/// A response: status, headers, acts. The connection is closed at the end.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    acts: Vec<Act>,
}

impl Reply {
    pub(super) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), acts: Vec::new() }
    }

    /// A body with its true length.
    pub(super) fn ok(body: &[u8]) -> Self {
        Self::new(200).body(body)
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(super) fn body(self, body: &[u8]) -> Self {
        self.header("Content-Length", &body.len().to_string()).act(Act::Send(body.to_vec()))
    }

    pub(super) fn act(mut self, act: Act) -> Self {
        self.acts.push(act);
        self
    }

    /// `body` as an honest server answers a request for all or a part of it.
    pub(super) fn ranged(received: &Received, body: &[u8]) -> Self {
        Self::cut(received, body, body.len())
    }

    /// The same, but at most `most` bytes come before the connection breaks.
    pub(super) fn cut(received: &Received, body: &[u8], most: usize) -> Self {
        let from = received.range().unwrap_or(0);
        let rest = &body[from..];
        let reply = match received.range() {
            None => Self::new(200),
            Some(_) => Self::new(206).header(
                "Content-Range",
                &format!("bytes {from}-{}/{}", body.len() - 1, body.len()),
            ),
        };
        reply
            .header("Content-Length", &rest.len().to_string())
            .act(Act::Send(rest[..most.min(rest.len())].to_vec()))
    }
}

/// A running server; dropping it ends it.
pub(super) struct Server {
    address: SocketAddr,
    name: Option<&'static str>,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Serves plain HTTP on 127.0.0.1.
    pub(super) async fn start(reply: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1", reply).await
    }

    /// Serves plain HTTP on a loopback address.
    pub(super) async fn on(
        address: &str,
        reply: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::serve(address, None, None, reply).await
    }

    /// Serves TLS for `localhost` with a certificate of its own, which is returned as PEM.
    pub(super) async fn tls(
        reply: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> (Self, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = Self::serve("127.0.0.1", Some("localhost"), Some(acceptor), reply).await;
        (server, cert.pem())
    }

    async fn serve(
        address: &str,
        name: Option<&'static str>,
        tls: Option<TlsAcceptor>,
        reply: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let log = Arc::clone(&received);
        let reply = Arc::new(reply);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (reply, log, tls) = (Arc::clone(&reply), Arc::clone(&log), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => exchange(stream, &*reply, &log).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => exchange(stream, &*reply, &log).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { address, name, received, task }
    }

    /// `host:port`.
    pub(super) fn host(&self) -> String {
        match self.name {
            Some(name) => format!("{name}:{}", self.address.port()),
            None => self.address.to_string(),
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.host())
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that was asked so far.
    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    pub(super) fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

/// Reads one request and plays its reply; `None` where the client is gone.
async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    reply: &(dyn Fn(&Received) -> Reply + Send + Sync),
    log: &Mutex<Vec<Received>>,
) -> Option<()> {
    let received = read_request(&mut stream).await?;
    log.lock().unwrap().push(received.clone());
    let Reply { status, headers, acts } = reply(&received);
    let mut head = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    for act in acts {
        match act {
            Act::Send(bytes) => stream.write_all(&bytes).await.ok()?,
            Act::Stall => {
                stream.flush().await.ok()?;
                tokio::time::sleep(Duration::from_secs(600)).await;
            }
            Act::Forever(bytes) => {
                for _ in 0..FLOOD / bytes.len() {
                    stream.write_all(&bytes).await.ok()?;
                }
            }
        }
    }
    stream.shutdown().await.ok()
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<Received> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 || bytes.first().is_some_and(|b| *b == 0x16)
        {
            // The end, or a TLS greeting to a server that speaks none.
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(0, |(_, value)| value.parse::<usize>().unwrap());
    while bytes.len() < end + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(bytes[end..].to_vec()).ok()?;
    Some(Received { method, target, headers, body })
}
