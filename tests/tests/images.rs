//! Images in the store: listed, tagged, removed, checked, repaired; in and out as archives that
//! peers (skopeo, podman) write and read.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use isopod_tests::handmade::{Entry, Handmade, flip_a_byte};
use isopod_tests::{Fixtures, Invocation, Outcome, Reply, Served, TestContext, leftovers};
use serde_json::Value;

const BUSYBOX: &str = "docker.io/library/busybox:latest";

fn ctr<const N: usize>(context: &TestContext, args: [&str; N]) -> Outcome {
    context.personality("ctr", ["images"].into_iter().chain(args)).run()
}

fn skopeo<const N: usize>(context: &TestContext, args: [&str; N]) -> Outcome {
    let skopeo = Invocation::new("skopeo", ["--insecure-policy"].into_iter().chain(args));
    skopeo.env("HOME", context.path("home")).env("TMPDIR", context.folder()).run()
}

/// podman with storage of its own.
fn podman(context: &TestContext, args: &[&str]) -> Outcome {
    let (storage, run) = (context.path("podman"), context.path("podman-run"));
    let head = ["--root", storage.to_str().unwrap(), "--runroot", run.to_str().unwrap()];
    let all = head.iter().chain(&["--storage-driver", "vfs"]).chain(args);
    Invocation::new("podman", all).env("HOME", context.path("home")).run()
}

fn blob(context: &TestContext, digest: &str) -> PathBuf {
    context.path("root/content/blobs").join(digest.replacen(':', "/", 1))
}

fn document(context: &TestContext, digest: &str) -> Value {
    serde_json::from_slice(&fs::read(blob(context, digest)).unwrap()).unwrap()
}

