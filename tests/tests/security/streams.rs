//! Rows 9 and 25: what a container's standard streams are, and that floods through them are bounded.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use isopod_tests::{Outcome, TestContext};

use crate::probe;

const IMAGE: &str = "localhost/probe:latest";

fn context_with_container(command: &[&str]) -> TestContext {
    let context = TestContext::without_registries();
    probe::image().import(&context, IMAGE);
    let run = ["run", "-d", "--name", "c1", "--network", "none", IMAGE];
    context.isopod(run.iter().chain(command)).succeeds();
    context
}

/// Every stream is a pipe, a terminal, or a device of the container's own file systems.
#[track_caller]
fn assert_own(seen: &str) {
    let host = fs::metadata("/dev/null").unwrap();
    let lines: Vec<&str> = seen.lines().filter(|line| line.contains(" dev=")).collect();
    assert_eq!(lines.len(), 3, "{seen}");
    for line in lines {
        let target = line.split(' ').nth(1).unwrap();
        let is_made_for_it = target.starts_with("pipe:[")
            || target.starts_with("/dev/pts/")
            || target == "/dev/console"
            || target == "/dev/null";
        assert!(is_made_for_it, "{line}");
        let device = format!("dev={} ino={} ", host.dev(), host.ino());
        assert!(!line.contains(&device), "the host's own /dev/null: {line}");
    }
}

/// What container `c` has written to `/tmp/seen`, when it is all there.
fn seen(context: &TestContext) -> String {
    let since = Instant::now();
    loop {
        let outcome: Outcome =
            context.isopod(["exec", "c1", "sh", "-c", "cat /tmp/seen 2>/dev/null"]);
        if outcome.stdout.lines().count() >= 3 || since.elapsed() > Duration::from_secs(10) {
            return outcome.stdout;
        }
    }
}

#[test]
fn streams_of_a_container_are_its_own() {
    let context = TestContext::without_registries();
    probe::image().import(&context, IMAGE);
    let run = ["run", "--rm", "--network", "none"];
    let probe = [IMAGE, "probe", "streams"];
    assert_own(&context.isopod(run.iter().chain(&probe)).succeeds().stdout);
    let interactive = context.command(run.iter().chain(&["-i"]).chain(&probe)).stdin("x").run();
    assert_own(&interactive.succeeds().stdout);
    let screen = context.terminal(run.iter().chain(&["-it"]).chain(&probe)).exits_with(0);
    assert_own(&screen);
    let silent = ["--log-driver", "none", "-d", "--name", "quiet"];
    context
        .isopod(run[..1].iter().chain(&silent).chain(&run[2..]).chain(&[IMAGE, "sleep", "60"]))
        .succeeds();
    let streams =
        "for n in 0 1 2; do stat -L -c '%d %i' /proc/1/fd/$n; done; stat -c '%d %i' /dev/null";
    let lines = context.isopod(["exec", "quiet", "sh", "-c", streams]);
    let host = fs::metadata("/dev/null").unwrap();
    lines.succeeds().never_mentions(&format!("{} {}\n", host.dev(), host.ino()));
}

#[test]
fn streams_of_an_exec_are_its_own() {
    let context = context_with_container(&["sleep", "600"]);
    assert_own(&context.isopod(["exec", "c1", "probe", "streams"]).succeeds().stdout);
    let fed = context.command(["exec", "-i", "c1", "probe", "streams"]).stdin("x").run();
    assert_own(&fed.succeeds().stdout);
    assert_own(&context.terminal(["exec", "-it", "c1", "probe", "streams"]).exits_with(0));
    // Nobody gives or takes anything: not even then is it the host's null device, whose mode
    // and owner it could change for everybody.
    let file = "exec 9>/tmp/new; probe streams >&9; mv /tmp/new /tmp/seen";
    context.isopod(["exec", "-d", "c1", "sh", "-c", file]).succeeds();
    let streams = "for n in 0 1 2; do stat -L -c '%d %i' /proc/self/fd/$n; done >/tmp/new
        stat -L -c '%d %i' /proc/$$/fd/1 /proc/$$/fd/2 >>/tmp/new; mv /tmp/new /tmp/seen";
    assert!(seen(&context).contains(" dev="));
    context.isopod(["exec", "c1", "rm", "/tmp/seen"]).succeeds();
    context.isopod(["exec", "-d", "c1", "sh", "-c", streams]).succeeds();
    let host = fs::metadata("/dev/null").unwrap();
    let seen = seen(&context);
    assert_eq!(seen.lines().count(), 5, "{seen}");
    assert!(!seen.contains(&format!("{} {}\n", host.dev(), host.ino())), "{seen}");
}

