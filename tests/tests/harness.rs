//! The harness holds what it promises: it sees what is left behind, and waits no longer than said.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use isopod_tests::{Invocation, Terminal, leftovers};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

#[test]
fn a_mount_below_a_folder_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("with space");
    std::fs::create_dir(&at).unwrap();
    assert!(leftovers::mounts_below(folder.path()).is_empty());
    mount(Some("none"), &at, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    let found = leftovers::mounts_below(folder.path());
    umount2(&at, MntFlags::MNT_DETACH).unwrap();
    assert_eq!(found, [at]);
}

#[test]
fn a_process_in_a_folder_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new("sleep").arg("60").current_dir(folder.path()).spawn().unwrap();
    let found = leftovers::processes_that_hold(folder.path());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, i32::try_from(child.id()).unwrap());
    assert!(leftovers::processes_that_hold(folder.path()).is_empty());
}

#[test]
fn a_process_in_a_mount_namespace_over_a_folder_is_found() {
    let folder = tempfile::tempdir().unwrap();
    // After the exec only its mounts name the folder.
    let script = format!("mount -t tmpfs none {} && exec sleep 60", folder.path().display());
    let mut child = Command::new("unshare").args(["-m", "sh", "-c", &script]).spawn().unwrap();
    let since = Instant::now();
    let mut found = Vec::new();
    while found.iter().all(|(_, why): &(i32, String)| !why.contains("mountinfo")) {
        assert!(child.try_wait().unwrap().is_none(), "unshare or mount does not work here");
        assert!(since.elapsed() < Duration::from_secs(20), "only {found:?} was found");
        found = leftovers::processes_that_hold(folder.path());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(found.len(), 1);
}

#[test]
fn a_cgroup_below_another_is_found_and_keeps_it_from_going() {
    let name = format!("isopod-harness-{}", std::process::id());
    let parents = ["/sys/fs/cgroup", "/sys/fs/cgroup/pids"].map(|root| Path::new(root).join(&name));
    let parent = parents.iter().find(|parent| fs::create_dir(parent).is_ok()).unwrap();
    fs::create_dir(parent.join("container")).unwrap();
    assert_eq!(leftovers::cgroups_below(&name), [parent.join("container")]);
    assert_eq!(leftovers::remove_cgroup(&name), std::slice::from_ref(parent));
    fs::remove_dir(parent.join("container")).unwrap();
    assert!(leftovers::remove_cgroup(&name).is_empty());
    assert!(!parent.exists());
}

#[test]
fn an_outcome_carries_code_and_both_outputs() {
    let outcome = Invocation::new("sh", ["-c", "cat; echo wrong >&2; exit 3"]).stdin("in\n").run();
    outcome.fails_with(3).prints("in\n").complains_of("wrong");
    Invocation::new("sh", ["-c", "kill -9 $$"]).run().fails_with(137);
}

#[test]
#[should_panic(expected = "should have ended within")]
fn a_command_that_hangs_fails_the_test() {
    Invocation::new("sleep", ["60"]).deadline(Duration::from_millis(50)).run();
}

#[test]
fn nothing_of_our_environment_reaches_a_command() {
    let outcome = Invocation::new("env", [""; 0]).env("GIVEN", "1").run();
    let mut names: Vec<&str> = outcome.lines().iter().filter_map(|l| l.split('=').next()).collect();
    names.sort_unstable();
    assert_eq!(names, ["GIVEN", "PATH"]);
}

#[test]
fn a_terminal_is_a_controlling_terminal() {
    let mut terminal = Terminal::start(Invocation::new(
        "sh",
        ["-c", "stty size; read line </dev/tty; echo \"got $line\"; exit 4"],
    ));
    terminal.expects("24 80").types("hello\n").expects("got hello");
    terminal.exits_with(4);
}
