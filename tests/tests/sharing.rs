//! What containers share: volumes, namespaces; and the init that runs before a program.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::path::Path;

use isopod_tests::{TestContext, until};
use nix::sys::signal::Signal;
use nix::unistd::Pid;

const SLEEP: [&str; 3] = ["busybox", "sleep", "1000"];

fn run(context: &TestContext, name: &str, options: &[&str], command: &[&str]) {
    let words = [&["run", "-d", "--network", "none", "--name", name], options, command].concat();
    context.isopod(words).succeeds();
}

#[test]
fn an_init_reaps_orphans_and_passes_signals_and_statuses_on() {
    let context = TestContext::with(["busybox"]);
    let once = |options: &[&str], script: &str| {
        let words =
            [&["run", "--rm", "--network", "none"], options, &["busybox", "sh", "-c", script]];
        context.isopod(words.concat())
    };
    once(&["--init"], "exit 7").fails_with(7);
    once(&["--init"], "kill -9 $$").fails_with(137);
    once(&["--init", "-u", "1000"], "id -u").prints("1000\n");
    once(&["--init"], "tr '\\0' ' ' < /proc/1/cmdline; echo; [ $$ != 1 ] && cat").prints(
        "/sbin/docker-init -- sh -c tr '\\0' ' ' < /proc/1/cmdline; echo; [ $$ != 1 ] && cat \n",
    );
    let words = ["run", "--rm", "--network", "none", "--init", "busybox", "no-such-program"];
    context.isopod(words).fails_with(127).complains_of("no-such-program");
    once(&["--init", "--read-only"], "echo x > /sbin/docker-init").fails_with(1);
    once(&["--init"], "echo x > /sbin/docker-init").fails_with(1);
    // Orphans that ended stay zombies where nobody reaps them, and go where there is an init.
    let orphans = "for i in 1 2 3; do sh -c 'sleep 0.1 & exit' ; done; sleep 0.2; \
        trap 'echo told; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    run(&context, "with", &["--init"], &["busybox", "sh", "-c", orphans]);
    until("it is ready", || context.isopod(["logs", "with"]).stdout.contains("ready"));
    let states = context.isopod(["top", "with", "-o", "pid,stat,comm"]);
    states.succeeds().never_mentions("Z");
    context.isopod(["stop", "with"]).succeeds();
    context.isopod(["logs", "with"]).prints("ready\ntold\n");
    context
        .isopod(["inspect", "-f", "{{.State.ExitCode}} {{.HostConfig.Init}} {{.Path}}", "with"])
        .prints("3 true sh\n");
    context.isopod(["diff", "with"]).prints_nothing();
}

#[test]
fn volumes_of_another_container_are_there_with_its_rights_or_fewer() {
    let context = TestContext::with(["busybox"]);
    let host = tempfile::tempdir().unwrap();
    let bind = format!("{}:/bound", host.path().display());
    run(
        &context,
        "a1",
        &["-v", "named:/data", "-v", "/own", "-v", &bind, "-v", "shut:/shut:ro"],
        &SLEEP,
    );
    context
        .isopod(["exec", "a1", "sh", "-c", "echo d > /data/f; echo o > /own/f; echo b > /bound/f"])
        .succeeds();
    run(&context, "b1", &["--volumes-from", "a1"], &SLEEP);
    context.isopod(["exec", "b1", "cat", "/data/f", "/own/f", "/bound/f"]).prints("d\no\nb\n");
    context.isopod(["exec", "b1", "touch", "/data/x", "/own/x", "/bound/x"]).succeeds();
    context.isopod(["exec", "b1", "touch", "/shut/x"]).fails_with(1);
    run(&context, "c1", &["--volumes-from", "b1:ro", "-v", "other:/own"], &SLEEP);
    for path in ["/data/y", "/bound/y"] {
        context.isopod(["exec", "c1", "touch", path]).fails_with(1).complains_of("Read-only");
    }
    context.isopod(["exec", "c1", "ls", "/own"]).prints_nothing();
    context
        .isopod(["inspect", "-f", "{{json .HostConfig.VolumesFrom}}", "c1"])
        .prints("[\"b1:ro\"]\n");
    // They stay for as long as one of the two is there.
    context.isopod(["rm", "-fv", "a1"]).succeeds();
    context.isopod(["exec", "b1", "cat", "/data/f", "/own/f"]).prints("d\no\n");
    let wrong = |value: &str| {
        context.isopod(["create", "--network", "none", "--volumes-from", value, "busybox"])
    };
    wrong("none").fails_with(1).complains_of("none");
    wrong("b1:rx").fails_with(1).complains_of("b1:rx");
}

