//! Pushing to real registries (Debian's docker-registry), looked at by skopeo and podman; and to one that
//! answers as the test tells it.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::path::PathBuf;

use isopod_tests::handmade::flip_a_byte;
use isopod_tests::{Fixtures, Invocation, Outcome, Registry, TestContext};
use serde_json::Value;

const BUSYBOX: &str = "docker.io/library/busybox:latest";

/// A name that no other test and no other run uses: the registries are everyone's.
fn own(context: &TestContext, registry: &Registry, rest: &str) -> String {
    registry.reference(&format!("pushed/{}/{rest}", context.cgroup().to_lowercase()))
}

fn skopeo(context: &TestContext, args: &[&str]) -> Outcome {
    let skopeo = Invocation::new("skopeo", ["--insecure-policy"].iter().chain(args));
    skopeo.env("HOME", context.path("home")).env("TMPDIR", context.folder()).run()
}

/// What skopeo finds under a name at the open registry.
fn digest_there(context: &TestContext, name: &str) -> String {
    let there = format!("docker://{name}");
    let args = ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &there];
    skopeo(context, &args).succeeds().line().to_owned()
}

fn is_not_there(context: &TestContext, name: &str) {
    let there = format!("docker://{name}");
    skopeo(context, &["inspect", "--tls-verify=false", &there]).fails_with(1);
}

fn blob(context: &TestContext, digest: &str) -> PathBuf {
    context.path("root/content/blobs").join(digest.replacen(':', "/", 1))
}

fn layer_of(context: &TestContext, fixtures: &Fixtures, image: &str) -> String {
    let manifest = fs::read(blob(context, fixtures.digest_of(image))).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    manifest["layers"][0]["digest"].as_str().unwrap().to_owned()
}

fn log_in(context: &TestContext, registry: &Registry) {
    let (user, password) = (registry.user.as_deref().unwrap(), registry.password.clone().unwrap());
    let login = context.command(["login", "-u", user, "--password-stdin", &registry.address]);
    login.stdin(password).run().succeeds().mentions("Login Succeeded");
}

#[test]
fn what_was_pushed_is_what_was_pulled() {
    let (context, fixtures) = TestContext::new();
    context.pull("busybox");
    let name = own(&context, fixtures.plain(), "busybox:1");
    context.isopod(["tag", "busybox", &name]).succeeds();
    let pushed = context.isopod(["push", &name]);
    let digest = fixtures.digest_of("library/busybox:latest");
    pushed.succeeds().mentions(&format!("1: digest: {digest} size: ")).complains_of("Pushed");
    assert_eq!(digest_there(&context, &name), digest);
    // skopeo checks every digest of what it copies.
    let to = format!("dir:{}", context.path("copy").display());
    let from = format!("docker://{name}");
    skopeo(&context, &["copy", "-q", "--src-tls-verify=false", &from, &to]).succeeds();
    context.isopod(["push", &name]).succeeds().complains_of("Layer already exists");
    context.isopod(["push", "-q", &name]).succeeds().prints(&format!("{name}\n"));
}

#[test]
fn a_layer_that_a_neighbour_has_is_taken_over() {
    let (context, fixtures) = TestContext::new();
    let plain = fixtures.plain();
    let from = plain.reference("library/busybox:latest");
    context.isopod(["pull", "-q", &from]).succeeds();
    let name = own(&context, plain, "mounted:1");
    context.isopod(["tag", &from, &name]).succeeds();
    context.isopod(["push", &name]).succeeds().complains_of("Mounted");
    assert_eq!(digest_there(&context, &name), fixtures.digest_of("library/busybox:latest"));
}

#[test]
fn tls_tokens_and_passwords_are_met_as_for_pulls() {
    let (context, fixtures) = TestContext::new();
    context.pull("busybox");
    for (registry, kind) in
        [(fixtures.tls(), "tls"), (fixtures.token(), "token"), (fixtures.basic(), "basic")]
    {
        let name = own(&context, registry, &format!("{kind}:1"));
        context.isopod(["tag", "busybox", &name]).succeeds();
        if registry.user.is_some() {
            context.isopod(["push", &name]).fails_with(1).complains_of("valid credentials");
            log_in(&context, registry);
        }
        context.isopod(["push", &name]).succeeds();
        context.isopod(["rmi", &name]).succeeds();
        context.isopod(["pull", &name]).succeeds();
    }
}

