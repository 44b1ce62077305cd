//! The built binary from outside: names, refusals, statuses. No container is started.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::process::Command;

use harness::{Done, Instance};

fn run(program: &std::path::Path, arguments: &[&str]) -> Done {
    Command::new(program).args(arguments).output().unwrap().into()
}

#[test]
fn a_link_s_name_is_a_personality() {
    let folder = tempfile::tempdir().unwrap();
    let link = |name: &str| {
        let path = folder.path().join(name);
        symlink(env!("CARGO_BIN_EXE_isopod"), &path).unwrap();
        path
    };
    let ctr = link("ctr");
    assert!(
        run(&ctr, &["images", "pull", "--help"])
            .out
            .contains("Usage: ctr images pull [flags] <ref>")
    );
    let nerdctl = link("nerdctl");
    assert!(run(&nerdctl, &["run", "--help"]).out.contains("Usage: nerdctl run [OPTIONS] IMAGE"));
    for name in ["kubectl", "kind"] {
        let done = run(&link(name), &["ps"]);
        assert_eq!(done.status, 125, "{name}");
        assert!(
            done.err.starts_with(&format!("{name}: the {name} command line is not part")),
            "{done:?}"
        );
        assert!(done.err.contains("isopod ctr"), "{done:?}");
    }
}

/// docker takes the word for a template; nerdctl's reference has it beside `table` and `json`.
#[test]
fn a_wide_list_is_nerdctls() {
    let instance = Instance::with_image();
    instance.ok(&["create", "--network", "none", "--name", "one", "box"]);
    let by = |name: &str, arguments: &[&str]| {
        let link = instance.path(name);
        symlink(env!("CARGO_BIN_EXE_isopod"), &link).ok();
        let mut command = instance.command(arguments);
        let mut named = Command::new(link);
        named
            .args(arguments)
            .envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let done: Done = named.output().unwrap().into();
        command.stdin(std::process::Stdio::null());
        assert_eq!(done.status, 0, "{done:?}");
        done.out
    };
    for name in ["nerdctl", "isopod"] {
        let shown = by(name, &["ps", "-a", "--format", "wide"]);
        let words: Vec<&str> = shown.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(words[words.len() - 4..], ["NAMES", "RUNTIME", "PLATFORM", "SIZE"], "{shown}");
        assert!(shown.contains("linux/amd64") || shown.contains("linux/arm64"), "{shown}");
        for list in
            [&["images"] as &[_], &["network", "ls"], &["volume", "ls"], &["history", "box"]]
        {
            let wide = by(name, &[list, &["--format", "wide"]].concat());
            assert_eq!(wide, by(name, &[list, &["--format", "table"]].concat()));
        }
        assert!(by(name, &["ps", "-aq", "--format", "wide"]).trim().len() == 12);
    }
    assert_eq!(by("docker", &["ps", "-a", "--format", "wide"]), "wide\n");
}

#[test]
fn wrong_command_lines_have_their_statuses_and_say_one_thing() {
    let instance = Instance::new();
    for (arguments, status, text) in [
        (
            &["run", "--gpus", "all", "x"] as &[&str],
            125,
            "isopod: `isopod run --gpus` is not supported: ",
        ),
        (&["compose", "up"], 125, "isopod: `isopod compose` is not supported: "),
        (&["ps", "-f", "nosuch=1"], 1, "isopod: invalid --filter \"nosuch=1\""),
        (&["ps", "-f", "nosuch"], 125, "isopod: invalid --filter \"nosuch\""),
        (&["ps", "-f", "status=odd"], 1, "isopod: invalid --filter \"status=odd\""),
        (&["images", "-f", "nosuch=1"], 1, "isopod: invalid --filter \"nosuch=1\""),
        (&["network", "ls", "-f", "nosuch=1"], 1, "isopod: invalid --filter \"nosuch=1\""),
        (&["volume", "prune", "-f", "--filter", "no=1"], 1, "isopod: invalid --filter \"no=1\""),
        (&["events", "--until", "0", "-f", "no=1"], 1, "isopod: invalid --filter \"no=1\""),
        (&["ps", "--frobnicate"], 125, "isopod: unknown flag: --frobnicate\n"),
        (&["ctr", "images", "mount", "x"], 1, "ctr: `isopod ctr images mount` is not supported: "),
        (
            &["ctr", "--address", "/x", "c", "ls"],
            1,
            "ctr: `isopod ctr --address` is not supported: ",
        ),
        (
            &["run", "--network", "none", "-p", "80", "x"],
            125,
            "isopod: --publish and --network none exclude each other\n",
        ),
        (
            &["run", "--network", "none", "-m", "lots", "x"],
            125,
            "isopod: invalid --memory \"lots\": ",
        ),
        // What is no name of an image is not looked for.
        (&["run", "--network", "none", "BOX"], 125, "isopod: unusable image name \"BOX\": "),
        (&["stop", "nobody"], 1, "isopod: no such container: nobody\n"),
        (&["rmi", "nothing"], 1, "isopod: no such image: nothing\n"),
        (
            &["run", "--network", "none", "--pull", "never", "nothing"],
            125,
            "isopod: no such image: nothing\n",
        ),
    ] {
        let done = instance.run(arguments);
        assert_eq!(done.status, status, "{arguments:?}: {done:?}");
        assert!(done.err.starts_with(text), "{arguments:?}: {done:?}");
        assert_eq!(done.out, "", "{arguments:?}");
        assert!(done.err.lines().count() <= 2, "{arguments:?}: {done:?}");
    }
}

