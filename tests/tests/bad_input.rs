//! What can't be: one clear error, its exit status, and nothing left behind.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use isopod_tests::{TestContext, until};

#[test]
fn without_root_nothing_is_begun() {
    let context = TestContext::without_registries();
    let isopod = context.path("isopod");
    fs::copy(isopod_tests::binary::isopod(), &isopod).unwrap();
    fs::set_permissions(context.folder(), fs::Permissions::from_mode(0o755)).unwrap();
    for words in [&["run", "--network", "none", "busybox", "true"][..], &["ps"], &["images"]] {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&isopod);
        command.args(words).env_clear().envs(context.environment());
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(if words[0] == "run" { 125 } else { 1 }), "{error}");
        assert!(error.contains("root") && !error.contains("panicked"), "{error}");
        assert!(output.stdout.is_empty());
    }
    assert!(fs::read_dir(context.path("root")).unwrap().next().is_none());
    assert!(fs::read_dir(context.path("state")).unwrap().next().is_none());
}

#[test]
fn a_name_is_free_or_the_error_says_whose_it_is() {
    let context = TestContext::with(["busybox"]);
    let create =
        |name: &str| context.isopod(["create", "--network", "none", "--name", name, "busybox"]);
    let id = create("ab").line().to_owned();
    create("ab").fails_with(1).complains_of("container ab (").complains_of(&id[..12]);
    create(&id).fails_with(1).complains_of("in use");
    for wrong in ["a b", "a/b", "..", "ä", "_a"] {
        create(wrong).complains_of("container name");
        assert_ne!(context.isopod(["rename", "ab", wrong]).code, 0, "{wrong}");
    }
    let ctr =
        |id: &str| context.isopod(["ctr", "c", "create", "docker.io/library/busybox:latest", id]);
    ctr("b").succeeds();
    ctr("b").fails_with(1).complains_of("container id \"b\" is in use");
    ctr("../b").fails_with(1).complains_of("container id");
    assert_eq!(context.containers().len(), 2);
}

#[test]
fn a_beginning_of_an_id_names_one_container_or_none() {
    let context = TestContext::with(["busybox"]);
    for id in ["aab", "aac", "b"] {
        context.isopod(["ctr", "c", "create", "docker.io/library/busybox:latest", id]).succeeds();
    }
    context.isopod(["inspect", "-f", "{{.Id}}", "aab"]).prints("aab\n");
    context.isopod(["rm", "a"]).fails_with(1).complains_of("aab, aac");
    context.isopod(["rm", "aa"]).fails_with(1).complains_of("fits more than one container");
    context.isopod(["rm", "aabb", ""]).fails_with(1).complains_of("no such container: aabb");
    context.isopod(["rm", "aab"]).succeeds();
    context.isopod(["rm", "a"]).succeeds();
    assert_eq!(context.containers(), ["b"]);
}

#[test]
fn namespaces_do_not_see_each_other() {
    let context = TestContext::with(["busybox"]);
    let image = "docker.io/library/busybox:latest";
    context.isopod(["ctr", "-n", "one", "run", "-d", image, "c", "sleep", "1000"]).succeeds();
    context.isopod(["ctr", "-n", "two", "run", "-d", image, "c", "sleep", "1000"]).succeeds();
    context
        .isopod(["ctr", "-n", "three", "tasks", "kill", "c"])
        .fails_with(1)
        .complains_of("no such container");
    context.isopod(["ctr", "-n", "one", "tasks", "rm", "-f", "c"]).succeeds();
    context.isopod(["ctr", "-n", "two", "tasks", "ls"]).succeeds().mentions("RUNNING");
    assert!(context.containers().is_empty());
    context.isopod(["ctr", "-n", "two", "tasks", "rm", "-f", "c"]).succeeds();
    for namespace in ["one", "two"] {
        context.isopod(["ctr", "-n", namespace, "c", "rm", "c"]).succeeds();
    }
}

