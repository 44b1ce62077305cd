//! `rename`, `top`, `stats`, `update`, `container prune`.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use isopod_tests::{TestContext, until};
use serde_json::Value;

fn running(options: &[&str], script: &str) -> TestContext {
    let context = TestContext::with(["busybox"]);
    let words = [
        &["run", "-d", "--network", "none", "--name", "c1"],
        options,
        &["busybox", "sh", "-c", script],
    ]
    .concat();
    context.isopod(words).succeeds();
    context
}

/// What docker's `ps -s` shows: bytes of the files in the writable layer, whatever blocks and folders take.
#[test]
fn what_a_container_wrote_is_counted_in_bytes_of_its_files() {
    let script = "mkdir -p /a/b/c; echo 12345 > /a/f; ln /a/f /a/g; rm /etc/group; \
                  dd if=/dev/zero of=/a/sparse bs=1 count=1 seek=999 2> /dev/null; >/ready; sleep 1000";
    let context = running(&[], script);
    until("its files", || context.isopod(["exec", "c1", "test", "-e", "/ready"]).code == 0);
    context.isopod(["create", "--network", "none", "--name", "new", "busybox"]).succeeds();
    let sizes = context.isopod(["ps", "-as", "--format", "{{.Names}} {{.Size}}"]);
    sizes.mentions("c1 1.01kB (virtual").mentions("new 0B (virtual");
    context.isopod(["inspect", "-s", "-f", "{{.SizeRw}}", "c1"]).prints("1006\n");
    context.isopod(["system", "df"]).mentions("1.006kB");
}

/// docker's page on `system df`: shared is what another image needs too, unique what only this one does, and
/// reclaimable what no container needs.
#[test]
fn images_are_counted_by_what_they_share_and_who_needs_them() {
    let context = TestContext::with(["busybox", "alpine"]);
    let words = ["run", "--name", "c1", "--network", "none", "busybox", "touch", "/made"];
    context.isopod(words).succeeds();
    context.isopod(["commit", "c1", "made:1"]).succeeds();
    let image = |name: &str, field: &str| {
        let told = context.isopod(["system", "df", "-v", "--format", "json"]);
        let all: Value = serde_json::from_str(&told.stdout).unwrap();
        let images = all["Images"].as_array().unwrap();
        let found = images.iter().find(|one| one["Repository"].as_str().unwrap().ends_with(name));
        found.unwrap()[field].as_str().unwrap().to_owned()
    };
    let sum = |field: &str| {
        let format = format!("{{{{.Type}}}} {{{{.{field}}}}}");
        let told = context.isopod(["system", "df", "--format", &format]);
        told.stdout.lines().find_map(|line| line.strip_prefix("Images ")).unwrap().to_owned()
    };
    assert_eq!(image("alpine", "SharedSize"), "0B");
    assert_eq!(image("alpine", "UniqueSize"), image("alpine", "Size"));
    assert_ne!(image("busybox", "SharedSize"), "0B");
    assert_eq!(image("made", "SharedSize"), image("busybox", "SharedSize"));
    let containers = ["busybox", "made", "alpine"].map(|name| image(name, "Containers"));
    assert_eq!(containers, ["1", "0", "0"]);
    assert_eq!((sum("TotalCount").as_str(), sum("Active").as_str()), ("3", "1"));
    let some = sum("Reclaimable");
    assert!(!some.starts_with("0B") && !some.ends_with("(100%)"), "{some}");

    context.isopod(["rmi", "made:1"]).succeeds();
    assert_eq!(image("busybox", "SharedSize"), "0B");
    context.isopod(["rm", "c1"]).succeeds();
    assert_eq!(sum("Active"), "0");
    assert_eq!(sum("Reclaimable"), format!("{} (100%)", sum("Size")));
}

