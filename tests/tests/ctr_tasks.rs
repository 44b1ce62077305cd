//! `ctr run`, `ctr tasks` and `ctr containers`, under the name `ctr` too.

use std::fs;
use std::process::Command;

use isopod_tests::{Outcome, TestContext, leftovers, until};

const IMAGE: &str = "docker.io/library/busybox:latest";

fn busybox() -> TestContext {
    TestContext::with(["busybox"])
}

#[track_caller]
fn ctr(context: &TestContext, words: &[&str]) -> Outcome {
    context.personality("ctr", words).run()
}

/// The task's row of `tasks ls`: pid and status.
fn task(context: &TestContext, id: &str) -> Option<(i32, String)> {
    let listed = ctr(context, &["tasks", "ls"]);
    listed.succeeds().lines().iter().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(id)).then_some(())?;
        Some((words.next()?.parse().ok()?, words.next()?.to_owned()))
    })
}

#[test]
fn run_shows_the_process_and_keeps_the_container_unless_told_otherwise() {
    let context = busybox();
    ctr(&context, &["run", "--rm", IMAGE, "a", "sh", "-c", "echo out; exit 3"])
        .fails_with(3)
        .prints("out\n");
    assert!(context.containers().is_empty());
    ctr(&context, &["run", "--env", "A=b", IMAGE, "a", "sh", "-c", "echo $A"])
        .succeeds()
        .prints("b\n");
    ctr(&context, &["containers", "ls", "-q"]).prints("a\n");
    assert_eq!(task(&context, "a"), Some((0, "STOPPED".to_owned())));
    ctr(&context, &["run", IMAGE, "a", "true"]).fails_with(1).complains_of("in use");
    ctr(&context, &["tasks", "rm", "a"]).succeeds();
    assert_eq!(task(&context, "a"), None);
    ctr(&context, &["tasks", "start", "a"]).succeeds().prints("b\n");
    let info: serde_json::Value = ctr(&context, &["containers", "info", "a"]).json();
    assert_eq!((&info["ID"], &info["Image"]), (&"a".into(), &IMAGE.into()));
    ctr(&context, &["containers", "rm", "a"]).succeeds();
    ctr(&context, &["containers", "info", "a"]).fails_with(1).complains_of("no such container: a");
    let fed = context.personality("ctr", ["run", "--rm", IMAGE, "a", "cat"]).stdin("x\n").run();
    fed.succeeds().prints("x\n");
}

#[test]
fn a_task_lives_from_start_to_rm() {
    let context = busybox();
    ctr(
        &context,
        &["run", "-d", IMAGE, "a", "sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"],
    )
    .succeeds()
    .prints_nothing();
    let (pid, status) = task(&context, "a").unwrap();
    assert_eq!(status, "RUNNING");
    assert!(fs::exists(format!("/proc/{pid}")).unwrap());
    ctr(&context, &["tasks", "exec", "--exec-id", "x", "a", "sh", "-c", "echo in; exit 4"])
        .fails_with(4)
        .prints("in\n");
    ctr(&context, &["tasks", "pause", "a"]).succeeds();
    assert_eq!(task(&context, "a").unwrap().1, "PAUSED");
    ctr(&context, &["tasks", "exec", "--exec-id", "x", "a", "true"])
        .fails_with(1)
        .complains_of("paused");
    ctr(&context, &["tasks", "resume", "a"]).succeeds();
    assert_eq!(task(&context, "a").unwrap().1, "RUNNING");
    ctr(&context, &["tasks", "rm", "a"]).fails_with(1).complains_of("running");
    ctr(&context, &["containers", "rm", "a"]).fails_with(1).complains_of("running");
    let attached = context.personality("ctr", ["tasks", "attach", "a"]).start();
    std::thread::sleep(std::time::Duration::from_millis(500));
    ctr(&context, &["tasks", "kill", "-s", "SIGTERM", "a"]).succeeds();
    attached.outcome().fails_with(7);
    until("its end", || task(&context, "a").unwrap().1 == "STOPPED");
    ctr(&context, &["tasks", "kill", "a"]).fails_with(1).complains_of("not running");
    ctr(&context, &["tasks", "rm", "a"]).complains_of("exited with status 7");
    ctr(&context, &["containers", "rm", "a"]).succeeds();
    ctr(&context, &["containers", "ls", "-q"]).prints_nothing();
}

