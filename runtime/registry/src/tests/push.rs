//! Pushing to servers that send us elsewhere, break off, stall and lie, and logging in.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use isopod_image::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::server::{Received, Reply, Server};
use super::*;
use crate::auth::Credential;
use crate::{BlobSource, Error, ErrorKind, Pushed};

struct Memory(Vec<u8>);

impl BlobSource for Memory {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.0.clone())))
    }
}

/// Letters and digits, which the test server keeps as text.
fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| b'a' + (at * 7 % 26) as u8).collect()
}

async fn push_bytes(
    client: &Client,
    server: &Server,
    said: &[u8],
    sent: &[u8],
    neighbour: Option<&str>,
) -> Result<Pushed, Error> {
    let descriptor = Descriptor::of(media_types::OCI_LAYER, said);
    let source: Arc<dyn BlobSource> = Arc::new(Memory(sent.to_vec()));
    let pusher = client.pusher(&reference(server, "a/b:1"))?;
    pusher.blob(&descriptor, &source, neighbour, &|_| {}).await
}

async fn push(client: &Client, server: &Server, bytes: &[u8]) -> Result<Pushed, Error> {
    push_bytes(client, server, bytes, bytes, None).await
}

fn empty(status: u16) -> Reply {
    Reply::new(status).body(b"")
}

fn place(url: &str) -> Reply {
    Reply::new(202).header("Location", url).body(b"")
}

/// What a registry that has nothing and takes everything answers.
fn honest(received: &Received) -> Reply {
    match received.method.as_str() {
        "HEAD" => Reply::new(404),
        "POST" => place("/v2/a/b/blobs/uploads/1?state=x"),
        "PUT" => empty(201),
        _ => empty(405),
    }
}

/// Wants `Basic dTpw` (`u:p`) before it does anything.
fn behind_basic(received: &Received, then: impl Fn(&Received) -> Reply) -> Reply {
    match received.header("authorization") {
        Some("Basic dTpw") => then(received),
        _ => Reply::new(401).header("WWW-Authenticate", "Basic").body(b""),
    }
}

fn logged_in(server: &Server) -> Client {
    let mut config = config(&[server]);
    let credential = Credential::Password { user: "u".into(), password: "p".into() };
    config.credentials.explicit = vec![(server.host(), credential)];
    Client::new(config)
}

fn methods(server: &Server) -> Vec<String> {
    server.received().into_iter().map(|received| received.method).collect()
}

#[tokio::test]
async fn a_blob_goes_in_one_request_to_the_place_that_the_server_gives() {
    let server = Server::start(honest).await;
    let blob = text(300_000);
    assert_eq!(push(&client(&server), &server, &blob).await.unwrap(), Pushed::Uploaded);
    assert_eq!(methods(&server), ["HEAD", "POST", "PUT"]);
    let put = server.received().pop().unwrap();
    let digest = Digest::sha256(&blob).to_string().replace(':', "%3A");
    assert_eq!(put.target, format!("/v2/a/b/blobs/uploads/1?state=x&digest={digest}"));
    assert_eq!(put.header("content-length"), Some("300000"));
    assert_eq!(put.body.as_bytes(), blob);
}

#[tokio::test]
async fn what_is_there_is_not_sent_and_what_a_neighbour_has_is_taken_over() {
    let server = Server::start(|received| match received.method.as_str() {
        "HEAD" => Reply::new(200),
        _ => empty(500),
    })
    .await;
    assert_eq!(push(&client(&server), &server, b"x").await.unwrap(), Pushed::Exists);
    let server = Server::start(|received| match received.method.as_str() {
        "POST" if received.target.contains("from=c%2Fd") => empty(201),
        _ => honest(received),
    })
    .await;
    let pushed = push_bytes(&client(&server), &server, b"x", b"x", Some("c/d")).await;
    assert_eq!(pushed.unwrap(), Pushed::Mounted);
    // Whoever may not look at the neighbour sends the blob.
    let server = Server::start(|received| match received.method.as_str() {
        "POST" if received.target.contains("from=") => empty(403),
        _ => honest(received),
    })
    .await;
    let pushed = push_bytes(&client(&server), &server, b"x", b"x", Some("c/d")).await;
    assert_eq!(pushed.unwrap(), Pushed::Uploaded);
}

