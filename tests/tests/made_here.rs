//! Images that are made here: committed from containers and imported from archives, looked at by umoci,
//! skopeo and podman; and those without a name.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

use isopod_tests::tree::{Tree, differences, look};
use isopod_tests::{Invocation, Outcome, TestContext};
use rustix::fs::{XattrFlags, setxattr};
use serde_json::{Value, json};

/// Files that every container gets from us.
const OF_THE_CONTAINER: [&str; 4] =
    ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab"];

fn peer(context: &TestContext, program: &str, args: &[&str]) -> Outcome {
    let peer = Invocation::new(program, args).env("HOME", context.path("home"));
    peer.env("TMPDIR", context.folder()).run()
}

/// podman with storage of its own.
fn podman(context: &TestContext, args: &[&str]) -> Outcome {
    let (storage, run) = (context.path("podman"), context.path("podman-run"));
    let head = ["--root", storage.to_str().unwrap(), "--runroot", run.to_str().unwrap()];
    let all: Vec<_> =
        head.iter().chain(&["--storage-driver", "vfs"]).chain(args).copied().collect();
    peer(context, "podman", &all)
}

/// An image as a layout that peers read: by `save`, then skopeo.
fn layout(context: &TestContext, image: &str) -> PathBuf {
    let name = image.replace(['/', ':'], "-");
    let archive = context.path(&format!("{name}.tar"));
    context.isopod(["save", "-o", archive.to_str().unwrap(), image]).succeeds();
    let folder = context.path(&format!("{name}.oci"));
    let from = format!("docker-archive:{}", archive.display());
    let to = format!("oci:{}:image", folder.display());
    peer(context, "skopeo", &["--insecure-policy", "copy", "-q", &from, &to]).succeeds();
    folder
}

/// What umoci unpacks of an image.
fn by_umoci(context: &TestContext, image: &str) -> Tree {
    let layout = layout(context, image);
    let bundle = layout.with_extension("bundle");
    let at = format!("{}:image", layout.display());
    peer(context, "umoci", &["unpack", "--image", &at, bundle.to_str().unwrap()]).succeeds();
    look(&bundle.join("rootfs"), &OF_THE_CONTAINER)
}

fn config_by_skopeo(context: &TestContext, image: &str) -> Value {
    let at = format!("oci:{}:image", layout(context, image).display());
    peer(context, "skopeo", &["inspect", "--config", &at]).json()
}

fn root_of(context: &TestContext, container: &str) -> PathBuf {
    let pid = context.isopod(["inspect", "--format", "{{.State.Pid}}", container]);
    PathBuf::from(format!("/proc/{}/root/.", pid.line()))
}

/// Layers hold whole seconds; what lies under a container's own mounts is not the image's, and folders
/// that a later layer changes without an entry have the time of unpacking.
fn comparable(tree: &Tree) -> Tree {
    let mut tree = tree.clone();
    tree.retain(|path, _| !["", "/dev", "/proc", "/sys"].contains(&path.as_str()));
    for line in tree.values_mut() {
        let words = line.split(' ').enumerate().map(|(at, word)| match at {
            2 => word.split('.').next().unwrap_or(word),
            _ => word,
        });
        *line = words.collect::<Vec<_>>().join(" ");
    }
    tree
}

/// Everything that a layer can hold and that a naive writer loses.
const CHANGES: &str = r#"
    set -e
    echo new > /new; chmod 4750 /new; chown 12:34 /new; ln /new /etc/linked
    ln -s /nowhere/at/all /dangling; ln -s / /etc/root
    mkfifo /pipe; mknod /device c 1 3; mkdir -m 1777 /sticky; mkdir -p /a/b/c
    long=0123456789012345678901234567890123456789012345678901234567890123456789
    mkdir -p /$long/$long; echo deep > "/$long/$long/ä file"; ln -s /$long/$long/x /longlink
    rm /bin/vi; rm -r /etc/network 2>/dev/null || true
    rm -r /home; mkdir /home; echo other > /home/other
    dd if=/dev/zero of=/holes bs=1 count=1 seek=3000000 2>/dev/null
    touch -d '1999-12-31 23:59:59' /old
"#;