#[test]
fn namespaces_of_another_container_are_shared_while_it_runs() {
    let context = TestContext::with(["busybox"]);
    run(&context, "a1", &["--ipc", "shareable"], &["busybox", "sleep", "1234"]);
    run(&context, "b1", &["--pid", "container:a1", "--ipc", "container:a1"], &SLEEP);
    context
        .isopod(["exec", "b1", "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline"])
        .prints("sleep 1234 ");
    let link = |name: &str, kind: &str| {
        context.isopod(["exec", name, "readlink", &format!("/proc/self/ns/{kind}")]).stdout
    };
    assert_eq!(link("a1", "ipc"), link("b1", "ipc"));
    assert_eq!(link("a1", "pid"), link("b1", "pid"));
    assert_ne!(link("a1", "uts"), link("b1", "uts"));
    let id = context.isopod(["inspect", "-f", "{{.Id}}", "a1"]);
    context
        .isopod(["inspect", "-f", "{{.HostConfig.PidMode}}", "b1"])
        .prints(&format!("container:{}\n", id.line()));
    context.isopod(["rm", "-f", "b1"]).succeeds();
    context.isopod(["exec", "a1", "true"]).succeeds();
    context
        .isopod(["create", "--network", "none", "--name", "c1", "--pid", "container:a1", "busybox"])
        .succeeds();
    context.isopod(["stop", "-t", "0", "a1"]).succeeds();
    context.isopod(["start", "c1"]).fails_with(1).complains_of("container a1 is not running");
    let words = ["create", "--network", "none", "--pid", "container:none", "busybox"];
    context.isopod(words).fails_with(1).complains_of("none");
    let words = ["create", "--network", "none", "--userns", "keep-id", "busybox"];
    context.isopod(words).fails_with(125).complains_of("--userns");
    context
        .isopod(["run", "--rm", "--network", "none", "--userns", "host", "busybox", "true"])
        .succeeds();
}

#[test]
fn the_local_log_driver_rotates_and_is_read_back() {
    let context = TestContext::with(["busybox"]);
    let options = ["--log-driver", "local", "--log-opt", "max-size=20k", "--log-opt", "max-file=2"];
    run(&context, "c1", &options, &["busybox", "seq", "2000"]);
    context.isopod(["wait", "c1"]).prints("0\n");
    let lines = context.isopod(["logs", "c1"]);
    assert!(lines.stdout.ends_with("1999\n2000\n") && !lines.stdout.starts_with("1\n"), "{lines}");
    context.isopod(["logs", "-n", "1", "c1"]).prints("2000\n");
    context.isopod(["inspect", "-f", "{{.HostConfig.LogConfig.Type}}", "c1"]).prints("local\n");
}

/// docker's reference of `run`, «IPC settings».
#[test]
fn shared_memory_is_shared_by_whoever_allows_it() {
    let context = TestContext::with(["busybox"]);
    run(&context, "own", &[], &SLEEP);
    run(&context, "shared", &["--ipc", "shareable", "--shm-size", "1m"], &SLEEP);
    let write = |name: &str, script: &str| context.isopod(["exec", name, "sh", "-c", script]);
    write("shared", "echo a > /dev/shm/file").succeeds();
    run(&context, "guest", &["--ipc", "container:shared"], &SLEEP);
    write("guest", "cat /dev/shm/file; echo b > /dev/shm/other").prints("a\n");
    write("shared", "cat /dev/shm/other").prints("b\n");
    write("guest", "df -k /dev/shm | awk 'NR == 2 { print $2 }'").prints("1024\n");
    // And on to whoever joins the guest.
    run(&context, "next", &["--ipc", "container:guest"], &SLEEP);
    write("next", "cat /dev/shm/other").prints("b\n");
    write("own", "ls /dev/shm").prints_nothing();
    run(&context, "bare", &["--ipc", "none"], &SLEEP);
    write("bare", "ls -d /dev/shm").fails_with(1).complains_of("/dev/shm");
    let words =
        |other: &str| ["create", "--network", "none", "--ipc", other, "busybox"].map(str::to_owned);
    for refused in ["own", "bare"] {
        let outcome = context.isopod(words(&format!("container:{refused}")));
        outcome.fails_with(1).complains_of("--ipc shareable");
    }
    for (name, mode) in [("own", "private"), ("shared", "shareable"), ("bare", "none")] {
        let format = "{{.HostConfig.IpcMode}}";
        context.isopod(["inspect", "-f", format, name]).prints(&format!("{mode}\n"));
    }
    // It stays for those who joined.
    context.isopod(["rm", "-f", "shared"]).succeeds();
    write("guest", "cat /dev/shm/file").prints("a\n");
    // A symlink at its place is not followed.
    let away =
        ["--ipc", "shareable", "--cap-add", "SYS_ADMIN", "--security-opt", "apparmor=unconfined"];
    run(&context, "liar", &away, &SLEEP);
    write("liar", "umount /dev/shm && rmdir /dev/shm && ln -s /etc /dev/shm").succeeds();
    let words = ["run", "--rm", "--network", "none", "--ipc", "container:liar", "busybox", "true"];
    context.isopod(words).fails_with(125).complains_of("/dev/shm");
}

