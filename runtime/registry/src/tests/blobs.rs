//! Blobs from servers that break off, stall, ignore ranges and send too much or too little.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Act, Received, Reply, Server};
use super::*;
use crate::{Error, ErrorKind};
use isopod_image::Digest;

fn layer(bytes: &[u8]) -> Descriptor {
    Descriptor::of(media_types::OCI_LAYER_GZIP, bytes)
}

async fn read(
    client: &Client,
    reference: &Reference,
    descriptor: &Descriptor,
    offset: u64,
) -> Result<Vec<u8>, (Error, u64)> {
    let mut stream = client.open_blob(reference, descriptor, offset).await.map_err(|e| (e, 0))?;
    let mut all = Vec::new();
    loop {
        match stream.chunk().await {
            Ok(Some(bytes)) => all.extend_from_slice(&bytes),
            Ok(None) => break,
            Err(error) => return Err((error, all.len() as u64)),
        }
    }
    assert_eq!(stream.offset(), descriptor.size);
    assert!(stream.chunk().await.unwrap().is_none(), "the end stays the end");
    Ok(all)
}

/// Reads all of `body` from a server that answers its n-th request (from 0) by `reply`.
async fn from_server(
    body: &[u8],
    reply: impl Fn(usize, &Received) -> Reply + Send + Sync + 'static,
) -> (Result<Vec<u8>, (Error, u64)>, Vec<Received>) {
    let calls = AtomicUsize::new(0);
    let server =
        Server::start(move |received| reply(calls.fetch_add(1, Ordering::SeqCst), received)).await;
    let result = read(&client(&server), &reference(&server, "a:1"), &layer(body), 0).await;
    (result, server.received())
}

