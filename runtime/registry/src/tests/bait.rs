//! Row 15: credentials belong to one host and its realm, whatever a server says.
//!
//! In these tests 127.0.0.2 counts as far away, 127.0.0.3 as link-local.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::server::{Received, Reply, Server};
use super::*;
use crate::auth::Credential;
use crate::{Error, ErrorKind};

fn honest() -> Reply {
    Reply::ok(&manifest()).header("Content-Type", media_types::OCI_MANIFEST)
}

/// Wants `Basic dTpw` (`u:p`) before it does anything.
fn behind_basic(received: &Received, then: impl Fn() -> Reply) -> Reply {
    match received.header("authorization") {
        Some("Basic dTpw") => then(),
        _ => Reply::new(401).header("WWW-Authenticate", "Basic").body(b""),
    }
}

fn redirect(to: &str) -> Reply {
    Reply::new(307).header("Location", to).body(b"")
}

fn realm(url: &str) -> Reply {
    Reply::new(401).header("WWW-Authenticate", &format!(r#"Bearer realm="{url}""#)).body(b"")
}

fn logged_in(server: &Server) -> Config {
    let mut config = config(&[server]);
    let credential = Credential::Password { user: "u".into(), password: "p".into() };
    config.credentials.explicit = vec![(server.host(), credential)];
    config
}

/// Resolves every name to one address.
struct Everything(SocketAddr);

impl Resolve for Everything {
    fn resolve(&self, _: Name) -> Resolving {
        let address = self.0;
        Box::pin(async move { Ok(Box::new([address].into_iter()) as Addrs) })
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_takes_no_credentials_along() {
    let thief = Server::on("127.0.0.2", |_| honest()).await;
    let target = thief.url("/stolen");
    let registry =
        Server::start(move |received| behind_basic(received, || redirect(&target))).await;
    Client::new(logged_in(&registry)).resolve(&reference(&registry, "a:1")).await.unwrap();
    assert_eq!(thief.count(), 1);
    assert_eq!(thief.received()[0].header("authorization"), None);
}

#[tokio::test]
async fn credentials_do_not_come_back_by_a_detour() {
    let slot: Arc<std::sync::Mutex<String>> = Arc::default();
    let back = Arc::clone(&slot);
    let detour = Server::on("127.0.0.1", move |_| redirect(&back.lock().unwrap())).await;
    let target = detour.url("/");
    let registry = Server::start(move |received| match received.target.as_str() {
        "/open" => honest(),
        _ => behind_basic(received, || redirect(&target)),
    })
    .await;
    *slot.lock().unwrap() = registry.url("/open");
    Client::new(logged_in(&registry)).resolve(&reference(&registry, "a:1")).await.unwrap();
    let received = registry.received();
    let last = received.last().unwrap();
    assert_eq!((last.target.as_str(), last.header("authorization")), ("/open", None));
}

#[tokio::test]
async fn a_redirect_within_the_registry_keeps_them() {
    let registry = Server::start(|received| match received.target.as_str() {
        "/moved" => behind_basic(received, honest),
        _ => behind_basic(received, || redirect("/moved")),
    })
    .await;
    Client::new(logged_in(&registry)).resolve(&reference(&registry, "a:1")).await.unwrap();
}

#[tokio::test]
async fn a_host_that_we_were_redirected_to_gets_no_answer_to_its_challenge() {
    let thief =
        Server::on("127.0.0.2", |_| Reply::new(401).header("WWW-Authenticate", "Basic").body(b""))
            .await;
    let target = thief.url("/");
    let registry = Server::start(move |_| redirect(&target)).await;
    let error =
        Client::new(logged_in(&registry)).resolve(&reference(&registry, "a:1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert_eq!(thief.count(), 1);
}

#[tokio::test]
async fn a_mirror_gets_neither_the_registrys_credentials_nor_another_mirrors_headers() {
    let mirror = Server::start(|received| behind_basic(received, honest)).await;
    let other = Server::start(|_| Reply::new(404).body(b"")).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("r.example")).unwrap();
    let text = format!(
        "server = \"{}\"\n[host.\"{}\"]\n[host.\"{}\".header]\nx-secret = \"s\"\n",
        mirror.url(""),
        other.url(""),
        other.url("")
    );
    std::fs::write(folder.path().join("r.example/hosts.toml"), text).unwrap();
    let mut config = config(&[]);
    config.hosts.roots = vec![folder.path().to_owned()];
    let credential = Credential::Password { user: "u".into(), password: "p".into() };
    config.credentials.explicit = vec![("r.example".into(), credential)];
    let reference = Reference::parse("r.example/a:1").unwrap();
    let error = Client::new(config).resolve(&reference).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(mirror.received().iter().all(|r| r.header("authorization").is_none()));
    assert_eq!(other.received()[0].header("x-secret"), Some("s"));
    assert!(mirror.received().iter().all(|r| r.header("x-secret").is_none()));
}

#[tokio::test]
async fn a_hosts_own_headers_are_dropped_on_redirect() {
    let thief = Server::on("127.0.0.2", |_| honest()).await;
    let target = thief.url("/");
    let registry = Server::start(move |_| redirect(&target)).await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("r.example")).unwrap();
    let text = format!("server = \"{}\"\n[header]\nx-secret = [\"s\"]\n", registry.url(""));
    std::fs::write(folder.path().join("r.example/hosts.toml"), text).unwrap();
    let mut config = config(&[]);
    config.hosts.roots = vec![folder.path().to_owned()];
    Client::new(config).resolve(&Reference::parse("r.example/a:1").unwrap()).await.unwrap();
    assert_eq!(registry.received()[0].header("x-secret"), Some("s"));
    assert_eq!(thief.received()[0].header("x-secret"), None);
}

#[tokio::test]
async fn a_realm_or_redirect_into_loopback_or_link_local_from_elsewhere_is_refused() {
    for near in ["127.0.0.1", "127.0.0.3"] {
        let victim = Server::on(near, |_| Reply::ok(br#"{"token":"t"}"#)).await;
        let url = victim.url("/latest/meta-data");
        for answer in [redirect(&url), realm(&url)] {
            let registry = Server::on("127.0.0.2", move |_| answer.clone()).await;
            let client = Client::new(logged_in(&registry));
            let error = client.resolve(&reference(&registry, "a:1")).await.unwrap_err();
            assert!(matches!(error, Error::Refused { .. }), "{near}: {error:?}");
        }
        assert_eq!(victim.count(), 0, "{near}");
    }
}

#[tokio::test]
async fn a_name_that_resolves_into_loopback_is_refused_as_its_address_is() {
    let victim = Server::start(|_| Reply::ok(br#"{"token":"t"}"#)).await;
    let port = victim.address().port();
    for name in ["innocent.example", "localhost", "x.localhost"] {
        let url = format!("http://{name}:{port}/");
        for answer in [redirect(&url), realm(&url)] {
            let registry = Server::on("127.0.0.2", move |_| answer.clone()).await;
            let mut config = logged_in(&registry);
            config.resolver = Some(Arc::new(Everything(victim.address())));
            let error =
                Client::new(config).resolve(&reference(&registry, "a:1")).await.unwrap_err();
            assert!(matches!(error, Error::Refused { .. }), "{name}: {error:?}");
        }
    }
    assert_eq!(victim.count(), 0);
}

#[tokio::test]
async fn a_registry_on_loopback_may_have_its_realm_and_storage_there() {
    let storage = Server::start(|_| honest()).await;
    let target = storage.url("/");
    let tokens = Server::start(|_| Reply::ok(br#"{"token":"t"}"#)).await;
    let url = tokens.url("/");
    let registry = Server::start(move |received| match received.header("authorization") {
        Some("Bearer t") => redirect(&target),
        _ => realm(&url),
    })
    .await;
    client(&registry).resolve(&reference(&registry, "a:1")).await.unwrap();
    assert_eq!(storage.received()[0].header("authorization"), None);
}

#[tokio::test]
async fn redirects_end() {
    let registry = Server::start(|_| redirect("/again")).await;
    let error = client(&registry).resolve(&reference(&registry, "a:1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(registry.count() < 10);
    for target in ["file:///etc/passwd", "ftp://a/", "http://u:p@127.0.0.1/", "http://", ""] {
        let registry = Server::start(move |_| redirect(target)).await;
        let error = client(&registry).resolve(&reference(&registry, "a:1")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{target}");
    }
}