#[tokio::test]
async fn an_upload_elsewhere_takes_no_credentials_along() {
    let thief = Server::on("127.0.0.2", |_| empty(201)).await;
    let target = thief.url("/stolen");
    let registry = Server::start(move |received| {
        behind_basic(received, |received| match received.method.as_str() {
            "POST" => place(&target),
            _ => honest(received),
        })
    })
    .await;
    push(&logged_in(&registry), &registry, b"blob").await.unwrap();
    assert_eq!(thief.count(), 1);
    let received = thief.received().pop().unwrap();
    assert_eq!((received.body.as_str(), received.header("authorization")), ("blob", None));
}

#[tokio::test]
async fn a_challenge_from_elsewhere_is_not_met_by_an_upload() {
    let thief =
        Server::on("127.0.0.2", |_| Reply::new(401).header("WWW-Authenticate", "Basic").body(b""))
            .await;
    let target = thief.url("/stolen");
    let registry = Server::start(move |received| match received.method.as_str() {
        "POST" => place(&target),
        _ => honest(received),
    })
    .await;
    let error = push(&logged_in(&registry), &registry, b"blob").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    assert!(thief.received().iter().all(|received| received.header("authorization").is_none()));
}

#[tokio::test]
async fn a_redirected_upload_takes_no_credentials_along() {
    let thief = Server::on("127.0.0.2", |_| empty(201)).await;
    let target = thief.url("/stolen");
    let registry = Server::start(move |received| {
        behind_basic(received, |received| match received.method.as_str() {
            "PUT" => Reply::new(307).header("Location", &target).body(b""),
            _ => honest(received),
        })
    })
    .await;
    push(&logged_in(&registry), &registry, b"blob").await.unwrap();
    let received = thief.received().pop().unwrap();
    assert_eq!((received.method.as_str(), received.body.as_str()), ("PUT", "blob"));
    assert_eq!(received.header("authorization"), None);
}

#[tokio::test]
async fn an_upload_is_not_sent_to_this_machine_from_elsewhere() {
    let local = Server::start(|_| empty(201)).await;
    let target = local.url("/admin");
    let registry = Server::on("127.0.0.2", move |received| match received.method.as_str() {
        "POST" => place(&target),
        _ => honest(received),
    })
    .await;
    let error = push(&client(&registry), &registry, b"blob").await.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert_eq!(local.count(), 0);
}

#[tokio::test]
async fn a_redirect_that_would_lose_the_blob_is_no_success() {
    let server = Server::start(|received| match received.method.as_str() {
        "PUT" => Reply::new(302).header("Location", "/fine").body(b""),
        "GET" => Reply::ok(b"fine"),
        _ => honest(received),
    })
    .await;
    let error = push(&client(&server), &server, b"blob").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(!methods(&server).contains(&"GET".to_owned()));
}

#[tokio::test]
async fn a_broken_upload_goes_on_where_the_server_says() {
    let server = Server::start(|received| match received.method.as_str() {
        "PUT" if !received.body.is_empty() => empty(503),
        "GET" => Reply::new(204)
            .header("Location", "/v2/a/b/blobs/uploads/1?state=y")
            .header("Range", "0-99999"),
        "PATCH" => place("/v2/a/b/blobs/uploads/1?state=z"),
        _ => honest(received),
    })
    .await;
    let blob = text(250_000);
    assert_eq!(push(&client(&server), &server, &blob).await.unwrap(), Pushed::Uploaded);
    assert_eq!(methods(&server), ["HEAD", "POST", "PUT", "HEAD", "GET", "PATCH", "PUT"]);
    let received = server.received();
    assert_eq!(received[5].header("content-range"), Some("100000-249999"));
    assert_eq!(received[5].body.as_bytes(), &blob[100_000..]);
    assert!(received[6].target.contains("state=z&digest=sha256"), "{}", received[6].target);
}

#[tokio::test]
async fn a_server_that_keeps_no_parts_is_sent_the_whole_again() {
    let refusals = std::sync::atomic::AtomicU32::new(1);
    let server = Server::start(move |received| match received.method.as_str() {
        "PUT" if refusals.swap(0, std::sync::atomic::Ordering::SeqCst) > 0 => empty(502),
        "GET" => empty(404),
        _ => honest(received),
    })
    .await;
    push(&client(&server), &server, b"blob").await.unwrap();
    assert_eq!(methods(&server), ["HEAD", "POST", "PUT", "HEAD", "GET", "POST", "PUT"]);
}

