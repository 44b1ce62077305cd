//! `logs`: all of it, the end of it, what comes, and what rotation keeps.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::process::Command;

use isopod_tests::{TestContext, until};

fn logged(context: &TestContext, options: &[&str], script: &str) {
    let words = [
        &["run", "--network", "none", "--name", "c1", "-d"],
        options,
        &["busybox", "sh", "-c", script],
    ]
    .concat();
    context.isopod(words).succeeds();
}

fn numbers(range: std::ops::RangeInclusive<u32>) -> String {
    range.map(|n| format!("{n}\n")).collect()
}

#[test]
fn streams_are_kept_apart_and_lines_are_whole() {
    let context = TestContext::with(["busybox"]);
    logged(
        &context,
        &[],
        "echo out; echo err >&2; printf half; head -c 40000 /dev/zero | tr '\\0' x; echo",
    );
    context.isopod(["wait", "c1"]).succeeds();
    let outcome = context.isopod(["logs", "c1"]);
    outcome.succeeds().prints(&format!("out\nhalf{}\n", "x".repeat(40_000)));
    assert_eq!(outcome.stderr, "err\n");
    let stamped = context.isopod(["logs", "-t", "--tail", "2", "c1"]);
    assert!(stamped.stdout.starts_with("20") && stamped.stdout.contains("Z "), "{stamped}");
}

#[test]
fn the_tail_and_the_young_can_be_asked_for() {
    let context = TestContext::with(["busybox"]);
    logged(&context, &[], "seq 100; sleep 2.5; echo late");
    context.isopod(["wait", "c1"]).succeeds();
    context.isopod(["logs", "--tail", "3", "c1"]).prints("99\n100\nlate\n");
    context.isopod(["logs", "-n", "0", "c1"]).prints_nothing();
    context.isopod(["logs", "-n", "all", "c1"]).succeeds().mentions("1\n2\n");
    context.isopod(["logs", "--since", "1s", "c1"]).prints("late\n");
    let started = context.isopod(["inspect", "-f", "{{.State.StartedAt}}", "c1"]);
    context.isopod(["logs", "--since", started.line(), "c1"]).succeeds().mentions("1\n2\n");
    context.isopod(["logs", "--until", started.line(), "c1"]).prints_nothing();
    context
        .isopod(["logs", "--since", "yesterday", "c1"])
        .fails_with(125)
        .complains_of("yesterday");
    context.isopod(["logs", "--tail", "some", "c1"]).complains_of("some");
}

#[test]
fn a_followed_log_ends_with_its_container() {
    let context = TestContext::with(["busybox"]);
    logged(&context, &[], "seq 5; until [ -e /go ]; do sleep 0.05; done; seq 6 20000");
    let follower = context.command(["logs", "-f", "c1"]).start();
    let tail = context.command(["logs", "-f", "--tail", "2", "c1"]).start();
    until("the container", || context.isopod(["logs", "c1"]).stdout == numbers(1..=5));
    std::thread::sleep(std::time::Duration::from_millis(300));
    context.isopod(["exec", "c1", "touch", "/go"]).succeeds();
    let followed = follower.outcome();
    assert!(followed.succeeds().stdout == numbers(1..=20_000));
    let followed = tail.outcome();
    assert!(followed.succeeds().stdout.ends_with(&numbers(6..=20_000)));
}

#[test]
fn rotation_keeps_the_newest_and_a_follower_misses_nothing() {
    let context = TestContext::with(["busybox"]);
    let options = ["--log-opt", "max-size=20k", "--log-opt", "max-file=3"];
    // Slow enough for a reader that looks every 50 ms: each file takes longer than that to fill.
    let script =
        "n=0; while [ $n -lt 60 ]; do n=$((n+1)); seq $((n*100-99)) $((n*100)); sleep 0.05; done";
    logged(&context, &options, script);
    let follower = context.command(["logs", "-f", "c1"]).start();
    let followed = follower.outcome();
    assert!(followed.succeeds().stdout == numbers(1..=6000), "{} bytes", followed.stdout.len());
    let id = context.isopod(["inspect", "-f", "{{.Id}}", "c1"]);
    let folder = context.path("root").join("containers/default").join(id.line());
    let mut sizes = Vec::new();
    for entry in fs::read_dir(&folder).unwrap().flatten() {
        if entry.file_name().to_string_lossy().contains("-json.log") {
            sizes.push(entry.metadata().unwrap().len());
        }
    }
    assert_eq!(sizes.len(), 3, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= 20 << 10), "{sizes:?}");
    let kept = context.isopod(["logs", "c1"]).succeeds().stdout.clone();
    assert!(numbers(1..=6000).ends_with(&kept) && kept.len() > 2000);
    context.isopod(["logs", "--tail", "250", "c1"]).prints(&numbers(5751..=6000));
}

