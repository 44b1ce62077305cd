//! kill -9 of each part in turn: the client, the launcher, the monitor, the container's own process.
//! Whatever dies, the next command knows what became of the container, and nothing is left.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use isopod_tests::{TestContext, leftovers};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

/// Orphans come to this process, as on a machine whose first process reaps: where it does not, what
/// was killed stays in the process table and holds its pid namespace.
fn busybox() -> TestContext {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .expect("it needs no right");
    let (context, _) = TestContext::new();
    context.pull("busybox");
    context
}

fn data(context: &TestContext, name: &str) -> PathBuf {
    let id = context.isopod(["inspect", "-f", "{{.Id}}", name]);
    context.path("root").join("containers/default").join(id.line())
}

fn status(context: &TestContext, name: &str) -> Value {
    let text = fs::read_to_string(data(context, name).join("status.json")).expect("it was started");
    serde_json::from_str(&text).expect("a status is JSON")
}

fn pid(value: &Value) -> Pid {
    let pid = value.as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("a process id");
    assert!(pid > 0, "a process is needed, not {pid}");
    Pid::from_raw(pid)
}

#[track_caller]
fn until_it_runs(context: &TestContext, name: &str) {
    let filter = format!("name={name}");
    until("the container", || {
        context.isopod(["ps", "-f", &filter, "--format", "{{.State}}"]).stdout == "running\n"
    });
}

/// Reaps what came to us, but for the commands that the test has started and will wait for.
fn reap(but: Option<u32>) {
    let children =
        fs::read_to_string(format!("/proc/self/task/{}/children", nix::unistd::gettid()));
    let mut all: Vec<String> = Vec::new();
    all.extend(children.unwrap_or_default().split_whitespace().map(str::to_owned));
    // Orphans are given to any thread of ours.
    for task in fs::read_dir("/proc/self/task").expect("procfs is mounted").flatten() {
        let of_task = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        all.extend(of_task.split_whitespace().map(str::to_owned));
    }
    for child in all.iter().filter_map(|child| child.parse::<u32>().ok()) {
        let comm = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        if Some(child) != but && comm.trim_end() != "isopod" {
            let child = Pid::from_raw(i32::try_from(child).expect("process ids are small"));
            waitpid(child, Some(WaitPidFlag::WNOHANG)).ok();
        }
    }
}