#[test]
fn terminals_of_tasks_and_execs_are_usable() {
    let context = busybox();
    let mut terminal = context.terminal(["ctr", "run", "-t", "--rm", IMAGE, "a", "sh"]);
    terminal.expects("# ").types("stty size\n").expects("24 80");
    let mut exec = context.terminal(["ctr", "tasks", "exec", "-t", "--exec-id", "x", "a", "sh"]);
    exec.expects("# ").types("echo $((6*7)); exit 5\n").expects("42");
    exec.exits_with(5);
    terminal.types("exit 6\n");
    terminal.exits_with(6);
    assert!(context.containers().is_empty());
}

#[test]
fn a_folder_serves_as_root_and_is_written_to() {
    let context = busybox();
    let folder = context.path("rootfs");
    fs::create_dir_all(folder.join("bin")).unwrap();
    let busybox = Command::new("sh").args(["-c", "command -v busybox"]).output().unwrap();
    let busybox = String::from_utf8(busybox.stdout).unwrap();
    fs::copy(busybox.trim_end(), folder.join("bin/busybox")).unwrap();
    let root = folder.to_str().unwrap();
    let script = "echo written > /file; /bin/busybox pwd";
    ctr(&context, &["run", "--rm", "--rootfs", root, "a", "/bin/busybox", "sh", "-c", script])
        .succeeds()
        .prints("/\n");
    assert_eq!(fs::read_to_string(folder.join("file")).unwrap(), "written\n");
    ctr(&context, &["run", "--rm", "--rootfs", "/", "a", "true"])
        .fails_with(1)
        .complains_of("can't be a root file system");
    ctr(&context, &["run", "--rm", "--rootfs", "/no/such", "a", "true"])
        .fails_with(1)
        .complains_of("/no/such");
    ctr(&context, &["run", "--rm", "docker.io/library/nothing:here", "a"])
        .fails_with(1)
        .complains_of("nothing:here");
    assert!(context.containers().is_empty());
}

#[test]
fn limits_mounts_and_the_hosts_network_are_as_said() {
    let context = busybox();
    let folder = context.path("shared");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("f"), "host\n").unwrap();
    let mount = format!("type=bind,src={},dst=/m,options=rbind:ro", folder.display());
    ctr(
        &context,
        &["run", "--rm", "--mount", &mount, IMAGE, "a", "sh", "-c", "cat /m/f; touch /m/x"],
    )
    .fails_with(1)
    .prints("host\n");
    let words =
        ["run", "-d", "--memory-limit", "33554432", "--cpus", "0.5", IMAGE, "a", "sleep", "1000"];
    ctr(&context, &words).succeeds();
    let limits: Vec<String> = leftovers::cgroups_below(&context.cgroup())
        .iter()
        .flat_map(|cgroup| ["memory.limit_in_bytes", "memory.max"].map(|file| cgroup.join(file)))
        .filter_map(|file| fs::read_to_string(file).ok())
        .collect();
    assert!(limits.contains(&"33554432\n".to_owned()), "{limits:?}");
    ctr(&context, &["tasks", "rm", "-f", "a"]).succeeds();
    ctr(&context, &["containers", "rm", "a"]).succeeds();
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    let of = |words: &[&str]| {
        let words =
            [&["run", "--rm"], words, &[IMAGE, "a", "readlink", "/proc/self/ns/net"]].concat();
        ctr(&context, &words).line().to_owned()
    };
    assert_eq!(of(&["--net-host"]), own.to_str().unwrap());
    assert_ne!(of(&[]), own.to_str().unwrap());
}
