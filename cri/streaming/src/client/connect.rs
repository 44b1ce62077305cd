//! From an address to an upgraded connection.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderName, HeaderValue, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

use super::{ClientError, Connector};
use crate::ends::Duplex;

/// How much of a refusal is read.
const WORDS: usize = 16 * 1024;

/// What is asked of a server besides the address.
pub(crate) struct Asked {
    pub method: Method,
    pub upgrade: &'static str,
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Connector {
    /// Connects, asks, and gives the connection with the headers of the answer.
    pub(super) async fn upgrade(
        &self,
        address: &str,
        asked: Asked,
    ) -> Result<(TokioIo<Upgraded>, HeaderMap), ClientError> {
        let url = Url::parse(address).map_err(|_| ClientError::Address(address.to_owned()))?;
        match timeout(self.timeout, self.ask(address, &url, asked)).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Timeout(address.to_owned())),
        }
    }

    async fn ask(
        &self,
        address: &str,
        url: &Url,
        asked: Asked,
    ) -> Result<(TokioIo<Upgraded>, HeaderMap), ClientError> {
        let http = |error| ClientError::Http(address.to_owned(), error);
        let stream = self.dial(address, url).await?;
        let (mut sender, connection) =
            http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.map_err(http)?;
        let driver = tokio::spawn(connection.with_upgrades());
        let request =
            request(url, asked).ok_or_else(|| ClientError::Address(address.to_owned()))?;
        let upgrade = request.headers()[UPGRADE].clone();
        let response = sender.send_request(request).await.map_err(http)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let refused = refusal(response).await;
            driver.abort();
            return Err(refused);
        }
        let headers = response.headers().clone();
        let to = headers.get(UPGRADE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !to.as_bytes().eq_ignore_ascii_case(upgrade.as_bytes()) {
            return Err(ClientError::Protocol(to.to_owned()));
        }
        let upgraded = hyper::upgrade::on(response).await.map_err(http)?;
        Ok((TokioIo::new(upgraded), headers))
    }

    async fn dial(&self, address: &str, url: &Url) -> Result<Box<dyn Duplex>, ClientError> {
        let wrong = || ClientError::Address(address.to_owned());
        let broke = |error| ClientError::Connection(address.to_owned(), error);
        let secure = match url.scheme() {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return Err(wrong()),
        };
        let host = url.host_str().ok_or_else(wrong)?;
        // An IPv6 address stands in brackets there, and nowhere else.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_or_known_default().ok_or_else(wrong)?;
        let stream = TcpStream::connect((host, port)).await.map_err(broke)?;
        let _ = stream.set_nodelay(true);
        if !secure {
            return Ok(Box::new(stream));
        }
        let tls = self.tls.clone().ok_or_else(|| ClientError::NoTls(address.to_owned()))?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| wrong())?;
        let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(broke)?;
        Ok(Box::new(stream))
    }
}

fn request(url: &Url, asked: Asked) -> Option<Request<Empty<Bytes>>> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str()?),
        None => url.host_str()?.to_owned(),
    };
    let mut request = Request::builder()
        .method(asked.method)
        .uri(target)
        .header(HOST, host)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, asked.upgrade);
    for (name, value) in asked.headers {
        request = request.header(name, value);
    }
    request.body(Empty::new()).ok()
}

async fn refusal(response: Response<Incoming>) -> ClientError {
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), WORDS).collect().await;
    let bytes = body.map(|body| body.to_bytes()).unwrap_or_default();
    ClientError::Refused { status, message: String::from_utf8_lossy(&bytes).trim().to_owned() }
}
