//! `run` in the foreground: streams, exit codes, terminals, signals, and what is left afterwards.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::time::Duration;

use isopod_tests::{TestContext, until};
use nix::sys::signal::Signal;

fn busybox() -> TestContext {
    TestContext::with(["busybox"])
}

const RUN: [&str; 4] = ["run", "--rm", "--network", "none"];

fn run<'a>(words: &[&'a str]) -> Vec<&'a str> {
    RUN.iter().chain(words).copied().collect()
}

#[test]
fn output_and_errors_arrive_apart() {
    let context = busybox();
    let outcome = context.isopod(run(&["busybox", "sh", "-c", "echo out; echo err >&2"]));
    outcome.succeeds().prints("out\n");
    assert_eq!(outcome.stderr, "err\n");
}

#[test]
fn a_hundred_megabytes_of_output_arrive_whole() {
    let context = busybox();
    let outcome = context.isopod(run(&["--log-driver", "none", "busybox", "seq", "12500000"]));
    outcome.succeeds();
    assert!(outcome.stdout.len() > 100_000_000, "{} bytes", outcome.stdout.len());
    let mut lines = outcome.stdout.lines();
    let is_whole = (1..=12_500_000).all(|n: u32| lines.next() == Some(&n.to_string()));
    assert!(is_whole && lines.next().is_none());
}

#[test]
fn standard_input_is_fed_with_i_alone() {
    let context = busybox();
    let with = context.command(run(&["-i", "busybox", "cat"])).stdin("x\n".repeat(100_000));
    assert_eq!(with.run().succeeds().stdout.len(), 200_000);
    let without = context.command(run(&["busybox", "cat"])).stdin("x\n");
    without.run().succeeds().prints_nothing();
}

#[test]
fn exit_codes_are_the_processes_or_say_why_there_was_none() {
    let context = busybox();
    let ends = |code: i32, words: &[&str]| {
        context.isopod(run(words)).fails_with(code);
    };
    ends(0, &["busybox", "true"]);
    ends(7, &["busybox", "sh", "-c", "exit 7"]);
    ends(255, &["busybox", "sh", "-c", "exit 255"]);
    ends(127, &["busybox", "no-such-command"]);
    ends(127, &["busybox", "/no/such/command"]);
    ends(126, &["busybox", "/etc/passwd"]);
    ends(126, &["busybox", "/etc"]);
    ends(125, &["--no-such-flag", "busybox", "true"]);
    ends(125, &["--pull", "never", "no-such-image", "true"]);
    assert!(context.containers().is_empty());
}

#[test]
fn a_signal_that_ends_the_process_is_added_to_128() {
    let context = busybox();
    for (name, code) in [("KILL", 137), ("TERM", 143), ("SEGV", 139)] {
        // A first process is not hit by signals from inside; a signal from outside needs no handler
        // only if it is SIGKILL. So the process is a second one.
        let script = format!("sh -c 'kill -{name} $$'; exit $?");
        context.isopod(run(&["busybox", "sh", "-c", &script])).fails_with(code);
    }
    let running = context.command(run(&["--name", "one", "busybox", "sleep", "100"])).start();
    until("the container", || context.isopod(["kill", "one"]).code == 0);
    running.outcome().fails_with(137);
}

#[test]
fn a_terminal_has_our_size_and_follows_it() {
    let context = busybox();
    let script = "trap 'stty size' WINCH; stty size; tty; while :; do sleep 0.05; done";
    let mut terminal =
        context.terminal(run(&["-it", "--name", "t1", "busybox", "sh", "-c", script]));
    terminal.expects("24 80").expects("/dev/pts/0");
    terminal.resizes(40, 132).expects("40 132");
    context.isopod(["kill", "t1"]).succeeds();
    terminal.exits_with(137);
}

#[test]
fn a_terminal_is_usable_as_at_home() {
    let context = busybox();
    let mut terminal = context.terminal(run(&["-it", "busybox", "sh"]));
    terminal.expects("# ").types("echo $((40+2))\n").expects("42");
    // Ctrl-C ends what the shell runs, not the shell.
    terminal.types("sleep 100; echo then-$?\n").expects("sleep 100");
    std::thread::sleep(Duration::from_millis(300));
    terminal.types("\x03").expects("# ").types("echo st''ill\n").expects("still");
    terminal.types("exit 3\n");
    terminal.exits_with(3);
}