/// The files of container `c`'s log, in order of their names.
fn log_files(context: &TestContext) -> Vec<(String, Vec<u8>)> {
    let path = context.isopod(["inspect", "-f", "{{.LogPath}}", "c1"]).line().to_owned();
    let (folder, name) = path.rsplit_once('/').unwrap();
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let suffix = entry.file_name().to_str()?.strip_prefix(name)?.to_owned();
            Some((suffix, fs::read(entry.path()).ok()?))
        })
        .collect();
    found.sort();
    found
}

/// docker's names, and what gzip itself says of them; a follower reads on in files that are packed meanwhile.
#[test]
fn rotated_files_are_compressed_and_read_like_the_others() {
    let context = TestContext::with(["busybox"]);
    let options = ["max-size=20k", "max-file=3", "compress=true"];
    let options: Vec<&str> = options.iter().flat_map(|option| ["--log-opt", *option]).collect();
    let script = "n=0; while [ $n -lt 60 ]; do n=$((n+1)); seq $((n*100-99)) $((n*100)); sleep 0.05; done; sleep 1000";
    logged(&context, &options, script);
    let follower = context.command(["logs", "-f", "c1"]).start();
    until("the last line", || context.isopod(["logs", "-n", "1", "c1"]).stdout == "6000\n");
    let names = || log_files(&context).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    until("everything is packed", || names() == ["", ".1.gz", ".2.gz"]);
    let kept = context.isopod(["logs", "c1"]).succeeds().stdout.clone();
    assert!(numbers(1..=6000).ends_with(&kept) && kept.len() > 2000, "{} bytes", kept.len());
    context.isopod(["logs", "--tail", "600", "c1"]).prints(&numbers(5401..=6000));
    // By another's hands.
    let mut text = String::new();
    for (name, bytes) in log_files(&context).iter().rev() {
        let path = context.path("file.gz");
        fs::write(&path, bytes).unwrap();
        text += &match name.as_str() {
            "" => String::from_utf8(bytes.clone()).unwrap(),
            _ => {
                assert!(bytes.len() < 20_000 / 4, "{name} has {} bytes", bytes.len());
                let unpacked = Command::new("gzip").arg("-dc").arg(&path).output().unwrap();
                assert!(unpacked.status.success(), "{unpacked:?}");
                String::from_utf8(unpacked.stdout).unwrap()
            }
        };
    }
    let lines = text.lines().map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["log"].as_str().unwrap().to_owned()
    });
    assert_eq!(lines.collect::<String>(), kept);
    context.isopod(["kill", "c1"]).succeeds();
    let followed = follower.outcome();
    assert!(followed.stdout == numbers(1..=6000), "{} bytes", followed.stdout.len());
}

/// What docker documents: the container isn't held up, and what doesn't fit in the buffer is lost. Here the process that
/// has the file is stopped, as a disk would that doesn't answer.
#[test]
fn a_log_that_is_not_waited_for_drops_what_its_buffer_cant_hold() {
    let context = TestContext::with(["busybox"]);
    let options = ["--log-opt", "mode=non-blocking", "--log-opt", "max-buffer-size=8k"];
    let script = "echo begin; until [ -e /go ]; do sleep 0.05; done; seq 100000; touch /done; \
                  until [ -e /on ]; do sleep 0.05; done; echo end; sleep 1000";
    logged(&context, &options, script);
    until("the first line", || context.isopod(["logs", "c1"]).stdout == "begin\n");
    let pid = context.isopod(["inspect", "-f", "{{.State.Pid}}", "c1"]).line().to_owned();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim();
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let is_logger = |pid: &&str| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "isopod-logger\n")
    };
    let logger = children.split_whitespace().find(is_logger).unwrap();
    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, logger]).status().unwrap().success());
    };
    signal("-STOP");
    context.isopod(["exec", "c1", "touch", "/go"]).succeeds();
    until("the container goes on", || {
        context.isopod(["exec", "c1", "test", "-e", "/done"]).code == 0
    });
    signal("-CONT");
    until("what waited is written", || {
        context.isopod(["logs", "c1"]).stdout.starts_with("begin\n1\n2\n")
    });
    // Lines after the gap are kept again.
    context.isopod(["exec", "c1", "touch", "/on"]).succeeds();
    until("the last line", || context.isopod(["logs", "c1"]).stdout.ends_with("end\n"));
    let kept = context.isopod(["logs", "c1"]).succeeds().stdout.clone();
    let lines: Vec<u32> = kept.lines().filter_map(|line| line.parse().ok()).collect();
    // What fits in 64 KiB of a pipe and 8 KiB here, about 70 bytes a line, and by no means all.
    assert!((800..20_000).contains(&lines.len()), "{} lines", lines.len());
    assert!(lines.is_sorted());
    context.isopod(["rm", "-f", "c1"]).succeeds();
}

