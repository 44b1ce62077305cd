//! `events` of the built binary: what is recorded in which order, and following it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use harness::Instance;

/// Everything up to now, in this form.
fn events(instance: &Instance, more: &[&str]) -> Vec<String> {
    let all = [&["events", "--since", "1h", "--until", "0s"], more].concat();
    instance.ok(&all).lines().map(ToOwned::to_owned).collect()
}

const SHORT: &str = "{{.Type}} {{.Action}}";

/// The order in which docker publishes them (its reference of `events`, and moby's daemon).
#[test]
fn a_container_s_life_is_recorded_in_dockers_words() {
    let instance = Instance::with_image();
    let create =
        ["create", "--name", "life", "--network", "none", "--label", "app=web", "-v", "data:/d"];
    instance.ok(&[&create[..], &["box", "sleep", "100"]].concat());
    instance.ok(&["start", "life"]);
    instance.ok(&["exec", "life", "echo", "hi"]);
    instance.ok(&["pause", "life"]);
    instance.ok(&["unpause", "life"]);
    instance.ok(&["restart", "-t", "0", "life"]);
    instance.ok(&["kill", "-s", "USR1", "life"]);
    instance.ok(&["rm", "-f", "life"]);
    let of_container =
        events(&instance, &["--filter", "type=container", "--format", "{{.Action}}"]);
    assert_eq!(
        of_container,
        [
            "create",
            "start",
            "exec_create: echo hi",
            "exec_start: echo hi",
            "exec_die",
            "pause",
            "unpause",
            "kill",
            "kill",
            "die",
            "stop",
            "start",
            "restart",
            "kill",
            "kill",
            "die",
            "stop",
            "destroy"
        ]
    );
    let of_volume = events(&instance, &["--filter", "type=volume", "--format", "{{.Action}}"]);
    assert_eq!(of_volume, ["create", "mount", "unmount", "mount", "unmount"]);
    let deaths = events(&instance, &["--filter", "event=die", "--format", "json"]);
    let death: serde_json::Value = serde_json::from_str(&deaths[0]).unwrap();
    let known = &death["Actor"]["Attributes"];
    assert_eq!((&known["exitCode"], &known["app"]), (&"137".into(), &"web".into()));
    assert_eq!((&known["image"], &known["name"]), (&"box".into(), &"life".into()));
    let line = &events(&instance, &["--filter", "event=kill"])[0];
    assert!(line.ends_with("(app=web, image=box, name=life, signal=15)"), "{line}");
}

#[test]
fn the_end_never_comes_before_the_start() {
    let instance = Instance::with_image();
    for _ in 0..5 {
        instance.ok(&["run", "--rm", "--network", "none", "box", "true"]);
    }
    let of_container =
        events(&instance, &["--filter", "type=container", "--format", "{{.Action}}"]);
    assert_eq!(of_container, ["create", "attach", "start", "die", "destroy"].repeat(5));
}

#[test]
fn images_are_recorded() {
    let instance = Instance::with_image();
    instance.ok(&["tag", "box", "other:1"]);
    instance.ok(&["save", "-o", instance.path("out.tar").to_str().unwrap(), "box"]);
    instance.ok(&["rmi", "box"]);
    instance.ok(&["rmi", "other:1"]);
    assert_eq!(
        events(&instance, &["--filter", "type=image", "--format", "{{.Action}}"]),
        ["load", "tag", "save", "untag", "untag", "delete"]
    );
    let tagged =
        events(&instance, &["--filter", "event=tag", "--format", "{{.Actor.Attributes.name}}"]);
    assert_eq!(tagged, ["other:1"]);
}

fn follow(instance: &Instance, more: &[&str]) -> (Child, impl Iterator<Item = String> + use<>) {
    let arguments = [&["events", "--format", SHORT], more].concat();
    let mut child = instance.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    (child, lines)
}

/// Followers that began before any of it see all of it, over a rotation too.
#[test]
fn several_follow_over_a_rotation() {
    let instance = Instance::new();
    // From the beginning, so that it does not matter when they have begun to look.
    let mut followers: Vec<_> = (0..2).map(|_| follow(&instance, &["--since", "1h"])).collect();
    instance.ok(&["volume", "create", "one"]);
    let journal = instance.path("root/events/journal");
    fs::rename(&journal, instance.path("root/events/journal.1")).unwrap();
    instance.ok(&["volume", "create", "two"]);
    instance.ok(&["volume", "rm", "two"]);
    for (child, lines) in &mut followers {
        let seen: Vec<String> = lines.take(3).collect();
        assert_eq!(seen, ["volume create", "volume create", "volume destroy"]);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn following_ends_when_it_was_told_to() {
    let instance = Instance::new();
    instance.ok(&["volume", "create", "before"]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let until = (now.as_secs() + 2).to_string();
    let (mut child, lines) = follow(&instance, &["--until", &until]);
    let seen: Vec<String> = lines.collect();
    assert_eq!(seen, [""; 0], "what was before is not shown without --since");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_journal_that_can_t_be_written_stops_nobody() {
    let instance = Instance::with_image();
    fs::remove_dir_all(instance.path("root/events")).unwrap();
    fs::write(instance.path("root/events"), "no folder").unwrap();
    let done = instance.run(&["run", "--rm", "--network", "none", "box", "echo", "hi"]);
    assert_eq!((done.status, done.out.as_str(), done.err.as_str()), (0, "hi\n", ""));
}

#[test]
fn what_can_t_be_meant_is_refused() {
    let instance = Instance::new();
    for (arguments, named) in [
        (["--since", "sometime"], "--since"),
        (["--until", "sometime"], "--until"),
        (["--filter", "colour=red"], "colour=red"),
        (["--format", "{{.Nope"], "Nope"),
    ] {
        let done = instance.run(&[&["events"], &arguments[..]].concat());
        assert_eq!(done.status != 0, done.err.contains(named), "{arguments:?}: {done:?}");
        assert_ne!(done.status, 0);
    }
}