#[test]
fn a_terminal_is_left_by_its_keys_and_joined_again() {
    let context = busybox();
    let words = ["run", "--network", "none", "-it", "--name", "t1", "busybox", "sh"];
    let mut terminal = context.terminal(words);
    terminal.expects("# ").types("x=kept\n").expects("# ").types("\x10\x11");
    terminal.exits_with(0);
    context.isopod(["ps", "--format", "{{.Names}}"]).prints("t1\n");
    let mut again = context.terminal(["attach", "t1"]);
    again.types("echo $x-$x\n").expects("kept-kept");
    again.types("\x10\x11");
    again.exits_with(1);
    let mut other = context.terminal(["attach", "--detach-keys", "ctrl-x", "t1"]);
    other.types("echo a''b\n").expects("ab").types("\x18");
    other.exits_with(1);
    // docker's start -a of one that runs joins it.
    let mut started = context.terminal(["start", "-ai", "t1"]);
    started.types("echo $x,$x\n").expects("kept,kept").types("\x10\x11");
    started.exits_with(0);
    let mut last = context.terminal(["attach", "t1"]);
    last.types("exit 5\n");
    last.exits_with(5);
}

#[test]
fn signals_to_the_client_reach_the_process() {
    let context = busybox();
    let script = "trap 'echo hup' HUP; trap 'echo term; exit 9' TERM; echo ready; \
                  while :; do sleep 0.05; done";
    let words = run(&["--name", "s1", "busybox", "sh", "-c", script]);
    let running = context.command(words).start();
    until("the traps", || context.isopod(["logs", "s1"]).stdout.contains("ready"));
    running.signal(Signal::SIGHUP);
    until("the first trap", || context.isopod(["logs", "s1"]).stdout.contains("hup"));
    running.signal(Signal::SIGTERM);
    running.outcome().fails_with(9).prints("ready\nhup\nterm\n");
}

#[test]
fn a_terminal_that_standard_input_is_not_is_refused() {
    let context = busybox();
    let outcome = context.isopod(run(&["-it", "busybox", "true"]));
    outcome.fails_with(125).complains_of("not a terminal");
    assert!(context.containers().is_empty());
}

#[test]
fn rm_takes_away_the_container_with_its_unnamed_volumes() {
    let context = busybox();
    context.isopod(run(&["-v", "/anonymous", "-v", "named:/n", "busybox", "true"])).succeeds();
    // Detached, the monitor has it done.
    context.isopod(run(&["-d", "-v", "/anonymous", "busybox", "true"])).succeeds();
    until("the removal", || context.containers().is_empty());
    let root = context.path("root");
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(root.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    until("the volumes' end", || names("volumes") == ["named"]);
    until("the folders' end", || names("snapshots").is_empty() && names("containers").is_empty());
    until("the state's end", || {
        fs::read_dir(context.path("state").join("containers")).unwrap().next().is_none()
    });
}

#[test]
fn an_image_that_is_not_there_is_pulled_or_not_as_said() {
    let (context, _) = TestContext::new();
    context.isopod(run(&["--pull", "never", "busybox", "true"])).fails_with(125);
    context.isopod(run(&["-q", "busybox", "echo", "here"])).succeeds().prints("here\n");
    context.isopod(run(&["--pull", "never", "busybox", "true"])).succeeds();
}

#[test]
fn a_cidfile_holds_the_id_and_is_never_overwritten() {
    let context = busybox();
    let file = context.path("cid");
    let file = file.to_str().unwrap();
    let words = ["run", "-d", "--network", "none", "--cidfile", file, "busybox", "true"];
    let outcome = context.isopod(words);
    assert_eq!(fs::read_to_string(file).unwrap(), outcome.line());
    context.isopod(words).fails_with(125).complains_of("--cidfile");
    assert_eq!(context.containers().len(), 1);
}

#[test]
fn a_reader_that_leaves_early_leaves_the_container_to_its_end() {
    let context = busybox();
    let isopod = isopod_tests::binary::isopod();
    let inner = "yes | head -n 200000; sleep 1";
    let script = format!(
        "set -o pipefail; {} run --rm --network none --name r1 busybox sh -c '{inner}' | head -n 1",
        isopod.display()
    );
    let outcome = context.command_of("bash", ["-c", &script]).run();
    // As a shell sees one that SIGPIPE ended.
    outcome.fails_with(141).prints("y\n").complains_of_nothing();
    context.isopod(["ps", "--format", "{{.Names}}"]).prints("r1\n");
    until("the removal", || context.containers().is_empty());
}