#[test]
fn a_restarted_container_goes_on_in_its_log() {
    let context = TestContext::with(["busybox"]);
    logged(&context, &[], "echo once");
    context.isopod(["wait", "c1"]).succeeds();
    context.isopod(["start", "-a", "c1"]).succeeds().prints("once\n");
    context.isopod(["logs", "c1"]).prints("once\nonce\n");
}

/// Lines, escapes and the place of `attrs` are those of docker 20.10 (tests/references/docker-20.10/containers).
#[test]
fn labels_variables_and_tag_stand_beside_each_line() {
    let context = TestContext::with(["busybox"]);
    let options = ["-l", "odd,name=1, 2 <é>", "-l", "other=x", "-e", "GIVEN=b"];
    let wanted = ["labels-regex=^odd", "env=GIVEN,UNSET", "tag={{.ImageName}}/{{.Name}}"];
    let wanted = wanted.iter().flat_map(|option| ["--log-opt", option]);
    let options: Vec<&str> = options.into_iter().chain(wanted).collect();
    logged(&context, &options, "echo one; printf two");
    context.isopod(["wait", "c1"]).succeeds();
    let details = |tag: &str| format!("GIVEN=b,odd%2Cname=1%2C+2+%3C%C3%A9%3E,tag=busybox%2F{tag}");
    let (c, d) = (details("c1"), details("d1"));
    context.isopod(["logs", "--details", "c1"]).prints(&format!("{c} one\n{c} two"));
    context.isopod(["logs", "c1"]).prints("one\ntwo");
    let path = context.isopod(["inspect", "-f", "{{.LogPath}}", "c1"]).line().to_owned();
    let file = fs::read_to_string(path).unwrap();
    let attributes = r#"{"log":"one\n","stream":"stdout","attrs":{"GIVEN":"b","odd,name":"1, 2 \u003cé\u003e","tag":"busybox/c1"},"time":""#;
    assert!(file.starts_with(attributes), "{file}");
    // A tag is made anew at each start.
    context.isopod(["rename", "c1", "d1"]).succeeds();
    context.isopod(["start", "-a", "d1"]).succeeds();
    let last = context.isopod(["logs", "--details", "--tail", "1", "d1"]);
    last.prints(&format!("{d} two"));
    let stamped = context.isopod(["logs", "-t", "--details", "--tail", "1", "d1"]);
    assert!(stamped.stdout.ends_with(&format!("Z {d} two")), "{stamped}");
}

#[test]
fn a_log_option_that_cant_be_meant_leaves_no_container() {
    let context = TestContext::with(["busybox"]);
    for (option, why) in [
        ("tag={{.Nosuch}}", "{{.Nosuch}}"),
        ("labels-regex=(", "regular expression"),
        ("max-buffer-size=1m", "mode=non-blocking"),
        ("compress=true", "max-size"),
        ("nosuch=1", "nosuch=1"),
    ] {
        let words = ["create", "--network", "none", "--log-opt", option, "busybox", "true"];
        let outcome = context.isopod(words);
        assert_ne!(outcome.code, 0, "{option}");
        outcome.complains_of(why);
    }
    context.isopod(["ps", "-aq"]).prints_nothing();
}

#[test]
fn a_container_without_a_log_says_so() {
    let context = TestContext::with(["busybox"]);
    logged(&context, &["--log-driver", "none"], "echo x");
    context.isopod(["logs", "c1"]).fails_with(1).complains_of("keeps no log");
    let words = ["run", "--network", "none", "--log-driver", "syslog", "busybox", "true"];
    context.isopod(words).fails_with(125).complains_of("syslog");
    let words = ["run", "--network", "none", "--log-opt", "max-size=no", "busybox", "true"];
    context.isopod(words).fails_with(125).complains_of("max-size");
    context.isopod(["logs", "nobody"]).fails_with(1).complains_of("no such container: nobody");
}
