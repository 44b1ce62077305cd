//! Registries that want something: trust, credentials, a detour over mirrors.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;

use isopod_tests::{Fixtures, Invocation, Outcome, Registry, Reply, Served, TestContext};
use serde_json::json;

const BUSYBOX: &str = "library/busybox:latest";
const PRIVATE: &str = "private/busybox:latest";

/// base64 of `user:password`, by coreutils.
fn basic(user: &str, password: &str) -> String {
    let encoded = Invocation::new("base64", ["-w0"]).stdin(format!("{user}:{password}")).run();
    encoded.line().to_owned()
}

/// Writes `~/.docker/config.json`.
fn log_in(context: &TestContext, registry: &Registry, user: &str, password: &str) {
    let folder = context.path("home/.docker");
    fs::create_dir_all(&folder).unwrap();
    let auth = json!({"auths": {&registry.address: {"auth": basic(user, password)}}});
    fs::write(folder.join("config.json"), auth.to_string()).unwrap();
}

fn pull(context: &TestContext, registry: &Registry, image: &str) -> Outcome {
    context.isopod(["pull", "-q", &registry.reference(image)])
}

fn right(registry: &Registry) -> (&str, &str) {
    (registry.user.as_deref().unwrap(), registry.password.as_deref().unwrap())
}

/// A port where nobody listens.
fn nobody() -> String {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().to_string()
}

#[test]
fn plain_http_is_spoken_where_configured() {
    let (context, fixtures) = TestContext::new();
    pull(&context, fixtures.plain(), BUSYBOX).succeeds();
}

#[test]
fn tls_is_trusted_by_an_authority_of_hosts_toml_and_otherwise_not() {
    let (context, fixtures) = TestContext::new();
    let tls = fixtures.tls();
    pull(&context, tls, BUSYBOX).succeeds();
    let stranger = TestContext::without_registries();
    stranger.configure_host(&tls.address, &format!("server = \"https://{}\"\n", tls.address));
    let refused = pull(&stranger, tls, BUSYBOX);
    refused.fails_with(1).complains_of("cannot establish TLS").complains_of(&tls.address);
    let unchecked = format!(
        "[host.\"https://{0}\"]\n  skip_verify = true\n  capabilities = [\"pull\", \"resolve\"]\n",
        tls.address
    );
    stranger.configure_host(&tls.address, &unchecked);
    pull(&stranger, tls, BUSYBOX).succeeds();
}

#[test]
fn the_systems_authorities_may_be_others_by_environment() {
    let fixtures = Fixtures::load();
    let tls = fixtures.tls();
    let context = TestContext::without_registries();
    context.configure_host(&tls.address, &format!("server = \"https://{}\"\n", tls.address));
    let reference = tls.reference(BUSYBOX);
    let pull = context.command(["pull", "-q", &reference]);
    pull.env("SSL_CERT_FILE", tls.ca.as_ref().unwrap()).run().succeeds();
}

#[test]
fn a_token_for_everyone_needs_no_credentials() {
    let (context, fixtures) = TestContext::new();
    pull(&context, fixtures.token(), BUSYBOX).succeeds();
}

#[test]
fn a_token_for_one_user_needs_the_right_ones() {
    let (context, fixtures) = TestContext::new();
    let token = fixtures.token();
    let anonymous = pull(&context, token, PRIVATE);
    anonymous.fails_with(1).complains_of(&token.address).complains_of("config.json");
    log_in(&context, token, "ada", "wrong");
    let refused = pull(&context, token, PRIVATE);
    refused.fails_with(1).complains_of("credentials").never_mentions("wrong");
    let (user, password) = right(token);
    log_in(&context, token, user, password);
    pull(&context, token, PRIVATE).succeeds();
}

#[test]
fn basic_authentication_takes_credentials_from_file_flag_and_helper() {
    let (context, fixtures) = TestContext::new();
    let registry = fixtures.basic();
    let (user, password) = right(registry);
    pull(&context, registry, BUSYBOX).fails_with(1).complains_of("credentials");
    let reference = registry.reference(BUSYBOX);
    let flag = format!("{user}:{password}");
    context.isopod(["ctr", "images", "pull", "--user", &flag, &reference]).succeeds();
    let wrong = format!("{user}:nonsense");
    let refused = context.isopod(["ctr", "images", "pull", "--user", &wrong, &reference]);
    refused.fails_with(1).complains_of("credentials").never_mentions("nonsense");

    let helper = context.path("bin/docker-credential-shelf");
    let answer = json!({"ServerURL": registry.address, "Username": user, "Secret": password});
    fs::write(&helper, format!("#!/bin/sh\ncat >/dev/null\necho '{answer}'\n")).unwrap();
    Invocation::new("chmod", ["755", helper.to_str().unwrap()]).run().succeeds();
    fs::create_dir_all(context.path("home/.docker")).unwrap();
    let config = json!({"credHelpers": {&registry.address: "shelf"}});
    fs::write(context.path("home/.docker/config.json"), config.to_string()).unwrap();
    let path = format!("{}:/usr/bin:/bin", context.path("bin").display());
    context.command(["pull", "-q", &reference]).env("PATH", path).run().succeeds();
}