#[test]
fn values_that_can_not_be_are_named_before_anything_happens() {
    let context = TestContext::with(["busybox"]);
    let mut wrong = Vec::new();
    for (flag, value) in [
        ("--memory", "lots"),
        ("--memory", "1k"),
        ("--cpus", "-1"),
        ("--cpus", "many"),
        ("--pids-limit", "x"),
        ("--cpuset-cpus", "900"),
        ("--cap-add", "NOSUCH"),
        ("--ulimit", "nofile"),
        ("--ulimit", "nosuch=1"),
        ("--tmpfs", "relative"),
        ("--volume", "a:b:c:d"),
        ("--volume", "/host:relative"),
        ("--volume", "rel:/x:zz"),
        ("--cidfile", "/no/such/folder/id"),
        ("--mount", "type=bind,target=/x"),
        ("--mount", "type=bind,source=/no/such/folder,target=/x"),
        ("--network", "nosuch"),
        ("--user", "nosuchuser"),
        ("--stop-signal", "NOSUCH"),
        ("--security-opt", "nosuch=1"),
        ("--security-opt", "seccomp=/no/such/file"),
        ("--sysctl", "kernel.hostname=x"),
        ("--device", "/dev/nosuch"),
        ("--env-file", "/no/such/file"),
        ("--log-driver", "nosuch"),
        ("--restart", "always"),
        ("--workdir", "relative"),
        ("--detach-keys", "ctrl-ctrl"),
    ] {
        let outcome =
            context.isopod(["run", "--rm", "--network", "none", flag, value, "busybox", "true"]);
        let first = outcome.stderr.lines().next().unwrap_or_default();
        let is_clear = first.starts_with("isopod: ") && first.len() > 20;
        if outcome.code != 125 || !is_clear || outcome.stderr.contains("panicked") {
            wrong.push(outcome.to_string());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(context.containers().is_empty());
    // Nor is what stands before it on the command line done.
    let (made, id) = (context.path("made").display().to_string(), context.path("id"));
    let (bind, cidfile) = (format!("{made}:/x"), id.display().to_string());
    let first = ["create", "--network", "none", "-v", &bind, "-v", "rel:/y", "--cidfile", &cidfile];
    for (flag, value) in [("--ulimit", "nosuch=1"), ("--volume", "/tmp:/z:zz"), ("-v", "rel:/x:zz")]
    {
        let refused = context.isopod(first.into_iter().chain([flag, value, "busybox"]));
        assert_ne!(refused.code, 0, "{refused}");
        assert!(!Path::new(&made).exists() && !id.exists(), "{flag} {value}");
    }
    context.isopod(["volume", "ls", "-q"]).prints_nothing();
    assert!(
        fs::read_dir(context.path("root/volumes")).map_or(true, |mut all| all.next().is_none())
    );
}

/// Puts `text` in the place of a file of a container's.
fn damage(context: &TestContext, container: &str, file: &str, text: &str) {
    let id = context.isopod(["inspect", "-f", "{{.Id}}", container]);
    fs::write(context.path("root/containers/default").join(id.line()).join(file), text)
        .expect("it is there");
}

#[test]
fn a_damaged_container_hides_no_other_and_can_be_removed() {
    let context = TestContext::with(["busybox"]);
    let run = |name: &str| {
        context
            .isopod([
                "run",
                "-d",
                "--network",
                "none",
                "-v",
                "/v",
                "--name",
                name,
                "busybox",
                "sleep",
                "1000",
            ])
            .line()
            .to_owned()
    };
    run("whole");
    for text in ["", "{", "[]", "{\"version\":1}", "\0\0\0"] {
        let id = run("hurt");
        damage(&context, "hurt", "status.json", text);
        let listed = context.isopod(["ps", "-a", "--format", "{{.Names}}"]);
        listed.fails_with(1).prints("whole\n").complains_of(&id).complains_of("is damaged");
        context.isopod(["ctr", "tasks", "ls"]).fails_with(1).complains_of(&id).mentions("RUNNING");
        context.isopod(["exec", "whole", "true"]).succeeds();
        context.isopod(["rm", "hurt"]).fails_with(1).complains_of("is damaged");
        context.isopod(["rm", "-f", "-v", "hurt"]).succeeds();
        context.isopod(["ps", "-a", "--format", "{{.Names}}"]).succeeds().prints("whole\n");
    }
    // A launch description is needed only for the next clean-up.
    run("hurt");
    damage(&context, "hurt", "launch.json", "{");
    context.isopod(["rm", "-f", "-v", "hurt"]).succeeds();
    run("hurt");
    damage(&context, "hurt", "config.json", "{");
    context.isopod(["exec", "hurt", "true"]).fails_with(1).complains_of("config.json");
    context.isopod(["restart", "-t", "0", "hurt"]).succeeds();
    context.isopod(["rm", "-f", "-v", "hurt"]).succeeds();
    context.isopod(["rm", "-f", "-v", "whole"]).succeeds();
    until("the end of the volumes", || {
        fs::read_dir(context.path("root/volumes")).unwrap().next().is_none()
    });
}

#[test]
fn a_full_disk_is_one_clear_error_and_nothing_is_left() {
    let context = TestContext::with(["busybox"]);
    // What runs, goes on when its log can't be written, and its client sees it all.
    let isopod = isopod_tests::binary::isopod();
    let script = format!(
        "set -e
         mount -t tmpfs -o size=32m none {root}
         {isopod} pull -q busybox
         {isopod} run --rm --network none busybox true
         rm {root}/reserve
         head -c 100m /dev/zero > {root}/filler 2>/dev/null || true
         set +e
         {isopod} run --network none busybox true; echo full: $?
         {isopod} ps -a -q
         rm {root}/filler
         {isopod} run --network none --name log busybox seq 1000000 | tail -n 1
         {isopod} ps -a --format '{{{{.Status}}}}' | cut -c 1-10
         {isopod} rm log
         {isopod} run --rm --network none busybox seq 1000000 | tail -n 1
         {isopod} ps -a -q
         {isopod} run --rm --network none busybox true; echo freed: $?",
        root = context.path("root").display(),
        isopod = isopod.display(),
    );
    // In a mount namespace of its own, where the small disk goes with it.
    let outcome = context.command_of("unshare", ["-m", "bash", "-c", &script]).run();
    outcome.succeeds();
    let lines = outcome.lines();
    assert!(lines.contains(&"full: 125"), "{outcome}");
    assert!(lines.ends_with(&["1000000", "Exited (0)", "log", "1000000", "freed: 0"]), "{outcome}");
    outcome.complains_of("o space left");
}
