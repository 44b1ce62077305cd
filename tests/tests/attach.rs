//! `attach`: several at once, and one that does not read.

use std::process::Stdio;
use std::time::Duration;

use isopod_tests::{TestContext, until};
use nix::sys::signal::Signal;

#[test]
fn all_that_are_attached_see_the_same_and_the_same_end() {
    let context = TestContext::with(["busybox"]);
    let script = "until [ -e /go ]; do sleep 0.05; done; seq 100000; exit 6";
    context
        .isopod(["run", "-d", "--network", "none", "--name", "c", "busybox", "sh", "-c", script])
        .succeeds();
    let clients: Vec<_> = (0..5).map(|_| context.command(["attach", "c"]).start()).collect();
    std::thread::sleep(Duration::from_millis(700));
    context.isopod(["exec", "c", "touch", "/go"]).succeeds();
    let all: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    for client in clients {
        let outcome = client.outcome();
        outcome.fails_with(6);
        assert_eq!(outcome.stdout.len(), all.len());
        assert!(outcome.stdout == all);
    }
    let logged = context.isopod(["logs", "c"]);
    assert!(logged.succeeds().stdout == all);
}

#[test]
fn a_reader_that_stands_still_holds_nothing_up() {
    let context = TestContext::with(["busybox"]);
    let script = "until [ -e /go ]; do sleep 0.05; done; seq 3000000; echo end >&2";
    context
        .isopod(["run", "-d", "--network", "none", "--name", "c", "busybox", "sh", "-c", script])
        .succeeds();
    // Its output goes into a pipe that nobody reads.
    let (reader, writer) = std::io::pipe().unwrap();
    let mut stuck = std::process::Command::new(isopod_tests::binary::isopod());
    stuck.args(["attach", "c"]).env_clear().envs(context.environment());
    let mut stuck =
        stuck.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    context.isopod(["exec", "c", "touch", "/go"]).succeeds();
    context.command(["wait", "c"]).deadline(Duration::from_secs(60)).run().succeeds().prints("0\n");
    let logged = context.isopod(["logs", "--tail", "1", "c"]);
    assert_eq!((logged.succeeds().stdout.as_str(), logged.stderr.as_str()), ("", "end\n"));
    stuck.kill().unwrap();
    stuck.wait().unwrap();
    drop(reader);
}

#[test]
fn standard_input_reaches_the_process_once_and_ends_it() {
    let context = TestContext::with(["busybox"]);
    context
        .isopod([
            "run",
            "-d",
            "-i",
            "--network",
            "none",
            "--name",
            "c",
            "busybox",
            "head",
            "-n",
            "2",
        ])
        .succeeds();
    // Without -t the client that fed it leaves; the input of a detached -i container stays open.
    context.command(["attach", "c"]).stdin("a\n").start().outcome_or_kill(Duration::from_secs(2));
    context.command(["attach", "c"]).stdin("b\n").run().fails_with(0);
    context.isopod(["logs", "c"]).prints("a\nb\n");
}

#[test]
fn signals_are_handed_on_unless_told_otherwise() {
    let context = TestContext::with(["busybox"]);
    let script = "trap 'echo usr' USR1; trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done";
    context
        .isopod(["run", "-d", "--network", "none", "--name", "c", "busybox", "sh", "-c", script])
        .succeeds();
    until("the traps", || context.isopod(["logs", "c"]).stdout == "up\n");
    let deaf = context.command(["attach", "--sig-proxy=false", "c"]).start();
    std::thread::sleep(Duration::from_millis(300));
    deaf.signal(Signal::SIGTERM);
    deaf.outcome().fails_with(143);
    let client = context.command(["attach", "c"]).start();
    std::thread::sleep(Duration::from_millis(300));
    client.signal(Signal::SIGUSR1);
    until("the first", || context.isopod(["logs", "c"]).stdout == "up\nusr\n");
    client.signal(Signal::SIGTERM);
    client.outcome().fails_with(4);
}

#[test]
fn only_what_runs_can_be_attached_to() {
    let context = TestContext::with(["busybox"]);
    context.isopod(["create", "--network", "none", "--name", "c", "busybox", "true"]).succeeds();
    context.isopod(["attach", "c"]).fails_with(1).complains_of("c is not running");
    context.isopod(["start", "-a", "c"]).succeeds();
    context.isopod(["attach", "c"]).fails_with(1).complains_of("c is not running");
    context.isopod(["attach", "nobody"]).fails_with(1).complains_of("no such container: nobody");
}