#[test]
fn a_new_name_is_known_everywhere_and_the_old_one_nowhere() {
    let context = running(&[], "sleep 1000");
    context.isopod(["create", "--network", "none", "--name", "other", "busybox"]).succeeds();
    context.isopod(["rename", "c1", "d1"]).succeeds().prints_nothing();
    context.isopod(["exec", "d1", "echo", "hi"]).prints("hi\n");
    context.isopod(["ps", "--format", "{{.Names}}"]).prints("d1\n");
    context.isopod(["inspect", "-f", "{{.Name}}", "d1"]).prints("/d1\n");
    context.isopod(["inspect", "-f", "{{.Config.Image}}", "d1"]).prints("busybox\n");
    // `inspect c1` could mean an id that begins with it.
    context.isopod(["ps", "-aq", "--filter", "name=^c1$"]).prints("");
    context.isopod(["rename", "d1", "d1"]).fails_with(1).complains_of("already");
    context.isopod(["rename", "d1", "other"]).fails_with(1).complains_of("other");
    context.isopod(["rename", "d1", "not/a/name"]).fails_with(1).complains_of("not/a/name");
    context.isopod(["rename", "none", "e1"]).fails_with(1).complains_of("none");
    // As with docker, a slash before it says nothing; and the name that was left is free.
    context.isopod(["container", "rename", "other", "/c1"]).succeeds();
    context.isopod(["inspect", "-f", "{{.Name}}", "c1"]).prints("/c1\n");
    context.isopod(["stop", "-t", "0", "d1"]).prints("d1\n");
}

#[test]
fn sizes_are_told_of_the_writable_layer_and_of_all() {
    let context = running(&[], "head -c 100000 /dev/zero > /big; sleep 1000");
    let size = |field: &str| -> u64 {
        let template = format!("{{{{.{field}}}}}");
        context.isopod(["inspect", "-s", "-f", &template, "c1"]).line().parse().unwrap()
    };
    until("the file", || size("SizeRw") >= 100_000);
    // SizeRootFs is documented as the total of all files: the image's program alone is a megabyte.
    assert!(size("SizeRootFs") > size("SizeRw") + 1_000_000);
}

/// docker waits for what runs; what was never started does not.
#[test]
fn a_wait_for_what_was_never_started_is_over() {
    let context = TestContext::with(["busybox"]);
    context.isopod(["create", "--network", "none", "--name", "c1", "busybox"]).succeeds();
    context.isopod(["wait", "c1"]).succeeds().prints("0\n");
}

/// docker's answer to a start of what runs is 304, «not modified», and its client is content with that.
#[test]
fn a_start_of_what_runs_already_does_nothing() {
    let context = running(&[], "sleep 1000");
    let pid = || context.isopod(["inspect", "-f", "{{.State.Pid}}", "c1"]).line().to_owned();
    let before = pid();
    context.isopod(["start", "c1"]).succeeds().prints("c1\n");
    assert_eq!(pid(), before);
    context.isopod(["pause", "c1"]).succeeds();
    context.isopod(["start", "c1"]).fails_with(1).complains_of("paused");
}

