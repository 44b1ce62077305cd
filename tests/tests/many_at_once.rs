//! Twenty containers at once, by twenty commands that know nothing of each other: all work, and
//! nothing is left of any.

use std::fs;
use std::path::PathBuf;

use isopod_tests::{TestContext, leftovers, until};

const MANY: usize = 20;

/// Nothing of any container is left: no folder, process, mount or cgroup, nor a parent of one.
#[track_caller]
fn nothing_is_left(context: &TestContext) {
    let empty = |path: PathBuf| fs::read_dir(path).is_ok_and(|mut all| all.next().is_none());
    until("the end of the folders", || {
        empty(context.path("root/containers"))
            && empty(context.path("root/snapshots"))
            && empty(context.path("root/volumes"))
            && empty(context.path("state/containers"))
    });
    until("the end of the cgroups", || leftovers::cgroups_called(&context.cgroup()).is_empty());
    until("the end of the processes", || {
        leftovers::processes_that_hold(context.folder()).is_empty()
    });
    assert!(leftovers::mounts_below(context.folder()).is_empty());
}

#[test]
fn those_that_go_by_themselves() {
    let context = TestContext::with(["busybox"]);
    let running: Vec<_> = (0..MANY)
        .map(|n| {
            let script = format!("echo {n} > /v/x; cat /v/x");
            let words =
                ["run", "--rm", "--network", "none", "-v", "/v", "busybox", "sh", "-c", &script];
            context.command(words).start()
        })
        .collect();
    for (n, run) in running.into_iter().enumerate() {
        run.outcome().succeeds().prints(&format!("{n}\n")).complains_of_nothing();
    }
    nothing_is_left(&context);
}

#[test]
fn detached_ones_that_go_by_themselves() {
    let context = TestContext::with(["busybox"]);
    let words = ["run", "-d", "--rm", "--network", "none", "-v", "/v", "busybox", "true"];
    let running: Vec<_> = (0..MANY).map(|_| context.command(words).start()).collect();
    for run in running {
        run.outcome().succeeds().complains_of_nothing();
    }
    nothing_is_left(&context);
}

#[test]
fn those_that_are_started_stopped_and_removed_by_name() {
    let context = TestContext::with(["busybox"]);
    let names: Vec<String> = (0..MANY).map(|n| format!("c{n}")).collect();
    let each = |words: &[&str], after: &[&str]| {
        let all: Vec<_> = names
            .iter()
            .map(|name| context.command([words, &[name], after].concat()).start())
            .collect();
        for one in all {
            one.outcome().succeeds();
        }
    };
    each(&["run", "-d", "--network", "none", "--name"], &["busybox", "sleep", "1000"]);
    assert_eq!(context.containers().len(), MANY);
    each(&["exec"], &["true"]);
    each(&["stop", "-t", "0"], &[]);
    each(&["start"], &[]);
    each(&["rm", "-f"], &[]);
    nothing_is_left(&context);
}

#[test]
fn commands_that_fight_over_one_container_lose_cleanly() {
    let context = TestContext::with(["busybox"]);
    let words = ["run", "-d", "--network", "none", "--name", "one", "busybox", "sleep", "1000"];
    let runs: Vec<_> = (0..8).map(|_| context.command(words).start()).collect();
    let outcomes: Vec<_> = runs.into_iter().map(isopod_tests::Running::outcome).collect();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.code == 0).count(), 1);
    for lost in outcomes.iter().filter(|outcome| outcome.code != 0) {
        lost.fails_with(125).complains_of("in use already");
    }
    let removals: Vec<_> = (0..8).map(|_| context.command(["rm", "-f", "one"]).start()).collect();
    for removal in removals {
        // Who comes late says so, as docker's does.
        let done = removal.outcome().succeeds().clone();
        assert!(done.stderr.is_empty() || done.stderr.contains("no such container"), "{done}");
    }
    nothing_is_left(&context);
}
