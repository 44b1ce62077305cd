//! Row 23: which devices a container may open. Whoever may make a node (CAP_MKNOD is one of the
//! fourteen) must not get at the disk behind it.
//!
//! Numbers are those of `Documentation/admin-guide/devices.txt`; whether the machine has that device
//! doesn't matter, as the kernel asks for permission before it looks for a driver.

use isopod_tests::{Outcome, TestContext};

/// Says for the first loop device, made anew, whether it may be read, and written to.
const PROBE: &str = "mknod /loop b 7 0 && echo made
    for how in '<' '>>'; do
        case $(eval \"exec 3$how/loop\" 2>&1) in
            *'Operation not permitted'*) echo refused ;;
            *) echo allowed ;;
        esac
    done";

fn probe(context: &TestContext, options: &[&str]) -> Outcome {
    let head = ["run", "--rm", "--network", "none"];
    let tail = ["busybox", "sh", "-c", PROBE];
    context.isopod(head.iter().chain(options).chain(&tail))
}

#[test]
fn a_node_that_a_container_makes_opens_no_disk() {
    let context = TestContext::with(["busybox"]);
    probe(&context, &[]).prints("made\nrefused\nrefused\n");
    probe(&context, &["--cap-add", "ALL"]).prints("made\nrefused\nrefused\n");
}

#[test]
fn devices_are_allowed_as_asked_for_and_no_further() {
    let context = TestContext::with(["busybox"]);
    let rule = ["--device-cgroup-rule", "b 7:* r"];
    probe(&context, &rule).prints("made\nallowed\nrefused\n");
    probe(&context, &["--device-cgroup-rule", "b 8:* rwm"]).prints("made\nrefused\nrefused\n");
    probe(&context, &["--privileged"]).prints("made\nallowed\nallowed\n");
    let script = "echo > /dev/null && head -c 1 /dev/zero | wc -c && head -c 1 /dev/urandom | wc -c
        : < /dev/full && echo full; ls /dev/pts > /dev/null && : <> /dev/ptmx && echo terminal";
    context
        .isopod(["run", "--rm", "--network", "none", "busybox", "sh", "-c", script])
        .prints("1\n1\nfull\nterminal\n");
}

#[test]
fn an_exec_a_restart_and_an_update_change_nothing_about_it() {
    let context = TestContext::with(["busybox"]);
    let start = ["run", "-d", "--network", "none", "--name", "c1", "busybox", "sleep", "1000"];
    context.isopod(start).succeeds();
    let exec = || context.isopod(["exec", "c1", "sh", "-c", PROBE]);
    exec().prints("made\nrefused\nrefused\n");
    context.isopod(["update", "-m", "64m", "c1"]).succeeds();
    context.isopod(["exec", "c1", "rm", "/loop"]).succeeds();
    exec().prints("made\nrefused\nrefused\n");
    context.isopod(["restart", "-t", "0", "c1"]).succeeds();
    context.isopod(["exec", "c1", "rm", "/loop"]).succeeds();
    exec().prints("made\nrefused\nrefused\n");
}
