//! `attach`: several at once, and one that does not read.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::process::Stdio;
use std::time::Duration;

use isopod_tests::{TestContext, until};
use nix::sys::signal::Signal;

#[test]
fn all_that_are_attached_see_the_same_and_the_same_end() {
    let context = TestContext::with(["busybox"]);
    let script = "until [ -e /go ]; do sleep 0.05; done; seq 100000; exit 6";
    context
        .isopod(["run", "-d", "--network", "none", "--name", "c1", "busybox", "sh", "-c", script])
        .succeeds();
    let clients: Vec<_> = (0..5).map(|_| context.command(["attach", "c1"]).start()).collect();
    std::thread::sleep(Duration::from_millis(700));
    context.isopod(["exec", "c1", "touch", "/go"]).succeeds();
    let all: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    for client in clients {
        let outcome = client.outcome();
        outcome.fails_with(6);
        assert_eq!(outcome.stdout.len(), all.len());
        assert!(outcome.stdout == all);
    }
    let logged = context.isopod(["logs", "c1"]);
    assert!(logged.succeeds().stdout == all);
}

#[test]
fn a_reader_that_stands_still_holds_nothing_up() {
    let context = TestContext::with(["busybox"]);
    let script = "until [ -e /go ]; do sleep 0.05; done; seq 3000000; echo end >&2";
    context
        .isopod(["run", "-d", "--network", "none", "--name", "c1", "busybox", "sh", "-c", script])
        .succeeds();
    // Its output goes into a pipe that nobody reads.
    let (reader, writer) = std::io::pipe().unwrap();
    let mut stuck = std::process::Command::new(isopod_tests::binary::isopod());
    stuck.args(["attach", "c1"]).env_clear().envs(context.environment());
    let mut stuck =
        stuck.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    context.isopod(["exec", "c1", "touch", "/go"]).succeeds();
    context
        .command(["wait", "c1"])
        .deadline(Duration::from_secs(60))
        .run()
        .succeeds()
        .prints("0\n");
    let logged = context.isopod(["logs", "--tail", "1", "c1"]);
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
            "c1",
            "busybox",
            "head",
            "-n",
            "2",
        ])
        .succeeds();
    // Without -t the client that fed it leaves; the input of a detached -i container stays open.
    context.command(["attach", "c1"]).stdin("a\n").start().outcome_or_kill(Duration::from_secs(2));
    context.command(["attach", "c1"]).stdin("b\n").run().fails_with(0);
    context.isopod(["logs", "c1"]).prints("a\nb\n");
}

/// docker's `create -i` sets `StdinOnce`: `cat` ends with what fed it.
#[test]
fn the_input_of_a_created_container_ends_with_its_client() {
    let context = TestContext::with(["busybox"]);
    context
        .isopod(["create", "-i", "--network", "none", "--name", "c1", "busybox", "cat"])
        .succeeds();
    context.command(["start", "-ai", "c1"]).stdin("abc\n").run().succeeds().prints("abc\n");
}

#[test]
fn signals_are_handed_on_unless_told_otherwise() {
    let context = TestContext::with(["busybox"]);
    let script = "trap 'echo usr' USR1; trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done";
    context
        .isopod(["run", "-d", "--network", "none", "--name", "c1", "busybox", "sh", "-c", script])
        .succeeds();
    until("the traps", || context.isopod(["logs", "c1"]).stdout == "up\n");
    let deaf = context.command(["attach", "--sig-proxy=false", "c1"]).start();
    std::thread::sleep(Duration::from_millis(300));
    deaf.signal(Signal::SIGTERM);
    deaf.outcome().fails_with(143);
    let client = context.command(["attach", "c1"]).start();
    std::thread::sleep(Duration::from_millis(300));
    client.signal(Signal::SIGUSR1);
    until("the first", || context.isopod(["logs", "c1"]).stdout == "up\nusr\n");
    client.signal(Signal::SIGTERM);
    client.outcome().fails_with(4);
}

#[test]
fn only_what_runs_can_be_attached_to() {
    let context = TestContext::with(["busybox"]);
    context.isopod(["create", "--network", "none", "--name", "c1", "busybox", "true"]).succeeds();
    context.isopod(["attach", "c1"]).fails_with(1).complains_of("c1 is not running");
    context.isopod(["start", "-a", "c1"]).succeeds();
    context.isopod(["attach", "c1"]).fails_with(1).complains_of("c1 is not running");
    context.isopod(["attach", "nobody"]).fails_with(1).complains_of("no such container: nobody");
}