/// What the specification names is a process, which may be another one by the time of a restart.
#[test]
fn a_restart_by_policy_joins_what_the_other_container_has_by_then() {
    let context = TestContext::with(["busybox"]);
    run(&context, "a1", &[], &SLEEP);
    let short = ["busybox", "sleep", "0.05"];
    run(&context, "b1", &["--pid", "container:a1", "--restart", "always"], &short);
    let count = || -> u32 {
        let told = context.isopod(["inspect", "-f", "{{.RestartCount}}", "b1"]).stdout;
        told.trim().parse().unwrap()
    };
    // By now the pause is so long that the other one runs again before its end.
    until("four restarts", || count() >= 4);
    let first = context.isopod(["inspect", "-f", "{{.State.Pid}}", "a1"]).stdout;
    context.isopod(["restart", "-t", "0", "a1"]).succeeds();
    assert_ne!(context.isopod(["inspect", "-f", "{{.State.Pid}}", "a1"]).stdout, first);
    // One restart more may fail; after a failure there is no other.
    let before = count();
    until("two more", || count() >= before + 2);
    context.isopod(["rm", "-f", "b1"]).succeeds();
}

/// Whatever its policy is about to do, a removal is the end of it: the context complains of what is left.
#[test]
fn one_that_joins_processes_is_removed_at_any_moment_of_a_restart() {
    let context = TestContext::with(["busybox"]);
    run(&context, "a1", &[], &SLEEP);
    for n in 0..12 {
        let options = ["--pid", "container:a1", "--restart", "always"];
        run(&context, "b1", &options, &["busybox", "true"]);
        std::thread::sleep(std::time::Duration::from_millis(90 + 17 * n));
        context.isopod(["rm", "-f", "b1"]).succeeds();
    }
    let version_1 = Path::new("/sys/fs/cgroup/freezer");
    let root = if version_1.exists() { version_1 } else { Path::new("/sys/fs/cgroup") };
    let folder = root.join(context.cgroup()).join("default");
    let groups =
        || std::fs::read_dir(&folder).unwrap().filter(|e| e.as_ref().unwrap().path().is_dir());
    until("only the other one is left", || groups().count() == 1);
}

/// The numbers that its processes have in there are nobody's outside, or anybody's.
#[test]
fn processes_can_be_joined_whatever_numbers_they_have() {
    let context = TestContext::with(["busybox"]);
    run(&context, "a1", &[], &SLEEP);
    let joined = |script: &str| {
        let head = ["run", "--rm", "--network", "none", "--pid", "container:a1", "busybox"];
        context.isopod(head.into_iter().chain(["sh", "-c", script]))
    };
    for _ in 0..20 {
        joined("true").succeeds();
    }
    // Its control groups are seen as any other's are: its own are the top, and none can be made.
    let plain = ["run", "--rm", "--network", "none", "busybox", "ls", "/sys/fs/cgroup"];
    let plain = context.isopod(plain);
    joined("ls /sys/fs/cgroup").prints(&plain.succeeds().stdout);
    joined("mkdir /sys/fs/cgroup/*/x /sys/fs/cgroup/x").fails_with(1).complains_of("Read-only");
    // Version 1 has it in each hierarchy, version 2 at the top.
    let members = "cat /sys/fs/cgroup/freezer/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null";
    joined(&format!("{members} | wc -l")).prints("3\n");
}

/// docker: the end of the first process is the end of all of them, also where the kernel does not see to it.
#[test]
fn all_of_a_containers_processes_end_with_it_and_nobody_elses() {
    let context = TestContext::with(["busybox"]);
    let [first, other, of_a] = [1, 2, 3].map(|n| format!("{n}{}", 1_000_000 + std::process::id()));
    run(&context, "a1", &[], &["busybox", "sleep", &of_a]);
    let alive = |number: &str| {
        let seen =
            std::process::Command::new("pgrep").args(["-fx", &format!("sleep {number}")]).output();
        !seen.unwrap().stdout.is_empty()
    };
    let script = format!("sleep {other} & setsid sleep {other} & exec sleep {first}");
    let monitor = || -> i32 {
        let id = context.isopod(["inspect", "-f", "{{.Id}}", "b1"]).line().to_owned();
        let status = context.path("root/containers/default").join(id).join("status.json");
        let status: serde_json::Value =
            serde_json::from_slice(&std::fs::read(status).unwrap()).unwrap();
        status["monitor"].as_i64().unwrap().try_into().unwrap()
    };
    for pids in ["container:a1", "host"] {
        for end in [&["kill", "b1"][..], &["stop", "-t", "0", "b1"], &["rm", "-f", "b1"], &[]] {
            context.isopod(["rm", "-f", "b1"]);
            run(&context, "b1", &["--pid", pids], &["busybox", "sh", "-c", &script]);
            until("all of them", || alive(&first) && alive(&other));
            match end {
                // Its monitor's end is its own.
                [] => nix::sys::signal::kill(Pid::from_raw(monitor()), Signal::SIGKILL).unwrap(),
                end => drop(context.isopod(end.iter()).succeeds()),
            }
            until("the end of all of them", || !alive(&first) && !alive(&other));
            assert!(alive(&of_a), "{pids} {end:?}");
        }
    }
}
