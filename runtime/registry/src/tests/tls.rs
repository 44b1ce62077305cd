//! Trust: authorities, exemptions, and plain text only where configured.

use std::path::Path;

use super::server::{Reply, Server};
use super::*;
use crate::ErrorKind;
use crate::auth::Credential;
use crate::endpoint::Scheme;

fn honest() -> Reply {
    Reply::ok(&manifest()).header("Content-Type", media_types::OCI_MANIFEST)
}

/// A client for which `server` stands for `r.example` with these settings.
fn with_hosts_toml(server: &Server, settings: &str, folder: &Path) -> (Client, Reference) {
    let own = folder.join("r.example");
    std::fs::create_dir_all(&own).unwrap();
    let text = format!("server = \"https://{}\"\n{settings}\n", server.host());
    std::fs::write(own.join("hosts.toml"), text).unwrap();
    let mut config = config(&[]);
    config.hosts.roots = vec![folder.to_owned()];
    (Client::new(config), Reference::parse("r.example/a:1").unwrap())
}

#[tokio::test]
async fn only_a_known_authority_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (server, pem) = Server::tls(|_| honest()).await;
    std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
    let (client, reference) = with_hosts_toml(&server, "", folder.path());
    let error = client.resolve(&reference).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    let (client, reference) = with_hosts_toml(&server, "ca = \"../ca.pem\"", folder.path());
    client.resolve(&reference).await.unwrap();
    let (client, reference) = with_hosts_toml(&server, "skip_verify = true", folder.path());
    client.resolve(&reference).await.unwrap();
    let (client, reference) = with_hosts_toml(&server, "ca = \"missing.pem\"", folder.path());
    let error = client.resolve(&reference).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
}

#[tokio::test]
async fn dockers_folder_of_certificates_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (server, pem) = Server::tls(|_| honest()).await;
    let own = folder.path().join(server.host());
    std::fs::create_dir(&own).unwrap();
    std::fs::write(own.join("ca.crt"), pem).unwrap();
    let mut config = config(&[]);
    config.hosts.docker_roots = vec![folder.path().to_owned()];
    let reference = reference(&server, "a:1");
    let endpoint = &Client::new(config.clone()).endpoints(&reference).unwrap()[0];
    assert!(!endpoint.tls.skip_verify && endpoint.tls.authorities.len() == 1);
    Client::new(config).resolve(&reference).await.unwrap();
}

#[tokio::test]
async fn a_registry_on_loopback_may_speak_tls_of_any_certificate_or_plain() {
    let (server, _) = Server::tls(|_| honest()).await;
    Client::new(config(&[])).resolve(&reference(&server, "a:1")).await.unwrap();
    let plain = Server::start(|_| honest()).await;
    let client = Client::new(config(&[]));
    let reference = reference(&plain, "a:1");
    assert_eq!(client.endpoints(&reference).unwrap()[0].scheme, Scheme::HttpsThenHttp);
    client.resolve(&reference).await.unwrap();
    client.resolve(&reference).await.unwrap();
    assert_eq!(plain.count(), 2);
}

#[tokio::test]
async fn plain_text_is_not_spoken_where_tls_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Server::start(|_| honest()).await;
    let (client, reference) = with_hosts_toml(&plain, "", folder.path());
    client.resolve(&reference).await.unwrap_err();
    assert_eq!(plain.count(), 0);
}

#[tokio::test]
async fn neither_realm_nor_redirect_leads_from_tls_to_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    let plain = Server::start(|_| Reply::ok(br#"{"token":"t"}"#)).await;
    let url = plain.url("/");
    let redirect = Reply::new(302).header("Location", &url).body(b"");
    let challenge = format!(r#"Bearer realm="{url}""#);
    let realm = Reply::new(401).header("WWW-Authenticate", &challenge).body(b"");
    for answer in [redirect, realm] {
        let (server, _) = Server::tls(move |_| answer.clone()).await;
        let (client, reference) = with_hosts_toml(&server, "skip_verify = true", folder.path());
        let error = client.resolve(&reference).await.unwrap_err();
        assert!(matches!(error, crate::Error::Refused { .. }), "{error:?}");
    }
    assert_eq!(plain.count(), 0);
}

#[tokio::test]
async fn an_exemption_from_verification_is_not_lent_to_another_host() {
    let folder = tempfile::tempdir().unwrap();
    let (tokens, _) = Server::tls(|_| Reply::ok(br#"{"token":"t"}"#)).await;
    // The same machine under another name is another host.
    let url = format!("https://127.0.0.1:{}/", tokens.address().port());
    let challenge = format!(r#"Bearer realm="{url}""#);
    let (server, _) =
        Server::tls(move |_| Reply::new(401).header("WWW-Authenticate", &challenge).body(b""))
            .await;
    let own = folder.path().join("r.example");
    std::fs::create_dir_all(&own).unwrap();
    let text = format!("server = \"https://{}\"\nskip_verify = true\n", server.host());
    std::fs::write(own.join("hosts.toml"), text).unwrap();
    let mut config = config(&[]);
    config.hosts.roots = vec![folder.path().to_owned()];
    let credential = Credential::Password { user: "u".into(), password: "p".into() };
    config.credentials.explicit = vec![(server.host(), credential)];
    let error =
        Client::new(config).resolve(&Reference::parse("r.example/a:1").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
    assert_eq!(tokens.count(), 0);
}