/// A shell that says what it reads, at a terminal.
fn echoing(context: &TestContext, name: &str, keys: &[&str]) {
    let head = ["create", "-it", "--network", "none", "--name", name];
    let script = "stty -echo; echo ready; while read line; do echo got $line; done; exit 5";
    let command = ["busybox", "sh", "-c", script];
    context.isopod(head.iter().chain(keys).chain(&command)).succeeds();
    context.isopod(["start", name]).succeeds();
    until("the shell", || context.isopod(["logs", name]).stdout.contains("ready"));
}

#[test]
fn several_terminals_share_one_and_one_that_leaves_ends_no_other() {
    let context = TestContext::with(["busybox"]);
    echoing(&context, "c1", &[]);
    let mut one = context.terminal(["attach", "c1"]);
    let mut two = context.terminal(["attach", "c1"]);
    // Now both are there.
    one.types("\n").expects("got");
    two.types("\n").expects("got");
    one.types("from one\n").expects("got from one");
    two.expects("got from one");
    two.types("from two\n").expects("got from two");
    one.expects("got from two");
    // docker's keys.
    one.types("\x10\x11").expects("read escape sequence\r\n");
    one.exits_with(1);
    two.types("still there\n").expects("got still there");
    assert_eq!(context.isopod(["inspect", "-f", "{{.State.Running}}", "c1"]).stdout, "true\n");
    let mut three = context.terminal(["attach", "c1"]);
    three.types("from three\n").expects("got from three");
    two.expects("got from three").types("\x04");
    for terminal in [two, three] {
        terminal.exits_with(5);
    }
}

#[test]
fn keys_of_ones_choice_leave_attach_run_start_and_exec() {
    let context = TestContext::with(["busybox"]);
    let script = "stty -echo; echo ready; while read line; do echo got $line; done";
    let is_running = |name: &str| {
        context.isopod(["inspect", "-f", "{{.State.Running}}", name]).stdout == "true\n"
    };
    let run = ["run", "-it", "--network", "none", "--name", "c1", "--detach-keys", "ctrl-a,x"];
    let mut terminal = context.terminal(run.iter().chain(&["busybox", "sh", "-c", script]));
    // What only begins like the keys is the container's.
    terminal
        .expects("ready")
        .types("\x01y\n")
        .expects("got \x01y")
        .types("\x01x")
        .expects("read escape sequence\r\n");
    terminal.exits_with(0);
    assert!(is_running("c1"));
    let mut terminal = context.terminal(["attach", "--detach-keys", "q,q", "c1"]);
    terminal.types("q1\n").expects("got q1").types("\x10y\n").expects("got \x10y").types("qq");
    terminal.exits_with(1);
    assert!(is_running("c1"));
    let words = ["exec", "-it", "--detach-keys", "ctrl-@", "c1", "sh", "-c", script];
    let mut terminal = context.terminal(words);
    terminal
        .expects("ready")
        .types("one\n")
        .expects("got one")
        .types("\0")
        .expects("read escape sequence\r\n");
    terminal.exits_with(1);
    assert!(is_running("c1"));
    context.isopod(["stop", "-t", "0", "c1"]).succeeds();
    let mut terminal = context.terminal(["start", "-ai", "--detach-keys", "ctrl-_", "c1"]);
    terminal.expects("ready").types("two\n").expects("got two").types("\x1f");
    terminal.exits_with(0);
    assert!(is_running("c1"));
}

/// docker's event of this name, with what it says of the window.
#[test]
fn a_terminals_new_size_is_in_the_journal() {
    let context = TestContext::with(["busybox"]);
    echoing(&context, "c1", &[]);
    let mut terminal = context.terminal(["attach", "c1"]);
    terminal.types("x\n").expects("got x").resizes(41, 133);
    let format = "{{.Action}} {{.Actor.Attributes.height}}x{{.Actor.Attributes.width}}";
    let sizes = || {
        let words = ["events", "--since", "1h", "--until", "0s", "--filter", "event=resize"];
        context.isopod(words.iter().chain(&["--format", format])).stdout
    };
    until("the event", || sizes().lines().last() == Some("resize 41x133"));
    terminal.types("\x04");
    terminal.exits_with(5);
    // An exec's terminal is not the container's.
    context.isopod(["start", "c1"]).succeeds();
    let before = sizes();
    let mut exec = context.terminal(["exec", "-it", "c1", "sh"]);
    exec.resizes(39, 99).types("stty size\n").expects("39 99").types("exit\n");
    exec.exits_with(0);
    assert_eq!(sizes(), before);
}