#[tokio::test]
async fn a_blob_comes_whole_or_from_an_offset() {
    let body = content(300_000);
    let served = body.clone();
    let server = Server::start(move |received| Reply::ranged(received, &served)).await;
    let (client, reference) = (client(&server), reference(&server, "a/b:1"));
    assert!(read(&client, &reference, &layer(&body), 0).await.unwrap() == body);
    assert!(read(&client, &reference, &layer(&body), 299_999).await.unwrap() == body[299_999..]);
    let expected = format!("/v2/a/b/blobs/{}", Digest::sha256(&body));
    assert!(server.received().iter().all(|asked| asked.target == expected));
    assert_eq!(server.received()[0].header("range"), None);
    assert_eq!(server.received()[1].header("range"), Some("bytes=299999-"));
    assert!(read(&client, &reference, &layer(&body), 300_000).await.unwrap().is_empty());
    assert_eq!(server.count(), 2, "nothing is asked where nothing is left");
    assert!(read(&client, &reference, &layer(&body), 300_001).await.is_err());
    assert!(read(&client, &reference, &layer(b""), 0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_broken_connection_is_resumed_where_it_broke() {
    let body = content(1_000_000);
    let served = body.clone();
    let (result, received) = from_server(&body, move |call, received| match call {
        0 => Reply::cut(received, &served, 400_000),
        1 => Reply::new(503).body(b""),
        2 => Reply::cut(received, &served, 0),
        3 => Reply::cut(received, &served, 300_000),
        _ => Reply::ranged(received, &served),
    })
    .await;
    // Three failures in a row would be one too many: those without progress are 0, 1 and 2's.
    let (error, had) = result.unwrap_err();
    assert_eq!((error.kind(), had), (ErrorKind::Unreachable, 400_000), "{error}");
    assert_eq!(received.len(), 3);

    let served = body.clone();
    let (result, received) = from_server(&body, move |call, received| match call {
        0 => Reply::cut(received, &served, 400_000),
        1 => Reply::new(503).body(b""),
        2 => Reply::cut(received, &served, 300_000),
        3 => Reply::new(503).body(b""),
        _ => Reply::ranged(received, &served),
    })
    .await;
    assert!(result.unwrap() == body);
    let ranges: Vec<_> = received.iter().map(Received::range).collect();
    assert_eq!(ranges, [None, Some(400_000), Some(400_000), Some(700_000), Some(700_000)]);
}

#[tokio::test]
async fn a_stalled_body_is_resumed_and_at_last_given_up() {
    // Without the defence this would take as long as the server likes.
    tokio::time::timeout(Duration::from_secs(30), stalled_bodies()).await.unwrap();
}

async fn stalled_bodies() {
    let body = content(10_000);
    let stalling =
        |received: &Received, body: &[u8]| Reply::cut(received, body, 4_000).act(Act::Stall);
    let served = body.clone();
    let (result, received) = from_server(&body, move |call, received| match call {
        0 => stalling(received, &served),
        _ => Reply::ranged(received, &served),
    })
    .await;
    assert!(result.unwrap() == body);
    assert_eq!(received[1].range(), Some(4_000));

    let served = body.clone();
    let (result, received) =
        from_server(&body, move |_, received| Reply::cut(received, &served, 0).act(Act::Stall))
            .await;
    assert_eq!(result.unwrap_err().0.kind(), ErrorKind::Stalled);
    assert_eq!(received.len(), 3);
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_read_again_and_skipped() {
    let body = content(500_000);
    let served = body.clone();
    let (result, received) = from_server(&body, move |call, _| {
        let whole = Reply::new(200).header("Content-Length", &served.len().to_string());
        let sent = if call == 0 { 123_457 } else { served.len() };
        whole.act(Act::Send(served[..sent].to_vec()))
    })
    .await;
    assert!(result.unwrap() == body);
    assert_eq!(received[1].range(), Some(123_457));
}

#[tokio::test]
async fn a_server_that_sends_another_part_is_refused() {
    let body = content(1000);
    for header in [
        "bytes 0-999/1000",
        "bytes 401-999/1000",
        "bytes 400-999/1001",
        "items 400-999/1000",
        "bytes 400-/1000",
        "",
    ] {
        let served = body.clone();
        let (result, _) = from_server(&body, move |call, received| match call {
            0 => Reply::cut(received, &served, 400),
            _ => Reply::new(206).header("Content-Range", header).body(&served[400..]),
        })
        .await;
        let (error, had) = result.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Protocol | ErrorKind::SizeMismatch),
            "{header}: {error}"
        );
        assert_eq!(had, 400, "{header}");
    }
}

#[tokio::test]
async fn a_body_longer_than_the_descriptor_is_refused() {
    let body = content(1000);
    let longer = content(1001);
    let announced = longer.clone();
    let (result, received) = from_server(&body, move |_, _| {
        // What is announced is refused before any of it comes.
        Reply::new(200).header("Content-Length", &announced.len().to_string()).act(Act::Stall)
    })
    .await;
    let (error, had) = result.unwrap_err();
    assert!(matches!(error, Error::SizeMismatch { expected: 1000, actual: 1001, .. }), "{error:?}");
    assert_eq!((had, received.len()), (0, 1), "nothing was handed over and nothing tried again");

    let (result, _) =
        from_server(&body, move |_, _| Reply::new(200).act(Act::Send(longer.clone()))).await;
    assert_eq!(result.unwrap_err().0.kind(), ErrorKind::SizeMismatch);
}

#[tokio::test]
async fn an_endless_body_is_refused_at_the_descriptors_size() {
    let body = content(100_000);
    let (result, _) =
        from_server(&body, |_, _| Reply::new(200).act(Act::Forever(vec![7; 1000]))).await;
    let (error, had) = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SizeMismatch);
    assert!(had <= 100_000, "{had}");
}

#[tokio::test]
async fn a_body_shorter_than_the_descriptor_is_refused() {
    let body = content(1000);
    let short = content(999);
    let announced = short.clone();
    let (result, received) = from_server(&body, move |_, _| Reply::ok(&announced)).await;
    let (error, _) = result.unwrap_err();
    assert!(matches!(error, Error::SizeMismatch { expected: 1000, actual: 999, .. }), "{error:?}");
    assert_eq!(received.len(), 1);

    // Without an announced length the end may be a broken connection: it is asked again.
    let (result, received) =
        from_server(&body, move |_, _| Reply::new(200).act(Act::Send(short.clone()))).await;
    assert_eq!(result.unwrap_err().0.kind(), ErrorKind::SizeMismatch);
    assert_eq!(received.len(), 2);
}

/// A client whose registry `mirrored.example` has two servers.
fn two_servers(first: &Server, second: &Server) -> (Client, Reference, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("mirrored.example");
    std::fs::create_dir(&own).unwrap();
    let text = format!("server = \"{}\"\n[host.\"{}\"]\n", second.url(""), first.url(""));
    std::fs::write(own.join("hosts.toml"), text).unwrap();
    let mut config = config(&[]);
    config.hosts.roots = vec![folder.path().to_owned()];
    (Client::new(config), Reference::parse("mirrored.example/a:1").unwrap(), folder)
}

#[tokio::test]
async fn a_failing_mirror_is_left_in_the_middle_of_a_blob() {
    let body = Arc::new(content(600_000));
    let (broken, whole) = (Arc::clone(&body), Arc::clone(&body));
    let calls = AtomicUsize::new(0);
    let mirror = Server::start(move |received| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::cut(received, &broken, 250_000),
        _ => Reply::new(500).body(b""),
    })
    .await;
    let upstream = Server::start(move |received| Reply::ranged(received, &whole)).await;
    let (client, reference, _folder) = two_servers(&mirror, &upstream);
    let all = read(&client, &reference, &layer(&body), 0).await.unwrap();
    assert!(all == **body);
    assert_eq!(upstream.received()[0].range(), Some(250_000));
    assert!(mirror.received()[0].target.ends_with("?ns=mirrored.example"));
}