/// ps(1) on the host is the peer: it sees the same processes.
#[test]
fn top_shows_what_the_hosts_ps_shows() {
    let context = running(&["-u", "12:34"], "sleep 1000 & sleep 2000 & wait");
    let pids = || context.isopod(["top", "c1", "-o", "pid"]);
    // Not only forked, but the programs that they are to be, and waiting.
    let states = || context.isopod(["top", "c1", "-o", "comm,stat"]).stdout;
    let asleep = |line: &str| line.starts_with("sleep") && line.ends_with('S');
    until("both sleep", || states().lines().filter(|line| asleep(line)).count() == 2);
    let listed = pids();
    let listed: Vec<&str> = listed.lines()[1..].iter().map(|pid| pid.trim()).collect();
    for (options, peers) in [
        (
            &["-o", "pid,ppid,uid,gid,comm,stat,ni,nlwp,vsz,rss,sid,pgid,tty,args"][..],
            "pid,ppid,uid,gid,comm,stat,ni,nlwp,vsz,rss,sid,pgid,tty,args",
        ),
        (
            &["-o", "pid,user,euser,ruser,group,pri,time,lstart,cmd"],
            "pid,user,euser,ruser,group,pri,time,lstart,cmd",
        ),
        (&[], "user:8=UID,pid,ppid,c,stime,tty,time,cmd"),
        (&["aux"], "user,pid,%cpu,%mem,vsz,rss,tty,stat,start,time,command"),
    ] {
        let outcome = context.isopod([&["top", "c1"], options].concat());
        let peer = match options {
            ["aux"] => Command::new("ps")
                .args(["ww", "up", &listed.join(",")])
                .env("COLUMNS", "1000")
                .output(),
            [] => Command::new("ps")
                .args(["-ww", "-fp", &listed.join(",")])
                .env("COLUMNS", "1000")
                .output(),
            _ => Command::new("ps")
                .args(["-ww", "-o", peers, "-p", &listed.join(",")])
                .env("COLUMNS", "1000")
                .output(),
        };
        let words = |text: &str| -> Vec<Vec<String>> {
            text.lines().map(|l| l.split_whitespace().map(str::to_owned).collect()).collect()
        };
        let peer = String::from_utf8(peer.unwrap().stdout).unwrap();
        assert_eq!(words(&outcome.succeeds().stdout), words(&peer), "{options:?}");
    }
    context.isopod(["top", "c1", "--forest"]).fails_with(125).complains_of("--forest");
    context.isopod(["top", "c1", "-o", "colour"]).fails_with(125).complains_of("colour");
    context.isopod(["stop", "-t", "0", "c1"]).succeeds();
    context.isopod(["top", "c1"]).fails_with(1).complains_of("not running");
}

