//! Lists of tags, page by page, from servers that may never come to an end.

use super::server::{Reply, Server};
use super::*;
use crate::ErrorKind;

fn page(tags: &str, next: Option<&str>) -> Reply {
    let reply = Reply::ok(format!(r#"{{"name":"a/b","tags":{tags}}}"#).as_bytes());
    match next {
        Some(next) => reply.header("Link", &format!("<{next}>; rel=\"next\"")),
        None => reply,
    }
}

#[tokio::test]
async fn pages_are_followed_to_the_last() {
    let server = Server::start(|received| match received.target.as_str() {
        "/v2/a/b/tags/list" => page(r#"["two","one"]"#, Some("/v2/a/b/tags/list?n=2&last=two")),
        "/v2/a/b/tags/list?n=2&last=two" => page(r#"["two","zero"]"#, None),
        _ => Reply::new(404).body(b""),
    })
    .await;
    let tags = client(&server).tags(&reference(&server, "a/b:unasked")).await.unwrap();
    assert_eq!(tags, ["one", "two", "zero"]);
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_repository_without_tags_has_none() {
    let server = Server::start(|_| page("null", None)).await;
    assert!(client(&server).tags(&reference(&server, "a/b")).await.unwrap().is_empty());
}

#[tokio::test]
async fn lists_that_never_end_lead_elsewhere_or_are_none_are_refused() {
    for (tags, next) in [
        ("[]", Some("/v2/a/b/tags/list")),
        ("[]", Some("http://127.0.0.3:1/v2/a/b/tags/list")),
        (r#"["../x"]"#, None),
        (r#"{"a":1}"#, None),
    ] {
        let server = Server::start(move |_| page(tags, next)).await;
        let error = client(&server).tags(&reference(&server, "a/b")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{tags} {next:?}: {error}");
    }
    let server = Server::start(|_| Reply::new(404).body(b"")).await;
    let error = client(&server).tags(&reference(&server, "a/b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
