//! Tokens and passwords: asked for once, shown to whom they belong.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::server::{Received, Reply, Server};
use super::*;
use crate::ErrorKind;
use crate::auth::Credential;

fn password(user: &str, password: &str) -> Credential {
    Credential::Password { user: user.into(), password: password.into() }
}

fn honest() -> Reply {
    Reply::ok(&manifest()).header("Content-Type", media_types::OCI_MANIFEST)
}

/// A registry that wants `Bearer good`, and its token server in one.
fn guarded(received: &Received, token: impl Fn(&Received) -> Reply) -> Reply {
    if received.target.starts_with("/token") {
        return token(received);
    }
    if received.header("authorization") == Some("Bearer good") {
        return honest();
    }
    let host = received.header("host").unwrap();
    let challenge = format!(
        r#"Bearer realm="http://{host}/token?x=1",service="the service",scope="repository:a/b:pull""#
    );
    Reply::new(401).header("WWW-Authenticate", &challenge).body(b"")
}

fn good(_: &Received) -> Reply {
    Reply::ok(br#"{"access_token":"good","token":"","expires_in":300}"#)
}

fn with_credential(server: &Server, credential: Credential) -> Client {
    let mut config = config(&[server]);
    config.credentials.explicit = vec![(server.host(), credential)];
    Client::new(config)
}

#[tokio::test]
async fn an_anonymous_token_is_fetched_once_and_kept() {
    let server = Server::start(|received| guarded(received, good)).await;
    let client = client(&server);
    for _ in 0..3 {
        client.resolve(&reference(&server, "a/b:1")).await.unwrap();
    }
    let received = server.received();
    let targets: Vec<_> = received.iter().map(|r| r.target.as_str()).collect();
    let token = "/token?x=1&service=the+service&scope=repository%3Aa%2Fb%3Apull";
    let asked = "/v2/a/b/manifests/1";
    assert_eq!(targets, [asked, token, asked, asked, asked]);
    assert_eq!(received[1].header("authorization"), None);
}

#[tokio::test]
async fn many_requests_at_once_share_one_token() {
    let server = Server::start(|received| guarded(received, good)).await;
    let client = client(&server);
    let reference = reference(&server, "a/b:1");
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (client, reference) = (client.clone(), reference.clone());
            tokio::spawn(async move { client.resolve(&reference).await.map(drop) })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let tokens = server.received().iter().filter(|r| r.target.starts_with("/token")).count();
    assert_eq!(tokens, 1);
}

#[tokio::test]
async fn a_password_is_shown_to_the_token_server() {
    let server = Server::start(|received| guarded(received, good)).await;
    let client = with_credential(&server, password("u", "p:q"));
    client.resolve(&reference(&server, "a/b:1")).await.unwrap();
    let received = server.received();
    // base64 of `u:p:q`, by coreutils.
    assert_eq!(received[1].header("authorization"), Some("Basic dTpwOnE="));
    assert!(received[1].target.ends_with("&account=u"));
    assert_eq!(received[0].header("authorization"), None, "nothing is shown unasked");
}

#[tokio::test]
async fn an_identity_token_is_posted() {
    let server = Server::start(|received| guarded(received, good)).await;
    let client = with_credential(&server, Credential::IdentityToken("r&t".into()));
    client.resolve(&reference(&server, "a/b:1")).await.unwrap();
    let asked = &server.received()[1];
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/token?x=1"));
    assert!(asked.body.contains("grant_type=refresh_token"), "{}", asked.body);
    assert!(asked.body.contains("refresh_token=r%26t"), "{}", asked.body);
    assert!(asked.body.contains("scope=repository%3Aa%2Fb%3Apull"), "{}", asked.body);
}

#[tokio::test]
async fn a_registry_token_is_shown_to_the_registry_only() {
    let server = Server::start(|received| guarded(received, good)).await;
    let client = with_credential(&server, Credential::RegistryToken("good".into()));
    client.resolve(&reference(&server, "a/b:1")).await.unwrap();
    assert!(server.received().iter().all(|r| !r.target.starts_with("/token")));
}

#[tokio::test]
async fn an_expired_token_is_replaced() {
    let short = |_: &Received| Reply::ok(br#"{"token":"good","expires_in":0}"#);
    let server = Server::start(move |received| guarded(received, short)).await;
    let client = client(&server);
    client.resolve(&reference(&server, "a/b:1")).await.unwrap();
    client.resolve(&reference(&server, "a/b:1")).await.unwrap();
    let tokens = server.received().iter().filter(|r| r.target.starts_with("/token")).count();
    assert_eq!(tokens, 2);
}

#[tokio::test]
async fn a_token_that_is_revoked_early_is_replaced_once() {
    let manifests = AtomicUsize::new(0);
    let server = Server::start(move |received| {
        let is_manifest = !received.target.starts_with("/token");
        // The third manifest request finds its token revoked.
        if is_manifest && manifests.fetch_add(1, Ordering::SeqCst) == 2 {
            let without = Received::clone(received);
            return guarded(&without.without("authorization"), good);
        }
        guarded(received, good)
    })
    .await;
    let client = client(&server);
    client.resolve(&reference(&server, "a/b:1")).await.unwrap();
    client.resolve(&reference(&server, "a/b:1")).await.unwrap();
    let tokens = server.received().iter().filter(|r| r.target.starts_with("/token")).count();
    assert_eq!(tokens, 2);
}

#[tokio::test]
async fn basic_credentials_are_shown_when_asked_for() {
    let server = Server::start(|received| match received.header("authorization") {
        Some("Basic dTpw") => honest(),
        _ => Reply::new(401).header("WWW-Authenticate", r#"Basic realm="r""#).body(b""),
    })
    .await;
    let reference = reference(&server, "a/b:1");
    with_credential(&server, password("u", "p")).resolve(&reference).await.unwrap();
    assert_eq!(server.received()[0].header("authorization"), None);
    for client in [client(&server), with_credential(&server, password("u", "wrong"))] {
        let error = client.resolve(&reference).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error:?}");
    }
}

#[tokio::test]
async fn refused_credentials_are_told_with_the_token_servers_words() {
    let refuse = |_: &Received| {
        Reply::new(401).body(br#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}"#)
    };
    let server = Server::start(move |received| guarded(received, refuse)).await;
    let client = with_credential(&server, password("u", "wrong"));
    let error = client.resolve(&reference(&server, "a/b:1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.to_string().contains("wrong password"), "{error}");
    assert_eq!(server.count(), 2, "a refusal is final");
}

#[tokio::test]
async fn a_token_that_does_not_help_is_the_end() {
    let useless = |_: &Received| Reply::ok(br#"{"token":"bad"}"#);
    let server = Server::start(move |received| guarded(received, useless)).await;
    let error = client(&server).resolve(&reference(&server, "a/b:1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(server.count(), 3);
    for nonsense in ["{}", r#"{"token":""}"#, "[]", "", r#"{"token":"a\nb"}"#] {
        let reply = Reply::ok(nonsense.as_bytes());
        let server = Server::start(move |received| guarded(received, |_| reply.clone())).await;
        let error = client(&server).resolve(&reference(&server, "a/b:1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{nonsense}");
    }
}

#[tokio::test]
async fn a_401_without_a_usable_challenge_is_unauthorized() {
    for challenge in ["Negotiate", "", "Bearer"] {
        let server =
            Server::start(move |_| Reply::new(401).header("WWW-Authenticate", challenge).body(b""))
                .await;
        let error = client(&server).resolve(&reference(&server, "a/b:1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
    }
}
