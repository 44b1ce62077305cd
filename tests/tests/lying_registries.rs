//! Registries that lie, stall or break off: one clear error, nothing left, the earlier image untouched.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use isopod_tests::handmade::{self, Entry, Handmade, filter};
use isopod_tests::{Fixtures, Outcome, Reply, Request, Served, TestContext};
use serde_json::json;

const BUSYBOX: &str = "library/busybox:latest";
const NAME: &str = "docker.io/library/busybox:latest";

/// What lies below the folders of blobs, layers, transfers and leases.
fn store(context: &TestContext) -> Vec<String> {
    let root = context.path("root");
    let folders =
        ["content/blobs/sha256", "content/blobs/sha512", "content/ingest", "layers", "leases"];
    let mut found: Vec<String> =
        folders.iter().flat_map(|folder| list(&root.join(folder))).collect();
    found.sort();
    found
}

fn list(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}

/// An instance that waits one second for a body that stands still.
fn impatient() -> TestContext {
    let context = TestContext::without_registries();
    let path = context.path("config.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{config}download_idle_timeout = 1\n")).unwrap();
    context
}

/// Pulls busybox from this layout by a registry that lies like this.
fn pull_from(
    context: &TestContext,
    layout: &Path,
    rule: impl Fn(&Request) -> Reply + Send + Sync + 'static,
) -> Outcome {
    let served = Served::new(layout, rule);
    context.configure_host("docker.io", &served.hosts_toml());
    context.command(["pull", "-q", "busybox"]).deadline(Duration::from_secs(60)).run()
}

/// An instance with an honest busybox, which must survive the lie; then the lie.
///
/// The lie is about another image of the same name, so that nothing is there yet.
#[track_caller]
fn lie(rule: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Outcome {
    let context = impatient();
    let mut earlier = Handmade::new(context.path("earlier"));
    let layer = earlier.layer(&[Entry::File("one", b"1")]);
    earlier.image(BUSYBOX, &[&layer]);
    pull_from(&context, &earlier.folder, |_| Reply::Honest).succeeds();
    let before = store(&context);
    let shown = context.isopod(["images", "--digests", "--no-trunc"]).stdout;

    let outcome = pull_from(&context, &Fixtures::load().layout, rule);
    outcome.fails_with(1).prints_nothing();
    assert_eq!(
        outcome.stderr.lines().filter(|line| line.starts_with("isopod: ")).count(),
        1,
        "{outcome}"
    );
    // What broke off is gone on with by the next pull; what was wrong is not kept.
    let broke_off =
        outcome.stderr.contains("cannot reach") || outcome.stderr.contains("sent nothing");
    let is_partial = |path: &String| path.contains("/content/ingest/") && !path.ends_with(".lock");
    let mut kept = store(&context);
    kept.retain(|path| !(broke_off && is_partial(path)));
    assert_eq!(kept, before, "something is left\n{outcome}");
    assert_eq!(context.isopod(["images", "--digests", "--no-trunc"]).stdout, shown);
    context.isopod(["ctr", "images", "check"]).succeeds().mentions("complete (3/3)");

    // An honest registry is believed again, whatever the lie left.
    pull_from(&context, &Fixtures::load().layout, |_| Reply::Honest).succeeds();
    context.isopod(["ctr", "images", "check", &format!("name=={NAME}")]).mentions("complete (3/3)");
    context.isopod(["run", "--rm", "--network", "none", "busybox", "true"]).succeeds();
    outcome
}

fn layer() -> String {
    let fixtures = Fixtures::load();
    let blob = |digest: &str| fixtures.layout.join("blobs").join(digest.replacen(':', "/", 1));
    let manifest = fs::read(blob(fixtures.digest_of(BUSYBOX))).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    manifest["layers"][0]["digest"].as_str().unwrap().to_owned()
}

fn bytes_of(digest: &str) -> Vec<u8> {
    fs::read(Fixtures::load().layout.join("blobs").join(digest.replacen(':', "/", 1))).unwrap()
}

/// A rule about the layer alone.
fn of_layer(
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> impl Fn(&Request) -> Reply + Send + Sync {
    let layer = layer();
    move |request| if request.path.contains(&layer) { reply() } else { Reply::Honest }
}

#[test]
fn a_layer_of_other_bytes_is_refused() {
    let mut bytes = bytes_of(&layer());
    let last = bytes.len() - 1;
    bytes[last / 2] ^= 1;
    lie(of_layer(move || Reply::Instead(bytes.clone()))).complains_of(&layer());
}

#[test]
fn a_layer_of_another_content_and_right_length_is_refused() {
    let length = bytes_of(&layer()).len();
    lie(of_layer(move || Reply::Instead(vec![b'x'; length]))).complains_of(&layer());
}

#[test]
fn a_layer_announced_longer_is_refused() {
    let length = bytes_of(&layer()).len() as u64;
    lie(of_layer(move || Reply::Announce(length + 1))).complains_of("bytes of sha256:");
}

#[test]
fn a_shorter_layer_is_refused() {
    let bytes = bytes_of(&layer());
    lie(of_layer(move || Reply::Instead(bytes[..1000].to_vec()))).complains_of("1000");
}

#[test]
fn a_layer_without_end_is_refused_at_its_size() {
    lie(of_layer(|| Reply::Endless)).complains_of(&layer());
}

#[test]
fn a_layer_that_always_breaks_off_is_an_error_in_the_end() {
    lie(of_layer(|| Reply::CutAfter(5000))).complains_of("end of file");
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    let outcome = lie(of_layer(|| Reply::StallAfter(70_000)));
    outcome.complains_of("sent nothing").complains_of("for 1 s");
}

#[test]
fn a_config_of_other_bytes_is_refused() {
    let layer = layer();
    lie(move |request| match request.path.contains("/blobs/") && !request.path.contains(&layer) {
        true => Reply::Instead(b"{}".to_vec()),
        false => Reply::Honest,
    })
    .complains_of("bytes of sha256:");
}

#[test]
fn a_config_that_stands_still_is_given_up() {
    let layer = layer();
    lie(move |request| match request.path.contains("/blobs/") && !request.path.contains(&layer) {
        true => Reply::StallAfter(20),
        false => Reply::Honest,
    })
    .complains_of("sent nothing");
}

#[test]
fn a_manifest_without_end_is_refused_at_the_cap() {
    lie(|request| match request.path.contains("/manifests/") {
        true => Reply::Endless,
        false => Reply::Honest,
    })
    .complains_of("larger than");
}

#[test]
fn an_answer_that_is_no_document_is_refused() {
    for nonsense in ["<html>Welcome to the hotel</html>", "", "[]", "{}", "\"x\""] {
        let body = nonsense.as_bytes().to_vec();
        lie(move |request| match request.path.contains("/manifests/") {
            true => Reply::Instead(body.clone()),
            false => Reply::Honest,
        });
    }
}

#[test]
fn a_document_of_two_kinds_is_refused() {
    let hybrid = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": layer(), "size": 1},
        "layers": [],
        "manifests": [],
    });
    let bytes = hybrid.to_string().into_bytes();
    lie(move |request| match request.path.contains("/manifests/") {
        true => Reply::Instead(bytes.clone()),
        false => Reply::Honest,
    })
    .complains_of("document");
}