#[test]
fn a_commit_is_what_the_container_saw_as_umoci_unpacks_it() {
    let context = TestContext::with(["busybox"]);
    let run = ["run", "-d", "--name", "c1", "--network", "none", "busybox", "sleep", "600"];
    context.isopod(run).succeeds();
    context.isopod(["exec", "c1", "sh", "-c", CHANGES]).succeeds();
    let root = root_of(&context, "c1");
    setxattr(root.join("new"), "user.note", b"kept", XattrFlags::empty()).unwrap();
    let id = context.isopod(["commit", "c1", "committed"]);
    let ours = look(&root, &OF_THE_CONTAINER);
    for path in ["/new", "/etc/linked", "/pipe", "/home/other", "/old"] {
        assert!(ours.contains_key(path), "{path}");
    }
    assert!(ours["/new"].contains("user.note=kept"), "{}", ours["/new"]);
    let theirs = by_umoci(&context, "committed");
    assert!(!theirs.contains_key("/bin/vi"));
    let (mut theirs, mut ours) = (comparable(&theirs), comparable(&ours));
    // Written whole, as the specification of layers asks for.
    ours.entry("/holes".into()).and_modify(|line| *line = line.replace(" sparse", ""));
    theirs.entry("/holes".into()).and_modify(|line| *line = line.replace(" sparse", ""));
    let differ = differences(&theirs, &ours);
    assert!(differ.is_empty(), "umoci above, isopod below:\n{differ}");
    let shown = context.isopod(["inspect", "--format", "{{.Id}}", "committed"]);
    assert_eq!(shown.line(), id.line());
    // It goes on: a commit pauses and thaws.
    context.isopod(["exec", "c1", "true"]).succeeds();
    let again = ["run", "--rm", "--network", "none", "committed", "cat", "/etc/linked"];
    context.isopod(again).succeeds().prints("new\n");
}

#[test]
fn a_commit_says_how_it_was_started_and_what_was_changed() {
    let context = TestContext::with(["busybox"]);
    let run = ["run", "--name", "c1", "--network", "none", "-e", "A=1", "-l", "of=container"];
    let command = ["-w", "/tmp", "-u", "7", "busybox", "sh", "-c", "echo x > /tmp/x"];
    context.isopod(run.iter().chain(&command)).succeeds();
    let changes = ["-c", "ENV B=2", "-c", r#"CMD ["cat", "/tmp/x"]"#, "-c", "EXPOSE 80/udp"];
    let commit = ["commit", "-a", "Ada", "-m", "note"];
    let more = ["-c", "LABEL more=yes", "-c", "VOLUME /data", "-c", "STOPSIGNAL SIGQUIT"];
    let name = ["c1", "example.com/made:1"];
    context.isopod(commit.iter().chain(&changes).chain(&more).chain(&name)).succeeds();
    let config = config_by_skopeo(&context, "example.com/made:1");
    let inner = &config["config"];
    assert_eq!(inner["Cmd"], json!(["cat", "/tmp/x"]));
    let env = inner["Env"].as_array().unwrap();
    assert!(env.contains(&json!("A=1")) && env.contains(&json!("B=2")), "{inner}");
    assert_eq!((&inner["User"], &inner["WorkingDir"]), (&json!("7"), &json!("/tmp")));
    assert_eq!(inner["Labels"]["of"], "container");
    assert_eq!(inner["Labels"]["more"], "yes");
    assert_eq!(inner["ExposedPorts"], json!({"80/udp": {}}));
    assert_eq!(inner["Volumes"], json!({"/data": {}}));
    assert_eq!(inner["StopSignal"], "SIGQUIT");
    assert_eq!(config["author"], "Ada");
    let last = config["history"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["comment"], &last["author"]), (&json!("note"), &json!("Ada")));
    assert_eq!(last["created_by"], "sh -c echo x > /tmp/x");
    context.isopod(["run", "--rm", "--network", "none", "example.com/made:1"]).prints("x\n");
    // The same by podman, from the archive.
    let archive = context.path("example.com-made-1.tar");
    podman(&context, &["load", "-q", "-i", archive.to_str().unwrap()]).succeeds();
    let format = ["--format", "{{.CreatedBy}}|{{.Comment}}", "--no-trunc"];
    let history = ["history", format[0], format[1], format[2], "example.com/made:1"];
    let theirs = podman(&context, &history);
    let ours = context.isopod(history);
    assert_eq!(ours.lines().first(), theirs.lines().first());
    context.isopod(["commit", "-c", "RUN x", "c1"]).fails_with(1).complains_of("RUN x");
    context.isopod(["commit", "nobody"]).fails_with(1).complains_of("nobody");
}