fn runs(context: &TestContext, image: &str) {
    let run = ["run", "--rm", "--network", "none", image, "echo", "here"];
    context.isopod(run).succeeds().prints("here\n");
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

#[test]
fn an_image_is_listed_under_each_of_its_names() {
    let (context, fixtures) = TestContext::new();
    context.pull("busybox");
    ctr(&context, ["tag", BUSYBOX, "example.com/mine:v1"]).succeeds();
    context.isopod(["tag", "busybox", "mine"]).succeeds();
    let listed = context.isopod(["images", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}"]);
    let digest = fixtures.digest_of("library/busybox:latest");
    for name in ["busybox:latest", "example.com/mine:v1", "mine:latest"] {
        listed.mentions(&format!("{name} {digest}\n"));
    }
    let names = ctr(&context, ["ls", "-q"]);
    names.prints(
        "docker.io/library/busybox:latest\ndocker.io/library/mine:latest\nexample.com/mine:v1\n",
    );
    ctr(&context, ["ls"]).mentions("REF").mentions(digest);
    ctr(&context, ["tag", BUSYBOX, "example.com/mine:v1"])
        .fails_with(1)
        .complains_of("example.com/mine:v1");
    ctr(&context, ["tag", "--force", BUSYBOX, "example.com/mine:v1"]).succeeds();
    context.isopod(["tag", "nothing", "else"]).fails_with(1).complains_of("nothing");
}

#[test]
fn removing_a_name_frees_what_only_it_needed() {
    let (context, _) = TestContext::new();
    context.pull("busybox").pull("redis:alpine");
    context.isopod(["tag", "busybox", "second"]).succeeds();
    let blobs = || count(&context.path("root/content/blobs/sha256"));
    let layers = || count(&context.path("root/layers"));
    let (all_blobs, all_layers) = (blobs(), layers());
    context.isopod(["rmi", "busybox"]).succeeds().mentions("Untagged");
    assert_eq!((blobs(), layers()), (all_blobs, all_layers), "the second name keeps all");
    runs(&context, "second");
    context.isopod(["rmi", "second"]).succeeds().mentions("Deleted");
    assert_eq!((blobs(), layers()), (all_blobs - 3, all_layers - 1));
    context.isopod(["rmi", "second"]).fails_with(1).complains_of("no such image: second");
    context.isopod(["rmi", "redis:alpine"]).succeeds();
    assert_eq!((blobs(), layers()), (0, 0));
}

#[test]
fn an_image_in_use_stays_and_by_force_its_content_does() {
    let (context, _) = TestContext::new();
    context.pull("busybox");
    context
        .isopod(["create", "--name", "user", "--network", "none", "busybox", "echo", "still"])
        .succeeds();
    context.isopod(["rmi", "busybox"]).fails_with(1).complains_of("in use").complains_of("user");
    context.isopod(["rmi", "-f", "busybox"]).succeeds();
    context.isopod(["start", "-a", "user"]).succeeds().prints("still\n");
    context.isopod(["rm", "user"]).succeeds();
    context.pull("alpine");
    context.isopod(["rmi", "alpine"]).succeeds();
    assert_eq!(count(&context.path("root/layers")), 0);
}

/// docker's dangling images: whatever takes the last name away but a removal keeps the image.
#[test]
fn an_image_that_loses_its_last_name_to_another_stays_without_one() {
    let (context, _) = TestContext::new();
    context.pull("busybox").pull("alpine");
    let id = |name: &str| {
        let inspected = context.isopod(["image", "inspect", "-f", "{{.Id}}", name]);
        inspected.line().to_owned()
    };
    let (busybox, alpine) = (id("busybox"), id("alpine"));
    let nameless = ["images", "-q", "--no-trunc", "-f", "dangling=true"];
    context.isopod(["create", "--name", "c1", "--network", "none", "busybox", "true"]).succeeds();
    let shown = || context.isopod(["ps", "-a", "--format", "{{.Image}}"]).line().to_owned();
    assert_eq!(shown(), "busybox");
    context.isopod(["tag", "alpine", "busybox"]).succeeds();
    context.isopod(nameless).prints(&format!("{busybox}\n"));
    assert_eq!(shown(), busybox[7..19], "the name means another image now");
    runs(&context, &busybox);
    // The same content under a name again is not without one.
    context.isopod(["tag", &busybox, "back"]).succeeds();
    context.isopod(nameless).prints_nothing();
    context.isopod(["rmi", "back"]).fails_with(1).complains_of("container c1");
    // A pull moves a name as well.
    context.isopod(["rmi", "alpine"]).succeeds();
    context.pull("busybox");
    context.isopod(nameless).prints(&format!("{alpine}\n"));
    context
        .isopod(["rmi", &alpine[7..19]])
        .succeeds()
        .never_mentions("Untagged")
        .mentions("Deleted");
    context.isopod(nameless).prints_nothing();
    // ctr's users know no such images: what it replaces goes.
    context.pull("alpine");
    ctr(&context, ["tag", "--force", BUSYBOX, "docker.io/library/alpine:latest"]).succeeds();
    context.isopod(nameless).prints_nothing();
}

/// docker takes the digest off and leaves the tag; here a digest is no name of its own.
#[test]
fn an_image_with_a_tag_is_not_removed_by_its_digest() {
    let (context, fixtures) = TestContext::new();
    context.pull("busybox");
    context.isopod(["tag", "busybox", "second"]).succeeds();
    let by_digest = format!("busybox@{}", fixtures.digest_of("library/busybox:latest"));
    context.isopod(["rmi", &by_digest]).fails_with(1).complains_of("busybox:latest");
    context.isopod(["rmi", "-f", &by_digest]).fails_with(1).complains_of("busybox:latest");
    runs(&context, "busybox");
    runs(&context, "second");
    // Pulled by it, the digest is the name.
    context.isopod(["rmi", "busybox", "second"]).succeeds();
    context.pull(&by_digest);
    context.isopod(["rmi", &by_digest]).succeeds().mentions(&format!("Untagged: {by_digest}"));
}

#[test]
fn what_two_images_share_goes_with_the_last_of_them() {
    let (context, _) = TestContext::new();
    // One platform's manifest shares its layer with the other name's.
    for tag in ["gzip", "plain"] {
        context.pull(&format!("test/corners:{tag}"));
    }
    let layers = count(&context.path("root/layers"));
    context.isopod(["rmi", "test/corners:gzip"]).succeeds();
    assert_eq!(count(&context.path("root/layers")), layers, "the folders are the other one's too");
    ctr(&context, ["check"]).succeeds().mentions("complete (6/6)").mentions("true");
    context.isopod(["rmi", "test/corners:plain"]).succeeds();
    assert_eq!(count(&context.path("root/layers")), 0);
}

/// Pulls busybox, damages one of its blobs, and gives the blob's digest.
fn with_damage(context: &TestContext, fixtures: &Fixtures, which: &str) -> String {
    context.pull("busybox");
    at_rest(context);
    let manifest = fixtures.digest_of("library/busybox:latest").to_owned();
    let parsed = document(context, &manifest);
    let digest = match which {
        "manifest" => manifest,
        "config" => parsed["config"]["digest"].as_str().unwrap().to_owned(),
        _ => parsed["layers"][0]["digest"].as_str().unwrap().to_owned(),
    };
    flip_a_byte(&blob(context, &digest));
    digest
}

#[test]
fn a_damaged_blob_is_named_by_check_and_repaired_by_a_pull() {
    for which in ["manifest", "config", "layer"] {
        let (context, fixtures) = TestContext::new();
        let digest = with_damage(&context, &fixtures, which);
        let check = ctr(&context, ["check"]);
        check.fails_with(1).mentions("damaged").complains_of(&digest).complains_of("pull");
        context.pull("busybox");
        ctr(&context, ["check"]).succeeds().mentions("complete (3/3)");
        runs(&context, "busybox");
    }
}

#[test]
fn a_damaged_document_is_named_by_run_and_keeps_others_usable() {
    for which in ["manifest", "config"] {
        let (context, fixtures) = TestContext::new();
        context.pull("alpine");
        let digest = with_damage(&context, &fixtures, which);
        let hex = digest.strip_prefix("sha256:").unwrap();
        let run = context.isopod(["run", "--rm", "--network", "none", "busybox", "true"]);
        run.fails_with(125).complains_of(hex).complains_of("damaged").complains_of("pull");
        runs(&context, "alpine");
        context.isopod(["images"]).succeeds().mentions("alpine");
        context.pull("busybox");
        runs(&context, "busybox");
    }
}

#[test]
fn a_damaged_layer_is_never_unpacked_and_fetched_again_by_a_pull() {
    let (context, fixtures) = TestContext::new();
    let digest = with_damage(&context, &fixtures, "layer");
    let hex = digest.strip_prefix("sha256:").unwrap();
    for layer in fs::read_dir(context.path("root/layers")).unwrap() {
        fs::remove_dir_all(layer.unwrap().path()).unwrap();
    }
    let run = context.isopod(["run", "--rm", "--network", "none", "busybox", "true"]);
    run.fails_with(125).complains_of(hex).complains_of("damaged");
    assert_eq!(count(&context.path("root/layers")), 0, "nothing of it is unpacked");
    context.pull("busybox");
    runs(&context, "busybox");
    // Cut short it is noticed without reading it.
    fs::write(blob(&context, &digest), b"short").unwrap();
    context.pull("busybox");
    ctr(&context, ["check"]).succeeds().mentions("complete (3/3)");
}

#[test]
fn a_missing_blob_is_incomplete_and_comes_back_by_a_pull() {
    let (context, fixtures) = TestContext::new();
    let digest = with_damage(&context, &fixtures, "layer");
    fs::remove_file(blob(&context, &digest)).unwrap();
    ctr(&context, ["check"]).mentions("incomplete (2/3)");
    context.pull("busybox");
    ctr(&context, ["check"]).succeeds().mentions("complete (3/3)");
}

/// Waits for what a command left running, which syncs layers and has the database open.
fn at_rest(context: &TestContext) {
    let since = Instant::now();
    while !leftovers::processes_that_hold(context.folder()).is_empty() {
        assert!(since.elapsed() < Duration::from_secs(20), "something does not end");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_damaged_database_is_named_and_left_alone() {
    let (context, _) = TestContext::new();
    context.pull("busybox");
    at_rest(&context);
    let path = context.path("root/state.db");
    let good = fs::read(&path).unwrap();
    fs::write(&path, vec![b'x'; good.len()]).unwrap();
    for args in [&["images"][..], &["ps", "-a"], &["pull", "-q", "alpine"], &["rmi", "busybox"]] {
        let refused = context.isopod(args);
        refused.fails_with(1).prints_nothing().complains_of("state.db is damaged");
        assert_eq!(refused.stderr.lines().filter(|l| l.starts_with("isopod: ")).count(), 1);
    }
    let run = context.isopod(["run", "--rm", "--network", "none", "busybox", "true"]);
    run.fails_with(125).complains_of("state.db is damaged");
    assert_eq!(fs::read(&path).unwrap(), vec![b'x'; good.len()], "nobody writes over it");
    fs::write(&path, good).unwrap();
    runs(&context, "busybox");
}

#[test]
fn a_database_that_is_gone_is_no_new_beginning() {
    let (context, _) = TestContext::new();
    context.pull("busybox");
    at_rest(&context);
    let path = context.path("root/state.db");
    let good = fs::read(&path).unwrap();
    let blobs = count(&context.path("root/content/blobs/sha256"));
    for how in [|path: &Path| fs::remove_file(path), |path: &Path| fs::write(path, b"")] {
        how(&path).unwrap();
        for args in [&["images"][..], &["ps", "-a"], &["pull", "-q", "alpine"]] {
            context.isopod(args).fails_with(1).prints_nothing().complains_of("state.db is damaged");
        }
        fs::write(&path, &good).unwrap();
        runs(&context, "busybox");
        at_rest(&context);
    }
    // Where somebody wants to begin anew, the message says how.
    fs::remove_file(&path).unwrap();
    fs::remove_file(context.path("root/layout")).unwrap();
    context.isopod(["images", "-q"]).succeeds().prints_nothing();
    assert_eq!(count(&context.path("root/content/blobs/sha256")), blobs);
}

#[test]
fn a_peer_reads_the_content_store_as_an_oci_layout() {
    let (context, fixtures) = TestContext::new();
    context.pull("redis:alpine").pull("busybox");
    for (name, image) in [
        ("docker.io/library/redis:alpine", "library/redis:alpine"),
        (BUSYBOX, "library/busybox:latest"),
    ] {
        let layout = format!("oci:{}:{name}", context.path("root/content").display());
        let digest = skopeo(&context, ["inspect", "--format", "{{.Digest}}", &layout]);
        assert_eq!(digest.line(), fixtures.digest_of(image));
        let copy = format!("oci-archive:{}", context.path("copy.tar").display());
        skopeo(&context, ["copy", "-q", &layout, &copy]).succeeds();
    }
    context.isopod(["rmi", "busybox"]).succeeds();
    let gone = format!("oci:{}:{BUSYBOX}", context.path("root/content").display());
    assert_ne!(skopeo(&context, ["inspect", &gone]).code, 0);
}

#[test]
fn an_export_is_read_by_peers_and_comes_back_the_same() {
    let (context, fixtures) = TestContext::new();
    context.pull("redis:alpine");
    let name = "docker.io/library/redis:alpine";
    let archive = context.path("redis.tar");
    ctr(&context, ["export", archive.to_str().unwrap(), name]).succeeds();

    let oci = format!("oci-archive:{}", archive.display());
    let digest = skopeo(&context, ["inspect", "--format", "{{.Digest}}", &oci]);
    assert_eq!(digest.line(), fixtures.digest_of("library/redis:alpine"));
    let docker = format!("docker-archive:{}", archive.display());
    let peer: Value = skopeo(&context, ["inspect", "--config", &docker]).json();
    let ours: Value = skopeo(&context, ["inspect", "--config", &oci]).json();
    assert_eq!(peer, ours);

    let other = TestContext::without_registries();
    let imported = ctr(&other, ["import", archive.to_str().unwrap()]);
    imported.succeeds();
    ctr(&other, ["check"]).succeeds().mentions("complete (11/11)").mentions("true");
    let run = ["run", "--rm", "--network", "none", "redis:alpine", "redis-server", "--version"];
    other.isopod(run).succeeds().mentions("Redis server");
}

#[test]
fn podman_loads_an_export() {
    let (context, _) = TestContext::new();
    context.pull("busybox").pull("alpine");
    let archive = context.path("two.tar");
    let names = [BUSYBOX, "docker.io/library/alpine:latest"];
    ctr(&context, ["export", archive.to_str().unwrap(), names[0], names[1]]).succeeds();
    for name in names {
        let docker = format!("docker-archive:{}:{name}", archive.display());
        skopeo(&context, ["inspect", &docker]).succeeds();
    }
    let one = context.path("one.tar");
    ctr(&context, ["export", one.to_str().unwrap(), BUSYBOX]).succeeds();
    let loaded = podman(&context, &["load", "-q", "-i", one.to_str().unwrap()]);
    loaded.succeeds().mentions("docker.io/library/busybox:latest");
}

#[test]
fn an_export_by_pipe_is_the_same() {
    let (context, _) = TestContext::new();
    context.pull("busybox");
    let script = format!(
        "set -e; {0} ctr images export - {BUSYBOX} | {0} ctr --root {1} --state {2} images import -",
        isopod_tests::binary::isopod().display(),
        context.path("other").display(),
        context.path("other-state").display()
    );
    fs::write(context.path("pipe.sh"), script).unwrap();
    let mut piped = Invocation::new("sh", [context.path("pipe.sh")]);
    for name in ["ISOPOD_ROOT", "ISOPOD_STATE"] {
        let folder = if name == "ISOPOD_ROOT" { "root" } else { "state" };
        piped = piped.env(name, context.path(folder));
    }
    piped.env("ISOPOD_CONFIG", context.path("config.toml")).run().succeeds();
    assert!(context.path("other/content/index.json").exists());
}

#[test]
fn what_peers_write_is_imported_and_runs() {
    let fixtures = Fixtures::load();
    let layout = format!("oci:{}:library/busybox:latest", fixtures.layout.display());
    for (form, tail) in [
        ("oci-archive", ":docker.io/library/busybox:latest"),
        ("docker-archive", ":docker.io/library/busybox:latest"),
    ] {
        let context = TestContext::without_registries();
        let file = context.path("peer.tar");
        let to = format!("{form}:{}{tail}", file.display());
        skopeo(&context, ["copy", "-q", &layout, &to]).succeeds();
        ctr(&context, ["import", file.to_str().unwrap()]).succeeds().mentions(BUSYBOX);
        ctr(&context, ["check"]).succeeds().mentions("complete (3/3)").mentions("true");
        runs(&context, "busybox");
        // Compressed as a whole it is the same.
        let gz = Invocation::new("gzip", ["-k", file.to_str().unwrap()]).run();
        gz.succeeds();
        context.isopod(["rmi", "busybox"]).succeeds();
        ctr(&context, ["import", &format!("{}.gz", file.display())]).succeeds();
        runs(&context, "busybox");
    }
}

#[test]
fn what_podman_saves_is_imported_in_both_forms() {
    let fixtures = Fixtures::load();
    let context = TestContext::without_registries();
    let podman = |args: &[&str]| podman(&context, args);
    let source = fixtures.plain().reference("library/busybox:latest");
    podman(&["pull", "-q", "--tls-verify=false", &source]).succeeds();
    podman(&["tag", &source, "example.com/saved:v1"]).succeeds();
    for form in ["docker-archive", "oci-archive"] {
        let file = context.path(form);
        let file = file.to_str().unwrap();
        podman(&["save", "-q", "--format", form, "-o", file, "example.com/saved:v1"]).succeeds();
        ctr(&context, ["import", file]).succeeds().mentions("example.com/saved:v1");
        runs(&context, "example.com/saved:v1");
        context.isopod(["rmi", "example.com/saved:v1"]).succeeds();
    }
    assert_eq!(count(&context.path("root/layers")), 0);
}

/// skopeo's docker archives have `VERSION` and `json` beside each layer, as old docker's.
#[test]
fn an_archive_leaves_only_what_its_image_needs() {
    let fixtures = Fixtures::load();
    let context = TestContext::without_registries();
    let layout = format!("oci:{}:library/busybox:latest", fixtures.layout.display());
    let file = context.path("peer.tar");
    let to = format!("docker-archive:{}:busybox:latest", file.display());
    skopeo(&context, ["copy", "-q", &layout, &to]).succeeds();
    let listed = Invocation::new("tar", ["-tf", file.to_str().unwrap()]).run();
    assert!(listed.stdout.contains("VERSION") && listed.stdout.contains("/json"), "{listed}");
    let blobs = || count(&context.path("root/content/blobs/sha256"));
    context.isopod(["load", "-i", file.to_str().unwrap()]).succeeds();
    // Manifest, config, layer.
    assert_eq!(blobs(), 3);
    context.isopod(["system", "gc"]).succeeds();
    assert_eq!(blobs(), 3);
    runs(&context, "busybox");
    // One that can't be loaded leaves nothing.
    context.isopod(["rmi", "-f", "busybox"]).succeeds();
    assert_eq!(blobs(), 0);
    Invocation::new("tar", ["--delete", "-f", file.to_str().unwrap(), "manifest.json"])
        .run()
        .succeeds();
    context.isopod(["load", "-i", file.to_str().unwrap()]).fails_with(1);
    assert_eq!(blobs(), 0);
}

#[test]
fn an_archive_that_lies_or_ends_early_names_nothing() {
    let (context, _) = TestContext::new();
    context.pull("busybox");
    let good = context.path("good.tar");
    ctr(&context, ["export", good.to_str().unwrap(), BUSYBOX]).succeeds();
    let bytes = fs::read(&good).unwrap();
    let mut flipped = bytes.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let cases: [(&str, &[u8]); 4] = [
        ("short", &bytes[..bytes.len() / 2]),
        ("flipped", &flipped),
        ("nonsense", b"this is not an archive"),
        ("empty", b""),
    ];
    for (name, bytes) in cases {
        let other = TestContext::without_registries();
        let file = other.path("bad.tar");
        fs::write(&file, bytes).unwrap();
        let refused = ctr(&other, ["import", file.to_str().unwrap()]);
        assert_eq!(refused.fails_with(1).stdout, "", "{name}: {refused}");
        refused.complains_of("ctr: ");
        ctr(&other, ["ls", "-q"]).prints_nothing();
        assert_eq!(count(&other.path("root/layers")), 0, "{name}");
        assert_eq!(count(&other.path("root/content/ingest")), 0, "{name}");
    }
    ctr(&context, ["import", "/nonexistent.tar"]).fails_with(1).complains_of("/nonexistent.tar");
}

/// A layout as an archive.
fn archive(context: &TestContext, images: &Handmade) -> String {
    let file = context.path("handmade.tar").display().to_string();
    let folder = images.folder.display().to_string();
    Invocation::new("tar", ["-cf", &file, "-C", &folder, "."]).run().succeeds();
    file
}

#[test]
fn an_archive_without_one_of_its_blobs_names_nothing() {
    for missing in ["layer", "config"] {
        let context = TestContext::without_registries();
        let mut images = Handmade::new(context.path("images"));
        let layer = images.layer(&[Entry::File("a", b"a")]);
        let manifest = images.image("example.com/half:v1", &[&layer]);
        let path = |digest: &str| images.folder.join("blobs").join(digest.replacen(':', "/", 1));
        let parsed: Value = serde_json::from_slice(&fs::read(path(&manifest)).unwrap()).unwrap();
        let gone = match missing {
            "layer" => layer.blob.clone(),
            _ => parsed["config"]["digest"].as_str().unwrap().to_owned(),
        };
        fs::remove_file(path(&gone)).unwrap();
        let refused = ctr(&context, ["import", &archive(&context, &images)]);
        refused.fails_with(1).complains_of(&gone);
        ctr(&context, ["ls", "-q"]).prints_nothing();
    }
}

#[test]
fn an_image_that_makes_no_sense_keeps_others_from_nothing() {
    let (context, _) = TestContext::new();
    context.pull("busybox");
    let mut images = Handmade::new(context.path("images"));
    let config = images.blob(b"{\"rootfs\": 7}");
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 13},
        "layers": [],
    });
    let kind = "application/vnd.oci.image.manifest.v1+json";
    images.name("example.com/nonsense:v1", kind, manifest.to_string().as_bytes());
    let imported = ctr(&context, ["import", &archive(&context, &images)]);
    imported.fails_with(1).complains_of("config sha256:");
    context.isopod(["rmi", "busybox"]).succeeds();
    assert_eq!(count(&context.path("root/layers")), 0);
    context.isopod(["images"]).succeeds();
}

#[test]
fn a_pull_that_fails_leaves_the_earlier_image_of_its_name() {
    let fixtures = Fixtures::load();
    let context = TestContext::without_registries();
    let served = Served::honest(&fixtures.layout);
    context.configure_host("docker.io", &served.hosts_toml());
    context.pull("alpine");
    context.isopod(["tag", "alpine", "busybox"]).succeeds();
    let before = context.isopod(["images", "--digests"]).stdout;
    let broken = Served::new(&fixtures.layout, |request| {
        if request.path.contains("/blobs/") {
            Reply::Status(500, String::new())
        } else {
            Reply::Honest
        }
    });
    context.configure_host("docker.io", &broken.hosts_toml());
    context.isopod(["pull", "-q", "busybox"]).fails_with(1).complains_of("500");
    assert_eq!(context.isopod(["images", "--digests"]).stdout, before);
    runs(&context, "busybox");
}