#[test]
fn an_exec_takes_no_null_device_that_is_none() {
    let context = context_with_container(&["sleep", "600"]);
    let fake = "rm /dev/null; mkfifo /dev/null";
    context.isopod(["exec", "c1", "sh", "-c", fake]).succeeds();
    let refused = context.isopod(["exec", "c1", "true"]);
    assert_ne!(refused.code, 0, "{refused}");
    refused.complains_of("/dev/null");
}

#[test]
fn whoever_attaches_hands_no_descriptor_over() {
    let context = context_with_container(&["sh", "-c", "while sleep 0.1; do echo here; done"]);
    let mut attached = context.terminal(["attach", "--sig-proxy=false", "c1"]);
    attached.expects("here");
    let host: Vec<String> = context
        .isopod(["exec", "c1", "sh", "-c", "for f in /proc/1/fd/*; do readlink $f; done"])
        .succeeds()
        .lines()
        .into_iter()
        .map(str::to_owned)
        .collect();
    for target in &host {
        assert!(target.starts_with("pipe:[") || target == "/dev/null", "{host:?}");
    }
}

/// Resident bytes, descriptors and threads of the monitor of the only container.
fn monitor(context: &TestContext) -> (u64, usize, usize) {
    let info: serde_json::Value = context.isopod(["inspect", "c1"]).json();
    let pid = info[0]["State"]["Pid"].as_u64().unwrap();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let number = |status: &str, name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let parent = number(&status, "PPid:");
    let status = fs::read_to_string(format!("/proc/{parent}/status")).unwrap();
    assert!(status.contains("isopod-monitor"), "{status}");
    let descriptors = fs::read_dir(format!("/proc/{parent}/fd")).unwrap().count();
    let threads = usize::try_from(number(&status, "Threads:")).unwrap();
    (number(&status, "VmRSS:") * 1024, descriptors, threads)
}

#[test]
fn a_flood_costs_no_memory_descriptor_or_task() {
    let context = context_with_container(&["sleep", "600"]);
    context.isopod(["exec", "c1", "true"]).succeeds();
    let (memory, descriptors, threads) = monitor(&context);
    // 64 MiB through one exec, and as much into one that reads none of it.
    let flood = context.isopod(["exec", "c1", "sh", "-c", "yes | head -c 67108864"]);
    assert_eq!(flood.succeeds().stdout.len(), 64 << 20);
    let fed = context.command(["exec", "-i", "c1", "true"]).stdin(vec![b'x'; 64 << 20]).run();
    fed.succeeds();
    for _ in 0..100 {
        context.isopod(["exec", "-d", "c1", "true"]).succeeds();
    }
    // Nobody reads from this one, and then its reader is killed.
    let silent = context.command(["exec", "c1", "yes"]).start();
    silent.signal(nix::sys::signal::Signal::SIGSTOP);
    std::thread::sleep(Duration::from_millis(300));
    let during = monitor(&context).0;
    assert!(during < memory + (4 << 20), "{memory} bytes before, {during} with a stopped reader");
    silent.signal(nix::sys::signal::Signal::SIGKILL);
    drop(silent);
    context.isopod([
        "exec",
        "c1",
        "sh",
        "-c",
        "kill -9 $(ps | grep '[y]es' | sed 's/^ *//' | cut -d' ' -f1)",
    ]);
    let since = Instant::now();
    let mut after = monitor(&context);
    while after.1 > descriptors && since.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(50));
        after = monitor(&context);
    }
    assert_eq!((after.1, after.2), (descriptors, threads), "descriptors and threads");
    assert!(after.0 < memory + (2 << 20), "{memory} bytes before, {} after", after.0);
}