#[test]
fn stats_shows_what_the_cgroups_count() {
    let context =
        running(&["-m", "64m"], "head -c 20m /dev/zero > /dev/shm/x; while :; do :; done");
    context.isopod(["create", "--network", "none", "--name", "idle", "busybox"]).succeeds();
    let format = "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.PIDs}}";
    let shown = || {
        let outcome = context.isopod(["stats", "--no-stream", "--format", format, "c1"]);
        let line = outcome.line().to_owned();
        line.split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    // A loop takes most of one processor, on however busy a machine.
    until("it is busy", || shown()[1].trim_end_matches('%').parse::<f64>().unwrap() > 10.0);
    until("its memory is counted", || {
        let words = shown();
        let share: f64 = words[5].trim_end_matches('%').parse().unwrap();
        assert_eq!((words[0].as_str(), words[4].as_str()), ("c1", "64MiB"), "{words:?}");
        assert_eq!(words[6..], ["0B", "/", "0B", "1"], "{words:?}");
        (30.0..50.0).contains(&share)
    });
    let table = context.isopod(["stats", "--no-stream", "--all"]);
    table.succeeds().mentions("CONTAINER ID   NAME").mentions("idle").mentions("0.00%");
    context.isopod(["stats", "--no-stream"]).succeeds().never_mentions("idle");
    let id = context.isopod(["inspect", "-f", "{{.Id}}", "c1"]);
    context
        .isopod(["stats", "--no-stream", "--no-trunc", "--format", "{{.ID}}", "c1"])
        .prints(&format!("{}\n", id.line()));
    context.isopod(["stats", "--no-stream", "none"]).fails_with(1).complains_of("none");
    context.isopod(["stats", "--format", "{{.Colour}}"]).fails_with(1);
}

/// The value of a file of the container's cgroup.
fn limit(context: &TestContext, controller: &str, file: &str) -> String {
    let id = context.isopod(["inspect", "-f", "{{.Id}}", "c1"]).line().to_owned();
    let group = format!("{}/default/{id}", context.cgroup());
    let roots = [format!("/sys/fs/cgroup/{controller}"), "/sys/fs/cgroup".to_owned()];
    let path = roots.iter().map(|root| PathBuf::from(root).join(&group).join(file));
    let path = path.into_iter().find(|path| path.exists()).expect("a cgroup");
    fs::read_to_string(path).unwrap().trim().to_owned()
}

#[test]
fn limits_change_at_once_and_stay() {
    if !PathBuf::from("/sys/fs/cgroup/memory").exists() {
        return unified_limits();
    }
    let context = running(&["-m", "64m"], "sleep 1000");
    let words = [
        "update",
        "-m",
        "128m",
        "--cpus",
        "0.5",
        "--pids-limit",
        "77",
        "-c",
        "512",
        "--cpuset-cpus",
        "0",
        "c1",
    ];
    context.isopod(words).prints("c1\n");
    let check = || {
        assert_eq!(limit(&context, "memory", "memory.limit_in_bytes"), "134217728");
        assert_eq!(limit(&context, "cpu", "cpu.cfs_quota_us"), "50000");
        assert_eq!(limit(&context, "cpu", "cpu.shares"), "512");
        assert_eq!(limit(&context, "pids", "pids.max"), "77");
        assert_eq!(limit(&context, "cpuset", "cpuset.cpus"), "0");
    };
    check();
    let inspect = "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}";
    context.isopod(["inspect", "-f", inspect, "c1"]).prints("134217728 500000000 77\n");
    // Both limits of memory go down, which is the other order.
    context.isopod(["update", "-m", "32m", "--memory-swap", "48m", "c1"]).succeeds();
    assert_eq!(limit(&context, "memory", "memory.limit_in_bytes"), "33554432");
    context.isopod(["update", "-m", "128m", "--memory-swap", "256m", "c1"]).succeeds();
    // What can't be changes nothing.
    context
        .isopod(["update", "--pids-limit", "5", "-m", "1m", "c1"])
        .fails_with(1)
        .complains_of("memory");
    context.isopod(["update", "--cpu-quota", "10000", "c1"]).fails_with(1).complains_of("quota");
    context
        .isopod(["update", "--pids-limit", "5", "--cpuset-cpus", "4000", "c1"])
        .fails_with(1)
        .complains_of("4000");
    check();
    context.isopod(["restart", "-t", "0", "c1"]).succeeds();
    check();
    context.isopod(["update", "c1"]).fails_with(125).complains_of("what to update");
    context
        .isopod(["update", "-m", "64m", "c1", "none"])
        .fails_with(1)
        .prints("c1\n")
        .complains_of("none");
}

fn unified_limits() {
    let context = running(&["-m", "64m"], "sleep 1000");
    context
        .isopod(["update", "-m", "128m", "--cpus", "0.5", "--pids-limit", "77", "c1"])
        .prints("c1\n");
    assert_eq!(limit(&context, "", "memory.max"), "134217728");
    assert_eq!(limit(&context, "", "cpu.max"), "50000 100000");
    assert_eq!(limit(&context, "", "pids.max"), "77");
}

#[test]
fn prune_removes_what_does_not_run_and_fits() {
    let context = running(&[], "sleep 1000");
    let create = |name: &str, label: &str| {
        let words = ["create", "--network", "none", "--name", name, "-l", label, "busybox"];
        context.isopod(words).line().to_owned()
    };
    let names = || context.isopod(["ps", "-a", "--format", "{{.Names}}"]).stdout;
    let kept = create("kept", "keep=1");
    let gone = create("gone", "a=1");
    // A no, and the end of standard input, are a no.
    for answer in ["n\n", ""] {
        let outcome = context.command(["container", "prune"]).stdin(answer).run();
        outcome.succeeds().prints_nothing().complains_of("This will remove all stopped containers");
    }
    context
        .isopod(["container", "prune", "-f", "--filter", "until=1h"])
        .prints("Total reclaimed space: 0B\n");
    let outcome = context.isopod(["container", "prune", "-f", "--filter", "label!=keep"]);
    outcome.succeeds().mentions(&format!("Deleted Containers:\n{gone}\n\nTotal reclaimed space: "));
    assert_eq!(names(), "kept\nc1\n");
    context.isopod(["container", "prune", "-f", "--filter", "colour=red"]).fails_with(1);
    let outcome = context.command(["container", "prune"]).stdin("y\n").run();
    outcome.succeeds().mentions(&kept);
    assert_eq!(names(), "c1\n");
}