#[tokio::test]
async fn what_a_mirror_lacks_or_lies_about_comes_from_the_next_server() {
    let body = Arc::new(content(5_000));
    for lie in [
        Reply::new(404).body(b""),
        Reply::new(403).body(b""),
        Reply::ok(&content(4_999)),
        Reply::ok(&content(5_001)),
        Reply::ok(&content(5_000)).header("Content-Encoding", "gzip"),
    ] {
        let whole = Arc::clone(&body);
        let mirror = Server::start(move |_| lie.clone()).await;
        let upstream = Server::start(move |received| Reply::ranged(received, &whole)).await;
        let (client, reference, _folder) = two_servers(&mirror, &upstream);
        assert!(read(&client, &reference, &layer(&body), 0).await.unwrap() == **body);
        assert_eq!(mirror.count(), 1);
    }
}

#[tokio::test]
async fn servers_that_sent_wrong_bytes_are_asked_last_from_then_on() {
    let body = Arc::new(content(5_000));
    let whole = Arc::clone(&body);
    let mirror = Server::start(|_| Reply::ok(&[0; 5_000])).await;
    let upstream = Server::start(move |received| Reply::ranged(received, &whole)).await;
    let (client, reference, _folder) = two_servers(&mirror, &upstream);
    let mut stream = client.open_blob(&reference, &layer(&body), 0).await.unwrap();
    while stream.chunk().await.unwrap().is_some() {}
    assert_eq!(upstream.count(), 0);
    stream.distrust();
    assert!(read(&client, &reference, &layer(&body), 0).await.unwrap() == **body);
    // Small blobs are verified here, and go to the next server by themselves.
    let (client, reference, _folder) = two_servers(&mirror, &upstream);
    let bytes = client.blob_bytes(&reference, &layer(&body), 10_000).await.unwrap();
    assert!(bytes[..] == body[..]);
}

#[tokio::test]
async fn when_all_servers_fail_each_is_named() {
    let mirror = Server::start(|_| Reply::new(500).body(b"")).await;
    let upstream = Server::start(|_| Reply::new(404).body(b"")).await;
    let (client, reference, _folder) = two_servers(&mirror, &upstream);
    let (error, _) = read(&client, &reference, &layer(b"x"), 0).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains(&mirror.host()), "{error}");
    assert!(error.to_string().contains("mirrored.example"), "{error}");
    let error = client.resolve(&reference).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_foreign_layers_urls_are_used_only_where_allowed_and_never_in_plain_text() {
    let registry = Server::start(|_| Reply::new(404).body(b"")).await;
    let elsewhere = Server::on("127.0.0.2", |_| Reply::ok(b"x")).await;
    let kind = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    let mut descriptor = Descriptor::of(kind, b"x");
    descriptor.urls = vec![elsewhere.url("/x"), elsewhere.url("/x").replace("http:", "https:")];
    let refused = read(&client(&registry), &reference(&registry, "a:1"), &descriptor, 0).await;
    assert_eq!(refused.unwrap_err().0.kind(), ErrorKind::NotFound);
    let mut allowing = config(&[&registry]);
    allowing.foreign_layers = crate::config::ForeignLayers::Fetch;
    let client = Client::new(allowing);
    // The only usable URL is asked by TLS, which that server does not speak.
    let (error, _) = read(&client, &reference(&registry, "a:1"), &descriptor, 0).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Tls | ErrorKind::Unreachable), "{error:?}");
    assert_eq!(elsewhere.count(), 0);
}
