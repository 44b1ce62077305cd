//! Manifests, indexes and configurations from servers that may lie about them.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Act, Reply, Server};
use super::*;
use crate::{Error, ErrorKind};
use isopod_image::{Digest, Document};

fn honest(bytes: &[u8]) -> Reply {
    Reply::ok(bytes).header("Content-Type", media_types::OCI_MANIFEST)
}

async fn resolve(reply: Reply, rest: &str) -> Result<crate::Resolved, Error> {
    let server = Server::start(move |_| reply.clone()).await;
    client(&server).resolve(&reference(&server, rest)).await
}

#[tokio::test]
async fn a_tag_is_resolved_to_the_digest_of_what_came() {
    let bytes = manifest();
    let digest = Digest::sha256(&bytes);
    let reply = honest(&bytes).header("Docker-Content-Digest", digest.as_str());
    let server = Server::start(move |_| reply.clone()).await;
    let resolved = client(&server).resolve(&reference(&server, "a/b:1")).await.unwrap();
    assert_eq!(resolved.descriptor, Descriptor::of(media_types::OCI_MANIFEST, &bytes));
    assert_eq!(&resolved.bytes[..], &bytes[..]);
    assert!(matches!(resolved.document, Document::Manifest(_)));
    let asked = &server.received()[0];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/v2/a/b/manifests/1"));
    assert!(asked.header("accept").unwrap().contains(media_types::DOCKER_INDEX));
    assert_eq!(asked.header("authorization"), None);
}

#[tokio::test]
async fn a_document_of_another_digest_than_asked_for_is_refused() {
    let bytes = manifest();
    let asked = Digest::sha256(&bytes);
    for place in [0, bytes.len() / 2, bytes.len() - 1] {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1;
        for announced in [asked.clone(), Digest::sha256(&flipped)] {
            let reply = honest(&flipped).header("Docker-Content-Digest", announced.as_str());
            let error = resolve(reply, &format!("a@{asked}")).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::DigestMismatch, "{place}: {error}");
        }
    }
    let other_length = honest(&bytes[..bytes.len() - 1]);
    let error = resolve(other_length, &format!("a@{asked}")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
}