#[track_caller]
fn until(what: &str, mut test: impl FnMut() -> bool) {
    let since = Instant::now();
    while !test() {
        assert!(since.elapsed() < Duration::from_secs(20), "{what} did not come");
        reap(None);
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_gone(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

/// Nothing of any container of the instance is left: no folder, no process, no cgroup.
#[track_caller]
fn nothing_is_left(context: &TestContext) {
    let empty = |path: PathBuf| fs::read_dir(path).is_ok_and(|mut all| all.next().is_none());
    until("the end of the folders", || {
        empty(context.path("root").join("containers"))
            && empty(context.path("root").join("snapshots"))
            && empty(context.path("root").join("volumes"))
            && empty(context.path("state").join("containers"))
    });
    let since = Instant::now();
    loop {
        let mut cgroups = leftovers::cgroups_below(&context.cgroup());
        cgroups.extend(leftovers::cgroups_called(&context.cgroup()));
        if cgroups.is_empty() {
            break;
        }
        assert!(since.elapsed() < Duration::from_secs(20), "left: {cgroups:?}");
        reap(None);
        std::thread::sleep(Duration::from_millis(10));
    }
    until("the end of the processes", || {
        leftovers::processes_that_hold(context.folder()).is_empty()
    });
}

#[test]
fn a_container_outlives_the_client_it_was_shown_by() {
    let context = busybox();
    let words =
        ["run", "--network", "none", "--name", "c1", "busybox", "sh", "-c", "sleep 2; exit 3"];
    let client = context.command(words).start();
    until_it_runs(&context, "c1");
    client.signal(Signal::SIGKILL);
    client.outcome().fails_with(137);
    context.isopod(["ps", "--format", "{{.State}}"]).prints("running\n");
    context.isopod(["wait", "c1"]).succeeds().prints("3\n");
    context.isopod(["rm", "c1"]).succeeds();
    nothing_is_left(&context);
}

#[test]
fn one_that_was_to_go_at_its_end_goes_though_its_client_was_killed() {
    let context = busybox();
    let words =
        ["run", "--rm", "--network", "none", "--name", "c1", "-v", "/v", "busybox", "sleep", "2"];
    let client = context.command(words).start();
    until_it_runs(&context, "c1");
    client.signal(Signal::SIGKILL);
    client.outcome().fails_with(137);
    until("the removal", || context.containers().is_empty());
    nothing_is_left(&context);
}

#[test]
fn a_container_dies_with_its_monitor_and_the_next_command_says_so() {
    let context = busybox();
    // One that ignores what it can, changes its user, and has children in sessions of their own.
    let script =
        "trap '' TERM HUP; setsid sleep 1000 & su -s /bin/sh nobody -c 'sleep 1000' & wait";
    context
        .isopod(["run", "-d", "--network", "none", "--name", "m1", "busybox", "sh", "-c", script])
        .succeeds();
    let status = status(&context, "m1");
    let (monitor, first) = (pid(&status["monitor"]), pid(&status["pid"]));
    kill(monitor, Signal::SIGKILL).unwrap();
    until("the container's end", || is_gone(first));
    let listed = context.isopod(["ps", "-a", "--format", "{{.Names}} {{.Status}}"]);
    listed.succeeds().mentions("m1 Exited (255)");
    let error = context.isopod(["inspect", "-f", "{{.State.Error}}", "m1"]);
    assert!(error.line().contains("monitor"), "{error}");
    context.isopod(["logs", "m1"]).succeeds();
    // Nobody was there to record the end but who cleaned up.
    let deaths = ["events", "--since", "1h", "--until", "0s", "--filter", "event=die"];
    let format = ["--format", "{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}"];
    context.isopod(deaths.iter().chain(&format)).prints("m1 255\n");
    // It can be started again, and removed.
    context.isopod(["start", "m1"]).succeeds();
    context.isopod(["exec", "m1", "true"]).succeeds();
    context.isopod(["rm", "-f", "m1"]).succeeds();
    nothing_is_left(&context);
}

#[test]
fn a_client_is_told_that_its_containers_monitor_died() {
    let context = busybox();
    let words = ["run", "--network", "none", "--name", "m1", "busybox", "sleep", "1000"];
    let client = context.command(words).start();
    until_it_runs(&context, "m1");
    kill(pid(&status(&context, "m1")["monitor"]), Signal::SIGKILL).unwrap();
    client.outcome().fails_with(125).complains_of("monitor");
    context.isopod(["rm", "m1"]).succeeds();
    nothing_is_left(&context);
}

#[test]
fn a_first_process_that_is_killed_is_an_end_by_signal() {
    let context = busybox();
    let words = ["run", "--network", "none", "--name", "i1", "busybox", "sleep", "1000"];
    let client = context.command(words).start();
    until_it_runs(&context, "i1");
    kill(pid(&status(&context, "i1")["pid"]), Signal::SIGKILL).unwrap();
    client.outcome().fails_with(137);
    context
        .isopod(["inspect", "-f", "{{.State.ExitCode}} {{.State.OOMKilled}}", "i1"])
        .prints("137 false\n");
    context.isopod(["rm", "i1"]).succeeds();
    nothing_is_left(&context);
}

/// The children of a monitor that is starting a container, by their name.
fn launcher_of(folder: &std::path::Path) -> Option<Pid> {
    fs::read_dir("/proc").expect("procfs is mounted").flatten().find_map(|entry| {
        let comm = fs::read_to_string(entry.path().join("comm")).ok()?;
        (comm.trim_end() == "isopod-launcher").then_some(())?;
        let mounts = fs::read_to_string(entry.path().join("cmdline")).ok()?;
        mounts.contains(folder.to_str()?).then_some(())?;
        entry.file_name().to_str()?.parse().ok().map(Pid::from_raw)
    })
}

#[test]
fn a_launcher_killed_at_any_moment_leaves_a_clear_error_and_nothing_else() {
    let context = busybox();
    let mut hit = 0;
    for round in 0..40_u64 {
        let words = ["run", "--rm", "--network", "none", "busybox", "true"];
        let client = context.command(words).start();
        let since = Instant::now();
        let mut killed = false;
        while since.elapsed() < Duration::from_secs(2) {
            if let Some(launcher) = launcher_of(context.folder()) {
                std::thread::sleep(Duration::from_micros(round * 350));
                killed = kill(launcher, Signal::SIGKILL).is_ok();
                break;
            }
        }
        let outcome = client.outcome();
        if outcome.code == 0 {
            continue;
        }
        assert!(killed, "{outcome}");
        hit += 1;
        println!("after {} us: {}", round * 350, outcome.stderr.trim_end());
        outcome.fails_with(125).complains_of("launcher was killed");
    }
    println!("{hit} of 40 hit");
    assert!(hit > 5, "only {hit} launchers were hit");
    reap(None);
    assert!(context.containers().is_empty());
    nothing_is_left(&context);
}

#[test]
fn a_client_killed_at_any_moment_leaves_an_instance_that_works() {
    let context = busybox();
    for round in 0..30_u64 {
        let client = context
            .command(["run", "--rm", "--network", "none", "-v", "/v", "busybox", "true"])
            .start();
        std::thread::sleep(Duration::from_millis(round * 4));
        client.signal(Signal::SIGKILL);
        client.outcome();
    }
    context.isopod(["run", "--rm", "--network", "none", "busybox", "true"]).succeeds();
    until("the end of what runs", || context.isopod(["ps", "-q"]).stdout.is_empty());
    for id in context.containers() {
        // Those that were made and never started; one may be going by itself.
        context.isopod(["rm", "-f", "-v", &id]).succeeds();
    }
    nothing_is_left(&context);
}

#[test]
fn what_ran_before_a_reboot_has_ended_with_255() {
    let context = busybox();
    let words = ["run", "-d", "--network", "none", "--name", "b1", "busybox", "sleep", "1000"];
    context.isopod(words).succeeds();
    let now = status(&context, "b1");
    kill(pid(&now["monitor"]), Signal::SIGKILL).unwrap();
    until("the container's end", || is_gone(pid(&now["pid"])));
    let mut before = now;
    before["boot_id"] = Value::from("00000000-0000-4000-8000-000000000000");
    fs::write(data(&context, "b1").join("status.json"), before.to_string()).unwrap();
    context.isopod(["ps", "-a", "--format", "{{.Status}}"]).succeeds().mentions("Exited (255)");
    context.isopod(["start", "b1"]).succeeds();
    context.isopod(["exec", "b1", "true"]).succeeds();
    context.isopod(["rm", "-f", "b1"]).succeeds();
    nothing_is_left(&context);
}

#[test]
fn a_container_outlives_the_session_and_the_shell_that_started_it() {
    let context = busybox();
    let isopod = isopod_tests::binary::isopod();
    let script = format!(
        "{} run -d --network none --name s1 busybox sleep 1000; kill -9 0",
        isopod.display()
    );
    let mut shell = Command::new("setsid");
    shell.args(["--wait", "sh", "-c", &script]).env_clear().envs(context.environment());
    shell.env("PATH", std::env::var_os("PATH").unwrap());
    shell.output().unwrap();
    context.isopod(["exec", "s1", "true"]).succeeds();
    let status = status(&context, "s1");
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid(&status["monitor"]))).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    // Session and process group are its own, and it has no terminal (proc(5): fields 5 to 7).
    assert_eq!((fields[3], fields[4]), (pid(&status["monitor"]).to_string().as_str(), "0"));
    context.isopod(["rm", "-f", "s1"]).succeeds();
    nothing_is_left(&context);
}