#[test]
fn an_unreachable_registry_is_named_and_does_not_hang() {
    let context = TestContext::without_registries();
    let address = nobody();
    context.configure_host(&address, &format!("server = \"http://{address}\"\n"));
    let pulled = context.isopod(["pull", "-q", &format!("{address}/a/b:c")]);
    pulled.fails_with(1).complains_of(&format!("cannot reach {address}")).complains_of("refused");
    let run = context.isopod(["run", "--rm", "--network", "none", &format!("{address}/a/b:c")]);
    run.fails_with(125).complains_of("cannot reach");
}

#[test]
fn mirrors_are_asked_in_order_and_the_next_one_where_one_fails() {
    let fixtures = Fixtures::load();
    let empty = Served::new(&fixtures.layout, |_| Reply::Status(404, String::new()));
    let broken = Served::new(&fixtures.layout, |_| Reply::Status(503, String::new()));
    let lying = Served::new(&fixtures.layout, |request| {
        if request.path.contains("/blobs/") { Reply::CutAfter(10) } else { Reply::Honest }
    });
    let good = Served::honest(&fixtures.layout);
    let context = TestContext::without_registries();
    let mut toml = format!("server = \"http://{}\"\n", nobody());
    for mirror in [&nobody(), &empty.address, &broken.address, &lying.address, &good.address] {
        toml += &format!("[host.\"http://{mirror}\"]\n  capabilities = [\"pull\", \"resolve\"]\n");
    }
    context.configure_host("docker.io", &toml);
    context.pull("busybox");
    for (name, mirror) in [("empty", &empty), ("broken", &broken), ("lying", &lying)] {
        assert!(!mirror.requests().is_empty(), "the {name} one was not asked");
    }
    assert!(!good.blobs().is_empty());
    let run = ["run", "--rm", "--network", "none", "busybox", "true"];
    context.isopod(run).succeeds();
}

#[test]
fn a_mirror_that_may_not_resolve_only_delivers() {
    let fixtures = Fixtures::load();
    let (mirror, server) = (Served::honest(&fixtures.layout), Served::honest(&fixtures.layout));
    let context = TestContext::without_registries();
    let toml = format!(
        "{}[host.\"http://{}\"]\n  capabilities = [\"pull\"]\n",
        server.hosts_toml(),
        mirror.address
    );
    context.configure_host("docker.io", &toml);
    context.pull("busybox");
    assert!(server.blobs().is_empty(), "{:#?}", server.requests());
    let tags = mirror.requests().iter().filter(|r| r.path.contains("/manifests/latest")).count();
    assert_eq!(tags, 0, "{:#?}", mirror.requests());
}

#[test]
fn credentials_never_follow_a_redirect_to_another_place() {
    let fixtures = Fixtures::load();
    let store = Served::honest(&fixtures.layout);
    let elsewhere = store.address.clone();
    let registry = Served::new(&fixtures.layout, move |request| {
        if request.authorization.is_none() {
            return Reply::Status(401, "WWW-Authenticate: Basic realm=\"x\"".to_owned());
        }
        match request.path.contains("/blobs/") {
            true => Reply::Status(307, format!("Location: http://{elsewhere}{}", request.path)),
            false => Reply::Honest,
        }
    });
    let context = TestContext::without_registries();
    context.configure_host(&registry.address, &registry.hosts_toml());
    let reference = registry.reference(BUSYBOX);
    context.isopod(["ctr", "images", "pull", "--user", "ada:secret", &reference]).succeeds();
    let seen = store.requests();
    assert!(!seen.is_empty() && seen.iter().all(|r| r.authorization.is_none()), "{seen:#?}");
}

#[test]
fn a_broken_hosts_toml_is_named() {
    let context = TestContext::without_registries();
    context.configure_host("docker.io", "server = 7\n");
    let pulled = context.isopod(["pull", "busybox"]);
    pulled.fails_with(1).complains_of("hosts.toml").complains_of("docker.io");
}
