//! `exec`: other processes in a running container.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use isopod_tests::{TestContext, until};

/// An instance whose busybox container `c` runs.
fn running() -> TestContext {
    let context = TestContext::with(["busybox"]);
    context
        .isopod(["run", "-d", "--network", "none", "--name", "c", "busybox", "sleep", "1000"])
        .succeeds();
    context
}

/// How many processes of the container sleep.
fn sleeping(context: &TestContext) -> usize {
    let script = "cat /proc/[0-9]*/comm";
    let outcome = context.isopod(["exec", "c", "sh", "-c", script]);
    outcome.lines().iter().filter(|comm| **comm == "sleep").count()
}

#[test]
fn streams_and_exit_codes_are_the_processes_own() {
    let context = running();
    let outcome = context.isopod(["exec", "c", "sh", "-c", "echo out; echo err >&2; exit 9"]);
    outcome.fails_with(9).prints("out\n");
    assert_eq!(outcome.stderr, "err\n");
    context
        .command(["exec", "-i", "c", "wc", "-c"])
        .stdin("x".repeat(3_000_000))
        .run()
        .prints("3000000\n");
    context.isopod(["exec", "c", "seq", "1000000"]).succeeds().mentions("\n1000000\n");
    context.isopod(["exec", "c", "no-such-command"]).fails_with(127).complains_of("not found");
    context.isopod(["exec", "c", "/etc"]).fails_with(126);
    // A signal that ends it, as a shell sees it.
    context.isopod(["exec", "c", "sh", "-c", "kill -9 $$"]).fails_with(137);
}

#[test]
fn user_folder_and_environment_are_as_said_or_the_containers() {
    let context = TestContext::with(["busybox"]);
    context
        .isopod([
            "run",
            "-d",
            "--network",
            "none",
            "--name",
            "c",
            "-u",
            "1:2",
            "-w",
            "/var",
            "-e",
            "A=1",
            "-e",
            "B=1",
            "busybox",
            "sleep",
            "1000",
        ])
        .succeeds();
    let script = "id -u; id -g; pwd; echo $A$B";
    context.isopod(["exec", "c", "sh", "-c", script]).prints("1\n2\n/var\n11\n");
    let words = ["exec", "-u", "3:4", "-w", "/tmp", "-e", "B=2", "c", "sh", "-c", script];
    context.isopod(words).prints("3\n4\n/tmp\n12\n");
    context.isopod(["exec", "-u", "nobody", "c", "id", "-un"]).prints("nobody\n");
    context.isopod(["exec", "-u", "nosuch", "c", "true"]).fails_with(126).complains_of("nosuch");
    context
        .isopod(["exec", "-w", "/no/such", "c", "true"])
        .fails_with(126)
        .complains_of("/no/such");
}

#[test]
fn it_shares_the_containers_namespaces_and_limits() {
    let context = running();
    let script = "for n in pid net mnt uts ipc cgroup; do readlink /proc/$1/ns/$n; done";
    let of_first = context.isopod(["exec", "c", "sh", "-c", script, "sh", "1"]).succeeds().clone();
    let own = context.isopod(["exec", "c", "sh", "-c", script, "sh", "self"]);
    own.prints(&of_first.stdout);
    let script = "grep -E 'Cap|Seccomp:|NoNewPrivs' /proc/$1/status; cat /proc/$1/cgroup";
    let of_first = context.isopod(["exec", "c", "sh", "-c", script, "sh", "1"]).succeeds().clone();
    context.isopod(["exec", "c", "sh", "-c", script, "sh", "self"]).prints(&of_first.stdout);
}

#[test]
fn a_terminal_of_its_own_is_usable_and_can_be_left() {
    let context = running();
    let mut terminal = context.terminal(["exec", "-it", "c", "sh"]);
    terminal.expects("# ").types("stty size\n").expects("24 80");
    terminal.resizes(30, 100).types("stty size\n").expects("30 100");
    terminal.types("exit 4\n");
    terminal.exits_with(4);
    let mut left = context.terminal(["exec", "-it", "c", "sh", "-c", "echo up; sleep 1000; true"]);
    // Only who reads already hears the keys: before that they are the terminal's own.
    left.expects("up").types("\x10\x11");
    left.exits_with(0);
    // The container's own, and the one that was left.
    assert_eq!(sleeping(&context), 2);
}

#[test]
fn detached_it_goes_on_and_its_client_does_not_wait() {
    let context = running();
    context
        .isopod(["exec", "-d", "c", "sh", "-c", "sleep 0.5; echo done > /file"])
        .succeeds()
        .prints_nothing();
    until("its end", || context.isopod(["exec", "c", "cat", "/file"]).stdout == "done\n");
}

#[test]
fn it_needs_a_container_that_runs() {
    let context = running();
    let exec = |hint: &str| {
        context.isopod(["exec", "c", "true"]).fails_with(1).complains_of(hint);
    };
    context
        .isopod(["exec", "other", "true"])
        .fails_with(1)
        .complains_of("no such container: other");
    context.isopod(["pause", "c"]).succeeds();
    exec("paused");
    context.isopod(["unpause", "c"]).succeeds();
    context.isopod(["exec", "c", "true"]).succeeds();
    context.isopod(["kill", "c"]).succeeds();
    exec("not running");
}

#[test]
fn execs_end_with_their_container() {
    let context = running();
    let mut execs: Vec<_> =
        (0..5).map(|_| context.command(["exec", "c", "sleep", "1000"]).start()).collect();
    until("the execs", || sleeping(&context) == 6);
    context.isopod(["kill", "c"]).succeeds();
    for exec in execs.drain(..) {
        exec.outcome().fails_with(137);
    }
}

#[test]
fn many_execs_at_once_are_kept_apart() {
    let context = running();
    let execs: Vec<_> = (0..20)
        .map(|n| context.command(["exec", "c", "sh", "-c", &format!("echo {n}; exit {n}")]).start())
        .collect();
    for (n, exec) in execs.into_iter().enumerate() {
        exec.outcome().fails_with(i32::try_from(n).unwrap()).prints(&format!("{n}\n"));
    }
}

/// docker 20.10: 126 where the process can't be started in a container that runs.
#[test]
fn users_and_folders_that_are_not_there_end_with_126() {
    let context = running();
    for (flag, value) in [("-u", "nosuch"), ("-u", "root:nosuch"), ("-w", "/no/such/folder")] {
        let asked = context.isopod(["exec", flag, value, "c", "true"]);
        asked.fails_with(126).complains_of(value.rsplit(':').next().unwrap());
    }
    // Without anybody who waits, it is the engine that fails.
    context.isopod(["exec", "-d", "-u", "nosuch", "c", "true"]).fails_with(1);
}
