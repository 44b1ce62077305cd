//! What is answered before anything streams, and what happens to clients that don't go on.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use isopod_streaming::client::{ClientError, Connector, RemoteCommand, Transport};
use isopod_streaming::{Config, Outcome};
use support::{Running, soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends a request with these headers; the head of the answer, and what of the rest comes with it.
async fn ask(
    address: SocketAddr,
    method: &str,
    url: &str,
    headers: &[&str],
) -> (TcpStream, String) {
    let path = url.split_once("//").unwrap().1.split_once('/').unwrap().1;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("{method} /{path} HTTP/1.1\r\nHost: x\r\n{}\r\n\r\n", headers.join("\r\n"));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut buffer = [0; 4096];
        match soon(stream.read(&mut buffer)).await.unwrap() {
            0 => break,
            read => answer.extend_from_slice(&buffer[..read]),
        }
    }
    (stream, String::from_utf8_lossy(&answer).to_ascii_lowercase())
}

const SPDY: [&str; 2] = ["Connection: Upgrade", "Upgrade: SPDY/3.1"];
const WEBSOCKET: [&str; 4] = [
    "Connection: keep-alive, Upgrade",
    "Upgrade: WebSocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

#[tokio::test]
async fn spdy_is_agreed_on_as_gos_servers_do() {
    let server = Running::start(Config::default()).await;
    let exec = || server.exec(&["true"], false, false);
    let ask = async |method: &str, url: String, more: &[&str]| {
        ask(server.address, method, &url, &[&SPDY[..], more].concat()).await.1
    };
    for method in ["GET", "POST"] {
        let offers = ["X-Stream-Protocol-Version: v9.channel.k8s.io, v4.channel.k8s.io"];
        let answer = ask(method, exec(), &offers).await;
        assert!(answer.starts_with("http/1.1 101 "), "{answer}");
        assert!(answer.contains("\r\nupgrade: spdy/3.1\r\n"), "{answer}");
        assert!(
            answer.contains("\r\nx-stream-protocol-version: v4.channel.k8s.io\r\n"),
            "{answer}"
        );
    }
    let answer = ask("POST", exec(), &["X-Stream-Protocol-Version: v9.channel.k8s.io"]).await;
    assert!(answer.starts_with("http/1.1 403 "), "{answer}");
    for known in ["v4.channel.k8s.io", "channel.k8s.io"] {
        let header = format!("\r\nx-accepted-stream-protocol-versions: {known}\r\n");
        assert!(answer.contains(&header), "{answer}");
    }
    let answer = ask("POST", exec(), &[]).await;
    assert!(answer.starts_with("http/1.1 400 "), "{answer}");
    let forward = server.port_forward(&[]);
    let answer = ask("POST", forward, &["X-Stream-Protocol-Version: portforward.k8s.io"]).await;
    assert!(answer.contains("\r\nx-stream-protocol-version: portforward.k8s.io\r\n"), "{answer}");
}

#[tokio::test]
async fn websockets_are_agreed_on_as_gos_servers_do() {
    let server = Running::start(Config::default()).await;
    let exec = || server.exec(&["true"], false, false);
    let ask = async |method: &str, url: String, headers: &[&str]| {
        ask(server.address, method, &url, headers).await.1
    };
    let with = |more: &'static str| [&WEBSOCKET[..], &[more]].concat();
    let offers = with("Sec-WebSocket-Protocol: v9.channel.k8s.io, v5.channel.k8s.io");
    let answer = ask("GET", exec(), &offers).await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(answer.contains("\r\nsec-websocket-protocol: v5.channel.k8s.io\r\n"), "{answer}");
    // The example of RFC 6455, section 1.3.
    assert!(
        answer.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"),
        "{answer}"
    );
    for (method, url, headers, status) in [
        ("GET", exec(), with("Sec-WebSocket-Protocol: v9.channel.k8s.io"), "403"),
        // Without ports there are no channels: only the tunnel is left.
        ("GET", server.port_forward(&[]), with("Sec-WebSocket-Protocol: v4.channel.k8s.io"), "403"),
        ("POST", exec(), WEBSOCKET.to_vec(), "405"),
        ("GET", exec(), WEBSOCKET[..3].to_vec(), "400"),
        (
            "GET",
            exec(),
            vec![WEBSOCKET[0], WEBSOCKET[1], WEBSOCKET[3], "Sec-WebSocket-Version: 8"],
            "400",
        ),
        ("GET", exec(), vec!["Connection: close"], "400"),
        ("GET", exec(), vec!["Connection: Upgrade", "Upgrade: h2c"], "400"),
        ("GET", exec() + "x", WEBSOCKET.to_vec(), "404"),
        ("GET", format!("http://{}/", server.address), WEBSOCKET.to_vec(), "404"),
        ("GET", format!("http://{}/exec/", server.address), WEBSOCKET.to_vec(), "404"),
    ] {
        let answer = ask(method, url, &headers).await;
        assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{headers:?}: {answer}");
    }
}

#[tokio::test]
async fn row_09_who_opens_no_streams_is_given_up() {
    let config =
        Config { stream_creation_timeout: Duration::from_millis(200), ..Config::default() };
    let server = Running::start(config).await;
    let offer = "X-Stream-Protocol-Version: v4.channel.k8s.io";
    let url = server.exec(&["true"], false, false);
    let headers = [&SPDY[..], &[offer]].concat();
    let (mut stream, answer) = ask(server.address, "POST", &url, &headers).await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    let mut rest = Vec::new();
    let _ = soon(stream.read_to_end(&mut rest)).await;
    until(|| server.streaming.sessions() == 0).await;
}

#[tokio::test]
async fn row_09_who_says_no_request_is_given_up() {
    let config = Config { request_timeout: Duration::from_millis(200), ..Config::default() };
    let server = Running::start(config).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /exec/").await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    until(|| server.streaming.sessions() == 0).await;
}

#[tokio::test]
async fn a_session_without_a_byte_ends_over_either_transport() {
    let config = Config { idle_timeout: Duration::from_millis(300), ..Config::default() };
    let server = Running::start(config).await;
    for transport in [Transport::Spdy, Transport::WebSocket] {
        let wanted = RemoteCommand { stdin: true, stdout: true, stderr: true, tty: false };
        let url = server.exec(&["sleep", "1000"], true, false);
        let mut session = Connector::new(transport).remote_command(&url, wanted).await.unwrap();
        let outcome = soon(session.outcome()).await;
        assert!(outcome.is_err(), "{transport:?}: {outcome:?}");
        until(|| server.streaming.sessions() == 0).await;
    }
}

#[tokio::test]
async fn addresses_begin_as_they_are_told() {
    let base_url = Some("https://node.example:10443/streams/".parse().unwrap());
    let server = Running::start(Config { base_url, ..Config::default() }).await;
    let url = server.exec(&["true"], false, false);
    assert!(url.starts_with("https://node.example:10443/streams/exec/"), "{url}");
    let headers = [&SPDY[..], &["X-Stream-Protocol-Version: v4.channel.k8s.io"]].concat();
    let (_stream, answer) = ask(server.address, "POST", &url, &headers).await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
}

#[tokio::test]
async fn everything_goes_over_tls_too() {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key =
        rustls_pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let server = Running::start(Config { tls: Some(Arc::new(tls)), ..Config::default() }).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(issued.cert.der().clone()).unwrap();
    let trusting = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let trusting = Arc::new(trusting);
    let wanted = RemoteCommand { stdout: true, stderr: true, ..RemoteCommand::default() };
    for transport in [Transport::Spdy, Transport::WebSocket] {
        let url = server.exec(&["seq", "100000"], false, false);
        assert!(url.starts_with("https://127.0.0.1:"), "{url}");
        let without = Connector::new(transport).remote_command(&url, wanted).await.err().unwrap();
        assert!(matches!(without, ClientError::NoTls(_)), "{without}");
        let connector = Connector::new(transport).with_tls(trusting.clone());
        let mut session = connector.remote_command(&url, wanted).await.unwrap();
        let mut out = String::new();
        soon(session.stdout.take().unwrap().read_to_string(&mut out)).await.unwrap();
        assert!(out.ends_with("\n100000\n"), "{} bytes", out.len());
        assert_eq!(soon(session.outcome()).await.unwrap(), Outcome::Success);
    }
}
