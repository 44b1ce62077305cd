//! Hooks: when, with which state, and what becomes of a container whose hook fails
//! (runtime-spec, runtime.md "Lifecycle", config.md "POSIX-platform Hooks").

use std::fs;
use std::os::unix::fs::PermissionsExt;

use isopod_tests::until;
use serde_json::{Value, json};

use crate::bundle::Bundle;

const STAGES: [&str; 5] = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];

/// A hook that writes down its stage and what it reads; that of `failing` fails.
fn with_hooks(failing: &str) -> Bundle {
    let bundle = Bundle::new();
    let log = bundle.path("hooks.log");
    let script = bundle.path("hook");
    let text = format!(
        "#!/bin/sh\necho \"$1 $(cat)\" >> {}\n[ $1 != {failing} ] || {{ echo told >&2; exit 4; }}\n",
        log.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let mut hooks = serde_json::Map::new();
    for stage in STAGES {
        let env = ["PATH=/usr/bin:/bin"];
        hooks.insert(
            stage.to_owned(),
            json!([{"path": script, "args": ["hook", stage], "env": env}]),
        );
    }
    // In the container: its own programs.
    let inside = json!([{"path": "/bin/sh", "args": ["sh", "-c", "cat > /started"]}]);
    hooks.insert("startContainer".to_owned(), inside);
    bundle.set("/root/readonly", json!(false)).set("/hooks", hooks.into());
    bundle.set("/annotations", json!({"a": "b"}));
    bundle
}

fn read(bundle: &Bundle) -> Vec<(String, Value)> {
    let log = fs::read_to_string(bundle.path("hooks.log")).unwrap_or_default();
    log.lines()
        .map(|line| {
            let (stage, state) = line.split_once(' ').unwrap();
            (stage.to_owned(), serde_json::from_str(state).unwrap())
        })
        .collect()
}

#[test]
fn hooks_run_in_their_order_and_read_the_state() {
    let bundle = with_hooks("none");
    let ours = bundle.ours();
    assert_eq!(ours.leave(&["create", "c1"]), 0, "{}", ours.left());
    let pid = ours.state("c1")["pid"].clone();
    let stages =
        |bundle: &Bundle| read(bundle).into_iter().map(|(stage, _)| stage).collect::<Vec<_>>();
    assert_eq!(stages(&bundle), STAGES[..3]);
    let started = bundle.path("bundle/rootfs/started");
    assert!(!started.exists());
    assert_eq!(ours.run(&["start", "c1"]).status, 0);
    assert_eq!(stages(&bundle), STAGES[..4]);
    until("the hook in the container", || fs::metadata(&started).is_ok_and(|file| file.len() > 0));
    assert_eq!(ours.run(&["delete", "-f", "c1"]).status, 0);
    assert_eq!(stages(&bundle), STAGES);

    let states = read(&bundle);
    let real = bundle.path("bundle").canonicalize().unwrap();
    for (stage, state) in &states {
        assert_eq!(state["id"], "c1", "{stage}");
        assert_eq!(state["bundle"], real.to_str().unwrap(), "{stage}");
        assert_eq!(state["annotations"], json!({"a": "b"}), "{stage}");
    }
    assert_eq!(states[0].1["pid"], pid);
    assert_eq!(states[1].1["pid"], pid);
    let statuses: Vec<&Value> = states.iter().map(|(_, state)| &state["status"]).collect();
    assert_eq!(statuses, ["creating", "creating", "creating", "running", "stopped"]);
    let inside: Value = serde_json::from_slice(&fs::read(started).unwrap()).unwrap();
    assert_eq!((&inside["status"], &inside["pid"]), (&json!("created"), &json!(1)));
}

#[test]
fn a_failing_hook_before_the_start_ends_the_creation() {
    for failing in &STAGES[..3] {
        let bundle = with_hooks(failing);
        let ours = bundle.ours();
        assert_eq!(ours.leave(&["create", "c1"]), 1);
        let said = ours.left();
        let expected = format!("error running {failing} hook #0");
        assert!(
            said.contains(&expected) && said.contains("exit status: 4, output: told"),
            "{said}"
        );
        assert_eq!(ours.run(&["list", "-q"]).out, "");
    }
}

#[test]
fn a_failing_hook_after_the_start_is_only_told() {
    for failing in &STAGES[3..] {
        let bundle = with_hooks(failing);
        let ours = bundle.ours();
        bundle.runs(&["true"]);
        assert_eq!(ours.leave(&["run", "c1"]), 0, "{}", ours.left());
        let said = ours.left();
        assert!(
            said.contains(&format!("level=warning msg=\"error running {failing} hook #0")),
            "{said}"
        );
        assert_eq!(ours.run(&["list", "-q"]).out, "");
    }
}