#[test]
fn without_root_nothing_is_touched_and_help_still_works() {
    let folder = tempfile::tempdir().unwrap();
    // The build's folder may not be reachable for others.
    let program = folder.path().join("isopod");
    std::fs::copy(env!("CARGO_BIN_EXE_isopod"), &program).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let root = folder.path().join("root");
    let as_nobody = |arguments: &[&str]| -> Done {
        let mut command = Command::new(&program);
        command.args(arguments).env("ISOPOD_ROOT", &root).uid(65534).gid(65534);
        command.output().unwrap().into()
    };
    let done = as_nobody(&["ps"]);
    assert_eq!(done.status, 1);
    assert_eq!(
        done.err,
        "isopod: this needs root, and the effective user id is 65534\nhint: try it with sudo\n"
    );
    assert!(!root.exists());
    assert_eq!(as_nobody(&["run", "--network", "none", "x"]).status, 125);
    assert_eq!(as_nobody(&["version"]).status, 0);
    assert_eq!(as_nobody(&["run", "--help"]).status, 0);
}

#[test]
fn completion_is_made_for_three_shells() {
    let instance = Instance::new();
    for (shell, mark) in [
        ("bash", "complete -F _isopod"),
        ("zsh", "#compdef isopod"),
        ("fish", "complete -c isopod"),
    ] {
        let script = instance.ok(&["completion", shell]);
        assert!(script.contains(mark), "{shell}");
        assert!(script.contains("pids-limit"), "{shell}");
    }
}

#[test]
fn an_unknown_field_of_the_configuration_is_refused() {
    let instance = Instance::new();
    std::fs::write(instance.path("config.toml"), "rooot = \"/x\"\n").unwrap();
    let done = instance.run(&["ps"]);
    assert_eq!(done.status, 125);
    assert!(done.err.contains("rooot") && done.err.contains("config.toml"), "{done:?}");
}

#[test]
fn images_are_listed_tagged_exported_and_removed() {
    let instance = Instance::with_image();
    assert_eq!(instance.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]), "box:latest");
    instance.ok(&["tag", "box", "other/box:1"]);
    assert_eq!(
        instance.ok(&["ctr", "i", "ls", "-q"]),
        format!("{}\ndocker.io/other/box:1", harness::IMAGE)
    );
    let archive = instance.path("out.tar");
    instance.ok(&["ctr", "i", "export", archive.to_str().unwrap(), harness::IMAGE]);
    // A peer reads what we wrote.
    let reference = format!("oci-archive:{}", archive.display());
    let inspected = Command::new("skopeo").args(["inspect", "--raw", &reference]).output().unwrap();
    let digest = instance.ok(&["image", "inspect", "-f", "{{.Descriptor.digest}}", "box"]);
    assert!(inspected.status.success(), "{inspected:?}");
    let raw = String::from_utf8(inspected.stdout).unwrap();
    let stored = instance.ok(&["ctr", "content", "get", &digest]);
    assert_eq!(raw.trim(), stored.trim());
    assert_eq!(instance.ok(&["rmi", "other/box:1"]), "Untagged: other/box:1");
    assert!(instance.ok(&["rmi", "box"]).contains("Deleted: sha256:"));
    assert_eq!(instance.ok(&["images", "-q"]), "");
    instance.ok(&["ctr", "i", "import", archive.to_str().unwrap()]);
    assert!(instance.ok(&["ctr", "i", "check"]).contains("complete (3/3)"));
    let archive = instance.path("saved.tar");
    let archive = archive.to_str().unwrap();
    instance.ok(&["save", "-o", archive, "box"]);
    instance.ok(&["rmi", "box"]);
    assert_eq!(instance.ok(&["load", "-i", archive]), "Loaded image: box:latest");
    // docker's own part of the archive, read by a peer.
    let docker = Command::new("skopeo")
        .args(["inspect", &format!("docker-archive:{archive}")])
        .output()
        .unwrap();
    assert!(docker.status.success(), "{docker:?}");
}