#[test]
fn a_commit_without_changes_adds_no_layer() {
    let context = TestContext::with(["busybox"]);
    context.isopod(["create", "--name", "c1", "--network", "none", "busybox", "true"]).succeeds();
    context.isopod(["commit", "c1", "same"]).succeeds();
    let layers = ["image", "inspect", "--format", "{{json .RootFS.Layers}}"];
    let of = |image| context.isopod(layers.iter().chain(&[image])).line().to_owned();
    assert_eq!(of("same"), of("busybox"));
    let last = context.isopod(["history", "--format", "{{.Size}}", "same"]);
    assert_eq!(last.lines()[0], "0B");
}

/// The tar of a folder, by GNU tar.
fn tar_of(context: &TestContext, folder: &Path) -> PathBuf {
    let archive = context.path("root.tar");
    let args = ["-C", folder.to_str().unwrap(), "-cf", archive.to_str().unwrap(), "."];
    peer(context, "tar", &args).succeeds();
    archive
}

#[test]
fn an_imported_root_runs_here_and_is_read_by_peers() {
    let context = TestContext::without_registries();
    let folder = context.path("tree");
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::copy("/bin/busybox", folder.join("bin/busybox")).unwrap();
    std::os::unix::fs::symlink("busybox", folder.join("bin/sh")).unwrap();
    let archive = tar_of(&context, &folder);
    let archive = archive.to_str().unwrap();
    let change = ["import", "-c", r#"CMD ["/bin/sh", "-c", "echo imported"]"#, "-m", "by hand"];
    context.isopod(change.iter().chain(&[archive, "made:1"])).succeeds();
    context.isopod(["run", "--rm", "--network", "none", "made:1"]).prints("imported\n");
    let config = config_by_skopeo(&context, "made:1");
    assert_eq!(config["history"][0]["comment"], "by hand");
    assert_eq!(comparable(&by_umoci(&context, "made:1")), comparable(&look(&folder, &[])));
    // Compressed, through a pipe, for another machine.
    let bytes = isopod_tests::handmade::filter("gzip", &["-c"], &fs::read(archive).unwrap());
    let import = context.command(["import", "--platform", "linux/arm64/v8", "-", "made:arm"]);
    import.stdin(bytes).run().succeeds();
    let config = config_by_skopeo(&context, "made:arm");
    assert_eq!((&config["architecture"], &config["os"]), (&json!("arm64"), &json!("linux")));
    assert_eq!(config["rootfs"], config_by_skopeo(&context, "made:1")["rootfs"]);
}

#[test]
fn what_is_no_root_is_not_imported_and_leaves_nothing() {
    let context = TestContext::without_registries();
    for bytes in [&b""[..], b"no archive", &[0x1f, 0x8b, 8, 0, 0]] {
        let import = context.command(["import", "-", "made:1"]).stdin(bytes).run();
        import.fails_with(1);
    }
    context.isopod(["import", "/does/not/exist"]).fails_with(1).complains_of("/does/not/exist");
    let url = context.isopod(["import", "https://example.com/root.tar"]);
    url.fails_with(125).complains_of("https://example.com/root.tar").complains_of("curl");
    context.isopod(["images", "-q"]).succeeds().prints_nothing();
    for folder in ["ingest", "blobs/sha256"] {
        let folder = context.path("root/content").join(folder);
        let left: Vec<_> = fs::read_dir(&folder).into_iter().flatten().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn images_without_a_name_are_listed_named_and_pruned() {
    let context = TestContext::with(["busybox"]);
    let create = ["create", "--name", "c1", "--network", "none", "busybox", "true"];
    context.isopod(create).succeeds();
    let commit = |message: &str| {
        context.isopod(["commit", "-m", message, "c1"]).succeeds().line().to_owned()
    };
    let (first, second) = (commit("first"), commit("second"));
    let dangling = ["images", "-q", "--no-trunc", "-f"];
    let listed = context.isopod(dangling.iter().chain(&["dangling=true"]));
    let mut ids = listed.lines();
    ids.sort_unstable();
    let mut expected = [first.as_str(), &second];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let named = context.isopod(["images", "-f", "dangling=false", "--format", "{{.Repository}}"]);
    named.prints("busybox\n");
    context.isopod(["images"]).mentions("<none>       <none>");
    let inspected = ["image", "inspect", "--format", "{{.RepoTags}} {{.RepoDigests}}", &first];
    context.isopod(inspected).prints("[] []\n");
    // It is saved and loaded without one, too.
    let archive = context.path("nameless.tar");
    context.isopod(["save", "-o", archive.to_str().unwrap(), &second]).succeeds();
    context.isopod(["rmi", &second]).succeeds().never_mentions("Untagged");
    let load = context.isopod(["load", "-i", archive.to_str().unwrap()]);
    load.succeeds().prints(&format!("Loaded image ID: {second}\n"));
    // A name takes it out of what is pruned.
    context.isopod(["tag", &first, "named"]).succeeds();
    assert_eq!(context.isopod(dangling.iter().chain(&["dangling=true"])).line(), second);
    let asked = context.command(["image", "prune"]).stdin("n\n").run();
    asked.succeeds().prints_nothing().complains_of("all dangling images");
    let pruned = context.isopod(["image", "prune", "-f"]);
    pruned.succeeds().mentions("Deleted Images:").mentions(&format!("deleted: {second}"));
    pruned.mentions("Total reclaimed space: ");
    context.isopod(["image", "prune", "-f"]).succeeds().prints("Total reclaimed space: 0B\n");
    // What a container uses stays, and so does what a filter spares.
    context.isopod(["image", "prune", "-af", "--filter", "until=2000-01-01"]).succeeds();
    context.isopod(["image", "inspect", "named"]).succeeds();
    context.isopod(["image", "prune", "-af"]).succeeds().mentions("untagged: named:latest");
    context.isopod(["images", "--format", "{{.Repository}}"]).prints("busybox\n");
}

/// docker's commit keeps the check that the container had, and takes the instruction of a Dockerfile.
#[test]
fn a_committed_image_has_the_containers_health_check_or_the_one_that_is_asked_for() {
    let context = TestContext::with(["busybox"]);
    let health = ["--health-cmd", "test -e /ok", "--health-retries", "2"];
    let create = ["create", "--name", "c1", "--network", "none"].iter().chain(&health);
    context.isopod(create.chain(&["busybox", "sleep", "600"])).succeeds();
    let check = |change: &[&str]| {
        context.isopod(["commit"].iter().chain(change).chain(&["c1", "made"])).succeeds();
        context.isopod(["inspect", "-f", "{{json .Config.Healthcheck}}", "made"])
    };
    check(&[]).prints("{\"Test\":[\"CMD-SHELL\",\"test -e /ok\"],\"Retries\":2}\n");
    check(&["--change", "HEALTHCHECK --interval=2s CMD [\"true\"]"])
        .prints("{\"Test\":[\"CMD\",\"true\"],\"Interval\":2000000000}\n");
    check(&["--change", "HEALTHCHECK NONE"]).prints("{\"Test\":[\"NONE\"]}\n");
    let wrong = ["commit", "--change", "HEALTHCHECK --retries=no CMD true", "c1", "made"];
    context.isopod(wrong).fails_with(1).complains_of("--retries=no");
}

#[test]
fn a_commit_never_follows_a_link_out_of_the_container() {
    let context = TestContext::with(["busybox"]);
    let secret = context.path("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("canary"), "of the host").unwrap();
    let run = ["run", "-d", "--name", "c1", "--network", "none", "busybox", "sleep", "600"];
    context.isopod(run).succeeds();
    let script = format!(
        "rm -rf /home && ln -s {0} /home && ln -s {0}/canary /canary && ln -s ../../../../../../../.. /up",
        secret.display()
    );
    context.isopod(["exec", "c1", "sh", "-c", &script]).succeeds();
    context.isopod(["commit", "c1", "made"]).succeeds();
    let tree = by_umoci(&context, "made");
    assert!(tree["/canary"].contains(" -> "), "{}", tree["/canary"]);
    assert!(tree["/home"].contains(" -> ") && tree["/up"].contains(" -> "));
    assert!(!tree.keys().any(|path| path.starts_with("/home/") || path.starts_with("/up/")));
}
