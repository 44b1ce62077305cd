//! Pulling from the test registries: names, platforms, encodings, progress, and doing nothing twice.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;

use isopod_tests::{Fixtures, Served, TestContext};
use serde_json::Value;

const REDIS: &str = "library/redis:alpine";
const BUSYBOX: &str = "library/busybox:latest";

/// An instance that knows one registry inside the test, which answers for `docker.io`.
fn with_own_registry() -> (TestContext, Served) {
    let served = Served::honest(&Fixtures::load().layout);
    let context = TestContext::without_registries();
    context.configure_host("docker.io", &served.hosts_toml());
    (context, served)
}

fn target_of(context: &TestContext, name: &str) -> String {
    let inspected: Value = context.isopod(["image", "inspect", name]).json();
    let digests = inspected[0]["RepoDigests"][0].as_str().unwrap_or_else(|| panic!("{inspected}"));
    digests.split_once('@').unwrap().1.to_owned()
}

#[test]
fn a_short_name_a_full_name_and_a_digest_are_one_image() {
    let (context, fixtures) = TestContext::new();
    let digest = fixtures.digest_of(REDIS);
    assert_eq!(
        context.isopod(["pull", "-q", "redis:alpine"]).line(),
        "docker.io/library/redis:alpine"
    );
    assert_eq!(target_of(&context, "redis:alpine"), digest);
    context.pull(&format!("redis@{digest}"));
    context.pull("docker.io/library/redis:alpine");
    let ids = context.isopod(["images", "-q", "--no-trunc"]);
    let mut ids = ids.lines();
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[test]
fn a_tag_with_a_digest_is_pulled_by_the_digest() {
    let (context, fixtures) = TestContext::new();
    let digest = fixtures.digest_of(BUSYBOX);
    context.pull(&format!("busybox:nonexistent@{digest}"));
    let wrong = format!("busybox@sha256:{}", "0".repeat(64));
    context.isopod(["pull", &wrong]).fails_with(1).complains_of("not found");
}

#[test]
fn quiet_prints_the_name_alone_and_otherwise_lines_say_what_happens() {
    let (context, fixtures) = TestContext::new();
    let quiet = context.isopod(["pull", "-q", "busybox"]);
    quiet.succeeds().prints("docker.io/library/busybox:latest\n").complains_of_nothing();
    let loud = context.isopod(["pull", "alpine"]);
    loud.succeeds().prints("docker.io/library/alpine:latest\n");
    loud.complains_of("Downloading").complains_of("Pull complete");
    loud.complains_of(fixtures.digest_of("library/alpine:latest"));
    assert!(!loud.stderr.contains(['\r', '\x1b']), "no terminal, no control characters\n{loud}");
    let again = context.isopod(["pull", "alpine"]);
    again.succeeds().complains_of("Already exists");
    assert!(!again.stderr.contains("Downloading"), "{again}");
}

#[test]
fn ctr_tells_each_layer_by_its_digest_and_the_total() {
    let (context, _) = TestContext::new();
    let name = "docker.io/library/busybox:latest";
    let pulled = context.personality("ctr", ["images", "pull", name]).run();
    pulled.succeeds().complains_of("layer-sha256:").complains_of("done").complains_of("total:");
}

#[test]
fn a_terminal_sees_bars_with_sizes() {
    let (context, _) = TestContext::new();
    let mut terminal = context.terminal(["pull", "redis:alpine"]);
    terminal.expects("Pull complete");
    let screen = terminal.exits_with(0);
    assert!(screen.contains('\x1b'), "bars are drawn in place:\n{screen}");
}

#[test]
fn a_second_pull_asks_only_what_the_tag_means() {
    let (context, served) = with_own_registry();
    context.pull("redis:alpine");
    let first = served.requests();
    assert_eq!(served.blobs().len(), 10, "nine layers and a config, each once: {first:#?}");
    context.pull("redis:alpine");
    let all = served.requests();
    let second = &all[first.len()..];
    assert_eq!(second.len(), 1, "{second:#?}");
    assert!(second[0].path.contains("/manifests/alpine"), "{second:#?}");
}

#[test]
fn an_index_gives_this_machines_platform_and_never_an_attestation() {
    let (context, fixtures) = TestContext::new();
    context.pull("test/platforms:latest");
    assert_eq!(
        target_of(&context, "test/platforms:latest"),
        fixtures.digest_of("test/platforms:latest")
    );
    let inspected: Value = context.isopod(["image", "inspect", "test/platforms:latest"]).json();
    assert_eq!(inspected[0]["Architecture"], "amd64");
    let run = ["run", "--rm", "--network", "none", "test/platforms:latest", "uname", "-m"];
    context.isopod(run).succeeds().prints("x86_64\n");
}

/// docker's RepoDigests: what was pulled under a tag is there by its digest too.
#[test]
fn an_image_is_found_by_its_repository_and_digest() {
    let (context, fixtures) = TestContext::new();
    context.pull("busybox");
    let digest = fixtures.digest_of("library/busybox:latest");
    let words = ["run", "--rm", "--network", "none", "--pull", "never"];
    let run = |image: &str| context.isopod(words.iter().chain(&[image, "echo", "here"]));
    run(&format!("busybox@{digest}")).succeeds().prints("here\n");
    run(&format!("alpine@{digest}")).fails_with(125);
}

#[test]
fn a_run_on_another_platform_takes_its_content_or_says_what_the_image_is_for() {
    let (context, _) = TestContext::new();
    context.pull("test/platforms:latest");
    let create = |options: &[&str], image: &str| {
        let words = ["create", "-q", "--network", "none", "--platform", "linux/arm64"];
        context.isopod(words.iter().chain(options).chain(&[image]))
    };
    create(&["--name", "other"], "test/platforms:latest").succeeds();
    context.pull("busybox");
    for pull in ["never", "missing"] {
        let refused = create(&["--pull", pull], "busybox");
        assert_ne!(refused.code, 0, "{refused}");
        refused.complains_of("linux/arm64").complains_of("linux/amd64");
    }
    assert_eq!(context.containers().len(), 1);
}

#[test]
fn only_the_chosen_platform_is_fetched() {
    let (context, served) = with_own_registry();
    context.pull("test/platforms:latest");
    let ours = served.blobs().len();
    let all = context.isopod([
        "ctr",
        "images",
        "pull",
        "--all-platforms",
        "docker.io/test/platforms:latest",
    ]);
    all.succeeds();
    let others = served.blobs().len() - ours;
    assert!(ours > 0 && others > 0, "{ours} {others}");
}

#[test]
fn an_image_for_other_machines_is_refused_by_name_and_had_by_platform() {
    let (context, _) = TestContext::new();
    let image = "test/platforms:arm64-only";
    let refused = context.isopod(["pull", image]);
    refused.fails_with(1).complains_of("linux/amd64").complains_of("linux/arm64");
    assert_eq!(context.isopod(["images", "-q"]).stdout, "");
    let inner = context.isopod(["run", "--rm", "--network", "none", image, "true"]);
    inner.fails_with(125).complains_of("linux/arm64");
    context.isopod(["pull", "-q", "--platform", "linux/arm64", image]).succeeds();
    let ctr =
        ["ctr", "images", "pull", "--platform", "linux/arm64", "docker.io/test/platforms:latest"];
    context.isopod(ctr).succeeds();
    context
        .isopod(["pull", "--platform", "linux/s390x", image])
        .fails_with(1)
        .complains_of("s390x");
    context
        .isopod(["pull", "--platform", "nonsense/", image])
        .fails_with(125)
        .complains_of("platform");
}

#[test]
fn every_encoding_is_the_same_image_inside() {
    let (context, _) = TestContext::new();
    let mut seen = Vec::new();
    for tag in ["gzip", "zstd", "plain", "schema2"] {
        let image = format!("test/corners:{tag}");
        context.pull(&image);
        let inspected: Value = context.isopod(["image", "inspect", &image]).json();
        seen.push(inspected[0]["RootFS"]["Layers"].clone());
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "the same diff ids: {seen:?}");
    let layers = fs::read_dir(context.path("root/layers")).unwrap().count();
    assert!(layers <= 4 * 2, "layers of one diff id or chain are shared: {layers}");
}

#[test]
fn an_image_of_127_layers_runs() {
    let (context, _) = TestContext::new();
    let run = ["run", "--rm", "--network", "none", "test/layers:127", "true"];
    context.isopod(run).succeeds();
}

#[test]
fn an_unknown_image_is_one_clear_error_with_its_name() {
    let (context, _) = TestContext::new();
    let pulled = context.isopod(["pull", "-q", "no/such:image"]);
    pulled.fails_with(1).prints_nothing().complains_of("docker.io/no/such:image not found");
    assert_eq!(pulled.stderr.lines().count(), 1, "{pulled}");
    let run = context.isopod(["run", "--rm", "--network", "none", "no/such", "true"]);
    run.fails_with(125).complains_of("docker.io/no/such:latest");
    let ctr = context.personality("ctr", ["images", "pull", "docker.io/no/such:image"]).run();
    ctr.fails_with(1).complains_of("not found");
    context.isopod(["pull", "Not/A:Name"]).fails_with(125).complains_of("Not/A:Name");
    context.isopod(["pull", "busybox@sha256:../../x"]).fails_with(125).complains_of("digest");
}

#[test]
fn every_tag_of_a_repository_is_pulled() {
    let (context, fixtures) = TestContext::new();
    context.isopod(["pull", "-aq", "test/corners"]).prints("docker.io/test/corners\n");
    let listed = context.isopod(["images", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}"]);
    for tag in ["gzip", "plain", "schema2", "zstd"] {
        let name = format!("test/corners:{tag}");
        listed.mentions(&format!("{name} {}\n", fixtures.digest_of(&name)));
    }
    assert_eq!(listed.lines().len(), 4);
    context.isopod(["pull", "-a", "test/corners:gzip"]).fails_with(125).complains_of("--all-tags");
    context.isopod(["pull", "-a", "test/nothing"]).fails_with(1).complains_of("test/nothing");
}