#[test]
fn all_tags_of_a_repository_go_at_once() {
    let (context, fixtures) = TestContext::new();
    context.pull("busybox").pull("alpine");
    let repository = own(&context, fixtures.plain(), "tags");
    for (image, tag) in [("busybox", "one"), ("alpine", "two")] {
        context.isopod(["tag", image, &format!("{repository}:{tag}")]).succeeds();
    }
    context.isopod(["push", "-a", &format!("{repository}:one")]).fails_with(125);
    let pushed = context.isopod(["push", "-a", &repository]);
    pushed.succeeds().mentions("one: digest: ").mentions("two: digest: ");
    let list =
        skopeo(&context, &["list-tags", "--tls-verify=false", &format!("docker://{repository}")]);
    let tags: Value = list.json();
    assert_eq!(tags["Tags"], serde_json::json!(["one", "two"]));
    let digest = fixtures.digest_of("library/alpine:latest");
    assert_eq!(digest_there(&context, &format!("{repository}:two")), digest);
}

#[test]
fn an_index_goes_whole_or_by_this_machines_manifest() {
    let (context, fixtures) = TestContext::new();
    context.pull("test/platforms:latest");
    let name = own(&context, fixtures.plain(), "platforms:1");
    context.isopod(["tag", "test/platforms:latest", &name]).succeeds();
    context
        .isopod(["push", "--all-platforms", &name])
        .fails_with(1)
        .complains_of("not in the store");
    is_not_there(&context, &name);
    // Only this machine's is here.
    let index = fixtures.digest_of("test/platforms:latest");
    context.isopod(["push", &name]).succeeds().complains_of(index);
    assert_ne!(digest_there(&context, &name), index);
    context
        .isopod(["push", "--platform", "linux/s390x", &name])
        .fails_with(1)
        .complains_of("linux/s390x");
    context.isopod(["pull", "-q", "--all-platforms", "test/platforms:latest"]).succeeds();
    context.isopod(["push", &name]).succeeds();
    let raw = ["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")];
    let digest = isopod_tests::handmade::sha256(skopeo(&context, &raw).stdout.as_bytes());
    assert_eq!(format!("sha256:{digest}"), index);
}

#[test]
fn what_is_missing_or_damaged_here_is_never_named_there() {
    let (context, fixtures) = TestContext::new();
    context.pull("busybox");
    let layer = layer_of(&context, &fixtures, "library/busybox:latest");
    let name = own(&context, fixtures.plain(), "broken:1");
    context.isopod(["tag", "busybox", &name]).succeeds();
    flip_a_byte(&blob(&context, &layer));
    let damaged = context.isopod(["push", &name]);
    damaged.fails_with(1).complains_of(&layer).complains_of("damaged here");
    is_not_there(&context, &name);
    context.isopod(["ctr", "content", "delete", &layer]).succeeds();
    let missing = context.isopod(["push", &name]);
    missing.fails_with(1).complains_of(&layer).complains_of("not in the store");
    is_not_there(&context, &name);
}

#[test]
fn a_name_that_cant_be_pushed_is_refused() {
    let (context, _) = TestContext::new();
    context.pull("busybox");
    context.isopod(["push", "nothing"]).fails_with(1).complains_of("no such image: ");
    let digest = format!("busybox@sha256:{}", "0".repeat(64));
    context.isopod(["push", &digest]).fails_with(125).complains_of("under a tag");
    context.isopod(["push", "--sign", "cosign", "busybox"]).fails_with(125).complains_of("--sign");
}

#[test]
fn ctr_pushes_a_local_name_under_a_remote_one() {
    let (context, fixtures) = TestContext::new();
    context.pull("busybox");
    let name = own(&context, fixtures.plain(), "ctr:1");
    let push = ["images", "push", "--plain-http", &name, BUSYBOX];
    context.personality("ctr", push).run().succeeds();
    assert_eq!(digest_there(&context, &name), fixtures.digest_of("library/busybox:latest"));
}