#[tokio::test]
async fn a_damaged_blob_is_never_finished() {
    let server = Server::start(honest).await;
    let blob = text(400_000);
    let mut damaged = blob.clone();
    damaged[200_000] ^= 1;
    for sent in [&damaged[..], &blob[..399_999], &[&blob[..], b"more"].concat()] {
        let error = push_bytes(&client(&server), &server, &blob, sent, None).await.unwrap_err();
        assert!(matches!(error, Error::Damaged { .. }), "{error}");
    }
    // The server of these tests notes a request when it has all of it.
    assert!(!methods(&server).contains(&"PUT".to_owned()));
}

/// Answers what comes before an upload, and then reads nothing more.
async fn takes_nothing() -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let mut head = vec![0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            let reply = match &head[..read.min(4)] {
                b"HEAD" => "HTTP/1.1 404 x\r\nConnection: close\r\n\r\n",
                b"POST" => {
                    "HTTP/1.1 202 x\r\nConnection: close\r\nLocation: /up\r\nContent-Length: 0\r\n\r\n"
                }
                _ => "",
            };
            stream.write_all(reply.as_bytes()).await.ok();
            if reply.is_empty() {
                held.push(stream);
            }
        }
    });
    (host, task)
}

#[tokio::test]
async fn a_server_that_takes_nothing_is_given_up() {
    let (host, task) = takes_nothing().await;
    let mut config = config(&[]);
    config.hosts.plain_http = vec![host.clone()];
    config.retry.attempts = 1;
    let blob = text(32 << 20);
    let descriptor = Descriptor::of(media_types::OCI_LAYER, &blob);
    let source: Arc<dyn BlobSource> = Arc::new(Memory(blob));
    let pusher =
        Client::new(config).pusher(&Reference::parse(&format!("{host}/a/b:1")).unwrap()).unwrap();
    let error = pusher.blob(&descriptor, &source, None, &|_| {}).await.unwrap_err();
    assert!(matches!(error, Error::NotTaken { .. }), "{error}");
    task.abort();
}

#[tokio::test]
async fn what_the_server_says_it_stored_is_compared() {
    let bytes = Bytes::from(manifest());
    let descriptor = Descriptor::of(media_types::OCI_MANIFEST, &bytes);
    for (stored, is_right) in [(&bytes[..], true), (b"other", false)] {
        let digest = Digest::sha256(stored).to_string();
        let server = Server::start(move |_| {
            Reply::new(201).header("Docker-Content-Digest", &digest).body(b"")
        })
        .await;
        let pusher = client(&server).pusher(&reference(&server, "a/b:1")).unwrap();
        let put = pusher.manifest("1", &descriptor, &bytes).await;
        assert_eq!(put.is_ok(), is_right, "{put:?}");
        let received = server.received().pop().unwrap();
        assert_eq!(received.target, "/v2/a/b/manifests/1");
        assert_eq!(received.header("content-type"), Some(media_types::OCI_MANIFEST));
        assert_eq!(received.body.as_bytes(), &bytes);
    }
}

#[tokio::test]
async fn a_login_asks_the_registry_and_the_realm_for_no_repository() {
    let registry = Server::start(|received| behind_basic(received, |_| Reply::ok(b"{}"))).await;
    logged_in(&registry).log_in(&registry.host()).await.unwrap();
    let error = client(&registry).log_in(&registry.host()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    assert!(registry.received().iter().all(|received| received.target == "/v2/"));

    let realm =
        Server::start(|received| behind_basic(received, |_| Reply::ok(br#"{"token": "t"}"#))).await;
    let challenge = format!(r#"Bearer realm="{}",service="s""#, realm.url("/token"));
    let registry = Server::start(move |received| match received.header("authorization") {
        Some("Bearer t") => Reply::ok(b"{}"),
        _ => Reply::new(401).header("WWW-Authenticate", &challenge).body(b""),
    })
    .await;
    logged_in(&registry).log_in(&registry.host()).await.unwrap();
    assert_eq!(realm.received()[0].target, "/token?service=s&account=u");
}