#[test]
fn a_digest_asked_for_by_name_is_what_comes_or_nothing() {
    let context = TestContext::without_registries();
    let fixtures = Fixtures::load();
    let other = bytes_of(fixtures.digest_of("library/alpine:latest"));
    let served = Served::new(&fixtures.layout, move |request| {
        if request.path.contains("/manifests/") {
            Reply::Instead(other.clone())
        } else {
            Reply::Honest
        }
    });
    context.configure_host("docker.io", &served.hosts_toml());
    let digest = fixtures.digest_of(BUSYBOX);
    let pulled = context.isopod(["pull", "-q", &format!("busybox@{digest}")]);
    pulled.fails_with(1).complains_of(digest);
    assert!(store(&context).is_empty(), "{:?}", store(&context));
}

/// Pulls a handmade image with these layers, which can't be had.
#[track_caller]
fn pull_handmade(name: &str, make: impl FnOnce(&mut Handmade)) -> Outcome {
    let context = TestContext::without_registries();
    let mut images = Handmade::new(context.path("images"));
    make(&mut images);
    let served = Served::honest(&images.folder);
    context.configure_host("docker.io", &served.hosts_toml());
    let pulled = context.isopod(["pull", "-q", name]);
    pulled.fails_with(1).prints_nothing();
    let left: Vec<_> = store(&context).into_iter().filter(|p| !p.contains("/blobs/")).collect();
    assert!(left.is_empty(), "{left:?}\n{pulled}");
    context.isopod(["images", "-q"]).prints_nothing();
    context.isopod(["run", "--rm", "--network", "none", name, "true"]).fails_with(125);
    pulled
}

#[test]
fn a_truncated_layer_of_the_right_digest_is_refused() {
    let noise: Vec<u8> =
        (0..100_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    let tar = handmade::tar(&[Entry::File("noise", &noise)]);
    let diff_id = format!("sha256:{}", handmade::sha256(&tar));
    let gzip = filter("gzip", &["-nc"], &tar);
    pull_handmade("test/cut:gzip", |images| {
        let layer = images.gzip_layer(&gzip[..gzip.len() / 2], &diff_id);
        images.image("test/cut:gzip", &[&layer]);
    })
    .complains_of("layer sha256:");
}

#[test]
fn a_layer_that_unpacks_to_another_diff_id_is_refused() {
    let tar = handmade::tar(&[Entry::File("a", b"a")]);
    let gzip = filter("gzip", &["-nc"], &tar);
    let wrong = format!("sha256:{}", "1".repeat(64));
    pull_handmade("test/diff:id", |images| {
        let layer = images.gzip_layer(&gzip, &wrong);
        images.image("test/diff:id", &[&layer]);
    })
    .complains_of("diff id");
}

#[test]
fn a_layer_with_a_way_out_is_refused() {
    pull_handmade("test/escape:latest", |images| {
        let layer = images.layer(&[Entry::File("../../../../tmp/isopod-escaped", b"out")]);
        images.image("test/escape:latest", &[&layer]);
    })
    .complains_of("layer sha256:");
    assert!(!Path::new("/tmp/isopod-escaped").exists());
}