#[tokio::test]
async fn an_announced_digest_that_is_not_the_contents_is_refused() {
    let reply = honest(&manifest()).header("Docker-Content-Digest", Digest::sha256(b"x").as_str());
    assert_eq!(resolve(reply, "a:1").await.unwrap_err().kind(), ErrorKind::DigestMismatch);
    let path = honest(&manifest()).header("Docker-Content-Digest", "sha256:../../x");
    assert_eq!(resolve(path, "a:1").await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_document_of_two_kinds_is_refused() {
    let mut both: serde_json::Value = serde_json::from_slice(&manifest()).unwrap();
    both["manifests"] = serde_json::json!([]);
    for header in [media_types::OCI_MANIFEST, media_types::OCI_INDEX] {
        let reply = Reply::ok(both.to_string().as_bytes()).header("Content-Type", header);
        let error = resolve(reply, "a:1").await.unwrap_err();
        assert!(matches!(error, Error::Document { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_document_that_differs_from_its_header_is_refused() {
    for header in [media_types::DOCKER_MANIFEST, media_types::OCI_INDEX, "text/html"] {
        let reply = Reply::ok(&manifest()).header("Content-Type", header);
        let error = resolve(reply, "a:1").await.unwrap_err();
        assert!(matches!(error, Error::Document { .. }), "{header} {error:?}");
    }
}

#[tokio::test]
async fn a_document_over_the_cap_is_refused_before_it_is_read() {
    let announced = Reply::new(200).header("Content-Length", "4194305").act(Act::Stall);
    assert_eq!(resolve(announced, "a:1").await.unwrap_err().kind(), ErrorKind::TooLarge);
    let endless = Reply::new(200).act(Act::Forever(vec![b' '; 65536]));
    assert_eq!(resolve(endless, "a:1").await.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_stalled_or_truncated_document_is_an_error_after_some_tries() {
    let bytes = manifest();
    let length = bytes.len().to_string();
    let head = || Reply::new(200).header("Content-Type", media_types::OCI_MANIFEST);
    let half = Act::Send(bytes[..20].to_vec());
    let stalled = head().header("Content-Length", &length).act(half.clone()).act(Act::Stall);
    assert_eq!(resolve(stalled, "a:1").await.unwrap_err().kind(), ErrorKind::Stalled);
    let truncated = head().header("Content-Length", &length).act(half);
    assert_eq!(resolve(truncated, "a:1").await.unwrap_err().kind(), ErrorKind::Unreachable);
}

#[tokio::test]
async fn the_registrys_own_words_are_in_the_error() {
    let body = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest\u001b unknown","detail":{}}]}"#;
    let error = resolve(Reply::new(404).body(body), "a:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let text = error.to_string();
    assert!(text.contains("a:1") && text.contains("MANIFEST_UNKNOWN: manifest unknown"), "{text}");
    let error = resolve(Reply::new(403).body(b"<html>"), "a:1").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn passing_troubles_are_tried_again_and_final_answers_are_not() {
    for (status, expected) in [(500, 3), (503, 3), (408, 3), (400, 1), (403, 1), (404, 1)] {
        let server = Server::start(move |_| Reply::new(status).body(b"")).await;
        client(&server).resolve(&reference(&server, "a:1")).await.unwrap_err();
        assert_eq!(server.count(), expected, "{status}");
    }
    let calls = AtomicUsize::new(0);
    let server = Server::start(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::new(429).header("Retry-After", "1").body(b""),
        _ => honest(&manifest()),
    })
    .await;
    let begun = std::time::Instant::now();
    client(&server).resolve(&reference(&server, "a:1")).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let impatient = Reply::new(429).header("Retry-After", "3600").body(b"");
    let error = resolve(impatient, "a:1").await.unwrap_err();
    assert!(
        matches!(error, Error::RateLimited { retry_after: Some(wait), .. } if wait.as_secs() == 3600)
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let server = Server::start(|_| Reply::new(200)).await;
    let (client, reference) = (client(&server), reference(&server, "a:1"));
    let host = server.host();
    drop(server);
    // The port is free again once the aborted task is gone.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let error = client.resolve(&reference).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable { host: at, .. } if *at == host), "{error:?}");
}

#[tokio::test]
async fn a_manifest_is_held_against_its_descriptor() {
    let bytes = manifest();
    let good = Descriptor::of(media_types::OCI_MANIFEST, &bytes);
    let reply = honest(&bytes);
    let server = Server::start(move |_| reply.clone()).await;
    let (client, reference) = (client(&server), reference(&server, "a:1"));
    assert_eq!(client.manifest(&reference, &good).await.unwrap()[..], bytes[..]);
    let longer = Descriptor { size: good.size + 1, ..good.clone() };
    let error = client.manifest(&reference, &longer).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SizeMismatch);
    let other = Descriptor { digest: Digest::sha256(b"x"), ..good.clone() };
    let error = client.manifest(&reference, &other).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
    let kind = Descriptor { media_type: media_types::DOCKER_MANIFEST.into(), ..good.clone() };
    let error = client.manifest(&reference, &kind).await.unwrap_err();
    assert!(matches!(error, Error::Document { .. }), "{error:?}");
    let huge = Descriptor { size: 5 << 20, ..good };
    assert_eq!(client.manifest(&reference, &huge).await.unwrap_err().kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_configuration_is_verified_and_capped() {
    let server = Server::start(|received| match received.target.rsplit('/').next() {
        Some(digest) if digest == Digest::sha256(b"{}").as_str() => Reply::ok(b"{}"),
        _ => Reply::ok(b"{ }"),
    })
    .await;
    let (client, reference) = (client(&server), reference(&server, "a:1"));
    let good = Descriptor::of(media_types::OCI_CONFIG, b"{}");
    assert_eq!(client.blob_bytes(&reference, &good, 8).await.unwrap()[..], b"{}"[..]);
    let lie = Descriptor::of(media_types::OCI_CONFIG, b"{x}");
    let error = client.blob_bytes(&reference, &lie, 8).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DigestMismatch);
    let before = server.count();
    let error = client.blob_bytes(&reference, &good, 1).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let embedded = Descriptor { data: Some("e30=".into()), ..good };
    assert_eq!(client.blob_bytes(&reference, &embedded, 8).await.unwrap()[..], b"{}"[..]);
    assert_eq!(server.count(), before, "neither needed the server");
}

#[tokio::test]
async fn a_small_blob_is_tried_as_often_as_a_document() {
    let server = Server::start(|_| Reply::new(500).body(b"")).await;
    let descriptor = Descriptor::of(media_types::OCI_CONFIG, b"{}");
    let error =
        client(&server).blob_bytes(&reference(&server, "a:1"), &descriptor, 8).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(server.count(), 3);
}
