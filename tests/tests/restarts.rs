//! Restart policies, health checks and boots as a user sees them. Rules and words are those of docker's
//! reference (`docker run --restart`, `--health-cmd`, `docker ps --filter health=`).
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use isopod_tests::TestContext;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::Value;

/// Orphans come to this process, as on a machine whose first process reaps.
fn busybox() -> TestContext {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .expect("it needs no right");
    TestContext::with(["busybox"])
}

fn run(context: &TestContext, name: &str, options: &[&str], script: &str) {
    let mut words = vec!["run", "-d", "--network", "none", "--name", name];
    words.extend(options);
    words.extend(["busybox", "sh", "-c", script]);
    context.isopod(words).succeeds();
}

fn data(context: &TestContext, name: &str) -> PathBuf {
    let folder = context.path("root").join("containers/default");
    let all = fs::read_dir(folder).expect("there are containers").flatten();
    let mut all = all.map(|entry| entry.path());
    // Without a command, which would look after the container itself.
    all.find(|path| {
        let launch = fs::read_to_string(path.join("hostname")).unwrap_or_default();
        launch.trim_end() == name
    })
    .unwrap_or_else(|| panic!("no container with the host name {name}"))
}

fn status_in(folder: &std::path::Path) -> Value {
    let text = fs::read_to_string(folder.join("status.json")).expect("it was started");
    serde_json::from_str(&text).expect("a status is JSON")
}

fn pid(value: &Value) -> Pid {
    Pid::from_raw(i32::try_from(value.as_i64().expect("a number")).expect("a process id"))
}

/// The child of the monitor that has this name.
fn child(monitor: Pid, name: &str) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{monitor}/task/{monitor}/children")).ok()?;
    let mut children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    children
        .find(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|comm| comm.trim_end() == name)
        })
        .map(Pid::from_raw)
}

/// Reaps what came to us; commands that the test waits for are none of it.
fn reap() {
    for task in fs::read_dir("/proc/self/task").expect("procfs is mounted").flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|child| child.parse().ok()) {
            let comm = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            if comm.trim_end() != "isopod" {
                waitpid(Pid::from_raw(child), Some(WaitPidFlag::WNOHANG)).ok();
            }
        }
    }
}

#[track_caller]
fn until(what: &str, mut test: impl FnMut() -> bool) {
    let since = Instant::now();
    while !test() {
        assert!(since.elapsed() < Duration::from_secs(30), "{what} did not come");
        reap();
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn shown(context: &TestContext, name: &str, template: &str) -> String {
    context.isopod(["inspect", "-f", template, name]).succeeds().stdout.trim_end().to_owned()
}

#[test]
fn a_failing_container_is_started_as_often_as_its_policy_says() {
    let context = busybox();
    run(&context, "c1", &["--restart", "on-failure:2"], "echo run; exit 3");
    until("the end", || shown(&context, "c1", "{{.State.Status}}") == "exited");
    let template = "{{.RestartCount}} {{.State.ExitCode}} {{json .HostConfig.RestartPolicy}}";
    assert_eq!(
        shown(&context, "c1", template),
        "2 3 {\"Name\":\"on-failure\",\"MaximumRetryCount\":2}"
    );
    context.isopod(["logs", "c1"]).prints("run\nrun\nrun\n");
    // By hand it begins to count anew.
    context.isopod(["start", "c1"]).succeeds();
    until("three more", || context.isopod(["logs", "c1"]).stdout == "run\n".repeat(6));
}

#[test]
fn a_container_in_its_pause_is_treated_as_one_that_runs() {
    let context = busybox();
    run(&context, "c1", &["--restart=always"], "exit 5");
    until("a long pause", || {
        shown(&context, "c1", "{{.RestartCount}} {{.State.Status}}").as_str() >= "4 restarting"
    });
    assert_eq!(
        shown(&context, "c1", "{{.State.Running}} {{.State.Restarting}} {{.State.ExitCode}}"),
        "true true 5"
    );
    context
        .isopod(["ps", "--format", "{{.State}} {{.Status}}"])
        .mentions("restarting Restarting (5)");
    let exec = context.isopod(["exec", "c1", "true"]);
    exec.fails_with(1).complains_of("is restarting: wait until the container is running");
    context.isopod(["rm", "c1"]).fails_with(1).complains_of("is restarting");
    context.isopod(["start", "c1"]).succeeds().prints("c1\n");
    context.isopod(["stop", "c1"]).succeeds();
    assert_eq!(shown(&context, "c1", "{{.State.Status}} {{.State.ExitCode}}"), "exited 5");
    // It stays down, for longer than any pause was.
    let count = shown(&context, "c1", "{{.RestartCount}}");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(
        shown(&context, "c1", "{{.State.Status}} {{.RestartCount}}"),
        format!("exited {count}")
    );
    // `restart` counts anew.
    run(&context, "r1", &["--restart=always"], "[ -e /n ] && sleep 1000; echo >/n; exit 1");
    until("a restart", || {
        shown(&context, "r1", "{{.RestartCount}} {{.State.Status}}") == "1 running"
    });
    context.isopod(["restart", "-t", "0", "r1"]).succeeds();
    assert_eq!(shown(&context, "r1", "{{.RestartCount}} {{.State.Status}}"), "0 running");
}

#[test]
fn a_kill_keeps_it_down_and_other_signals_dont() {
    let context = busybox();
    let script = "trap 'exit 7' HUP; while :; do sleep 0.05; done";
    run(&context, "c1", &["--restart=unless-stopped"], script);
    context.isopod(["kill", "-s", "HUP", "c1"]).succeeds();
    until("a restart", || {
        shown(&context, "c1", "{{.RestartCount}} {{.State.Status}}") == "1 running"
    });
    context.isopod(["kill", "c1"]).succeeds();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(shown(&context, "c1", "{{.RestartCount}} {{.State.Status}}"), "1 exited");
}

#[test]
fn a_foreground_client_and_a_wait_end_with_the_first_run() {
    let context = busybox();
    let words =
        ["run", "--network", "none", "--name", "c1", "--restart", "on-failure:1", "busybox"];
    let outcome = context.isopod(words.into_iter().chain(["sh", "-c", "echo run; exit 4"]));
    outcome.fails_with(4).prints("run\n");
    until("the end", || shown(&context, "c1", "{{.State.Status}} {{.RestartCount}}") == "exited 1");
    run(&context, "w1", &["--restart=always"], "sleep 1; exit 6");
    context.isopod(["wait", "w1"]).succeeds().prints("6\n");
    context.isopod(["rm", "-f", "w1"]).succeeds();
}

#[test]
fn what_cannot_be_is_refused() {
    let context = busybox();
    for (options, words) in [
        (&["--restart", "sometimes"][..], "sometimes"),
        (&["--restart", "always:2"], "only on-failure"),
        (&["--restart", "always", "--rm"], "--restart and --rm"),
        (&["--no-healthcheck", "--health-cmd", "true"], "--no-healthcheck"),
        (&["--health-interval", "-1s"], "negative"),
        (&["--health-interval", "10"], "units"),
    ] {
        let words_of = ["create", "--network", "none"].iter().chain(options);
        context.isopod(words_of.chain(&["busybox"])).fails_with(125).complains_of(words);
    }
    let short = ["create", "--network", "none", "--health-timeout", "1us", "busybox"];
    context.isopod(short).fails_with(1).complains_of("1 ms");
    assert!(context.containers().is_empty());
}

#[test]
fn health_is_shown_where_docker_shows_it() {
    let context = busybox();
    let check = ["--health-cmd", "cat /ok", "--health-interval=200ms", "--health-retries=1"];
    let mut options = check.to_vec();
    options.push("--health-start-period=1h");
    options.push("--health-start-interval=100ms");
    run(&context, "c1", &options, "sleep 1000");
    run(&context, "plain", &[], "sleep 1000");
    context
        .isopod(["ps", "-f", "name=c", "--format", "{{.Status}}"])
        .mentions("(health: starting)");
    context.isopod(["ps", "-f", "health=starting", "--format", "{{.Names}}"]).prints("c1\n");
    context.isopod(["ps", "-f", "health=none", "--format", "{{.Names}}"]).prints("plain\n");
    context.isopod(["exec", "c1", "sh", "-c", "echo fine >/ok"]).succeeds();
    until("health", || {
        context.isopod(["ps", "-f", "health=healthy", "--format", "{{.Names}}"]).stdout == "c1\n"
    });
    context.isopod(["ps", "-f", "name=c", "--format", "{{.Status}}"]).mentions("(healthy)");
    assert_eq!(
        shown(&context, "c1", "{{.State.Health.Status}} {{.State.Health.FailingStreak}}"),
        "healthy 0"
    );
    let log: Value =
        serde_json::from_str(&shown(&context, "c1", "{{json .State.Health.Log}}")).unwrap();
    let last = log.as_array().unwrap().last().unwrap();
    assert_eq!((last["ExitCode"].clone(), last["Output"].clone()), (0.into(), "fine\n".into()));
    assert_eq!(
        shown(&context, "c1", "{{json .Config.Healthcheck.Test}} {{.Config.Healthcheck.Interval}}"),
        "[\"CMD-SHELL\",\"cat /ok\"] 200000000"
    );
    context.isopod(["exec", "c1", "rm", "/ok"]).succeeds();
    until("sickness", || shown(&context, "c1", "{{.State.Health.Status}}") == "unhealthy");
    context.isopod(["stop", "-t", "0", "c1"]).succeeds();
}

#[test]
fn a_killed_monitors_container_is_started_again_without_any_command() {
    let context = busybox();
    run(&context, "c1", &["--restart", "on-failure", "--hostname", "c1"], "sleep 1000");
    let data = data(&context, "c1");
    let before = status_in(&data);
    kill(pid(&before["monitor"]), Signal::SIGKILL).unwrap();
    until("it runs again", || {
        let now = status_in(&data);
        now["phase"] == "running" && now["monitor"] != before["monitor"]
    });
    assert_eq!(status_in(&data)["restarts"], 1);
    context.isopod(["exec", "c1", "true"]).succeeds();
    assert_eq!(shown(&context, "c1", "{{.RestartCount}}"), "1");
    context.isopod(["rm", "-f", "c1"]).succeeds();
}

#[test]
fn the_next_command_does_what_a_killed_keeper_would_have_done() {
    let context = busybox();
    run(&context, "c1", &["--restart", "always", "--hostname", "c1"], "sleep 1000");
    let data = data(&context, "c1");
    let before = status_in(&data);
    let monitor = pid(&before["monitor"]);
    let keeper = child(monitor, "isopod-keeper").expect("it has a keeper");
    // Not to be noticed by the other meanwhile.
    kill(monitor, Signal::SIGSTOP).unwrap();
    kill(keeper, Signal::SIGKILL).unwrap();
    kill(monitor, Signal::SIGKILL).unwrap();
    until("the end of both", || !PathBuf::from(format!("/proc/{monitor}")).exists());
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(status_in(&data)["monitor"], before["monitor"], "nobody is there to notice");
    context.isopod(["ps", "-a"]).succeeds();
    until("it runs again", || {
        let now = status_in(&data);
        now["phase"] == "running" && now["monitor"] != before["monitor"]
    });
    assert_eq!(shown(&context, "c1", "{{.RestartCount}}"), "1");
    // One that nobody but its monitor kept alive dies for good if it is stopped now.
    context.isopod(["stop", "-t", "0", "c1"]).succeeds();
    assert_eq!(shown(&context, "c1", "{{.State.Status}}"), "exited");
}

#[test]
fn one_that_is_to_go_at_its_end_goes_though_its_monitor_was_killed() {
    let context = busybox();
    run(&context, "c1", &["--rm", "--hostname", "c1"], "sleep 1000");
    let data = data(&context, "c1");
    kill(pid(&status_in(&data)["monitor"]), Signal::SIGKILL).unwrap();
    until("the removal", || !data.exists());
    assert!(context.containers().is_empty());
}

#[test]
fn without_a_policy_there_is_no_keeper_and_a_killed_one_is_replaced() {
    let context = busybox();
    run(&context, "plain", &["--hostname", "plain"], "sleep 1000");
    let monitor = pid(&status_in(&data(&context, "plain"))["monitor"]);
    assert!(child(monitor, "isopod-guard").is_some());
    assert_eq!(child(monitor, "isopod-keeper"), None);
    run(&context, "kept", &["--restart=always", "--hostname", "kept"], "sleep 1000");
    let monitor = pid(&status_in(&data(&context, "kept"))["monitor"]);
    let first = child(monitor, "isopod-keeper").expect("it has a keeper");
    kill(first, Signal::SIGKILL).unwrap();
    until("another", || child(monitor, "isopod-keeper").is_some_and(|keeper| keeper != first));
}

#[test]
fn whatever_is_killed_whenever_the_container_comes_back_and_then_goes_without_a_trace() {
    let context = busybox();
    run(&context, "c1", &["--restart=always", "--hostname", "c1"], "while :; do sleep 0.1; done");
    let data = data(&context, "c1");
    let mut hits = [0; 4];
    for round in 0..32_u64 {
        // Half of them on one that runs, the others whatever it is doing just then.
        if round % 2 == 0 {
            until("a run", || status_in(&data)["phase"] == "running");
        }
        std::thread::sleep(Duration::from_millis(round * 37 % 101));
        reap();
        let now = status_in(&data);
        let monitor = pid(&now["monitor"]);
        let kind = usize::try_from(round * 7 / 2 % 4).unwrap();
        let (what, victim) = match kind {
            0 => ("monitor", Some(monitor)),
            1 => ("guard", child(monitor, "isopod-guard")),
            2 => ("keeper", child(monitor, "isopod-keeper")),
            _ => {
                ("container", now["pid"].as_i64().filter(|pid| *pid > 0).map(|_| pid(&now["pid"])))
            }
        };
        let hit = victim.is_some_and(|victim| kill(victim, Signal::SIGKILL).is_ok());
        hits[kind] += u32::from(hit);
        let word = if hit { "hit" } else { "missed" };
        println!("round {round}: {what} {word} in phase {}", now["phase"]);
        // The pauses grow with every end: it is stopped and started as its owner would.
        if round % 4 == 3 {
            context.isopod(["restart", "-t", "0", "c1"]).succeeds();
        }
    }
    println!("monitor, guard, keeper, container hit {hits:?} times");
    assert!(hits.iter().all(|hits| *hits > 0), "{hits:?}");
    context.isopod(["restart", "-t", "0", "c1"]).succeeds();
    context.isopod(["exec", "c1", "true"]).succeeds();
    context.isopod(["rm", "-f", "c1"]).succeeds();
    until("the end of the folder", || !data.exists());
}

/// As after a boot: the monitor is gone, and what it wrote is of another boot.
fn pretend_a_boot(context: &TestContext, name: &str) {
    let data = data(context, name);
    let now = status_in(&data);
    let monitor = pid(&now["monitor"]);
    if now["phase"] == "running" {
        kill(monitor, Signal::SIGSTOP).unwrap();
        if let Some(keeper) = child(monitor, "isopod-keeper") {
            kill(keeper, Signal::SIGKILL).unwrap();
        }
        kill(monitor, Signal::SIGKILL).unwrap();
        until("its end", || !PathBuf::from(format!("/proc/{}", pid(&now["pid"]))).exists());
    }
    let mut before = now;
    before["boot_id"] = "00000000-0000-4000-8000-000000000000".into();
    fs::write(data.join("status.json"), before.to_string()).unwrap();
}

#[test]
fn a_boot_starts_what_docker_would_start() {
    let context = busybox();
    let policies = [
        ("always", "always"),
        ("stopped-always", "always"),
        ("unless", "unless-stopped"),
        ("stopped-unless", "unless-stopped"),
        ("failing", "on-failure"),
        ("plain", "no"),
    ];
    for (name, policy) in policies {
        run(&context, name, &["--restart", policy, "--hostname", name], "sleep 1000");
    }
    let created = ["create", "--network=none", "--restart=always", "--name=never", "busybox"];
    context.isopod(created).succeeds();
    context.isopod(["stop", "-t", "0", "stopped-always", "stopped-unless"]).succeeds();
    for (name, _) in policies {
        pretend_a_boot(&context, name);
    }
    // Looking at them first makes no difference.
    context
        .isopod(["ps", "-a", "-f", "name=unless", "--format", "{{.State}}"])
        .prints("exited\nexited\n");
    context.isopod(["system", "start-all"]).succeeds().prints("always\nstopped-always\nunless\n");
    let running = context.isopod(["ps", "--format", "{{.Names}}"]);
    running.prints("unless\nstopped-always\nalways\n");
    context.isopod(["system", "start-all"]).succeeds().prints_nothing();
}

#[test]
fn one_that_cannot_be_started_keeps_no_other_from_it() {
    let context = busybox();
    let source = context.path("source");
    fs::create_dir(&source).unwrap();
    let mount = format!("type=bind,source={},target=/m", source.display());
    run(&context, "bad", &["--restart=always", "--mount", &mount, "--hostname=bad"], "sleep 1000");
    run(&context, "good", &["--restart=always", "--hostname=good"], "sleep 1000");
    pretend_a_boot(&context, "bad");
    pretend_a_boot(&context, "good");
    fs::remove_dir(&source).unwrap();
    let outcome = context.isopod(["system", "start-all"]);
    outcome.fails_with(1).prints("good\n").complains_of("source");
}

#[test]
fn what_a_shutdown_stops_comes_back_and_what_was_stopped_by_hand_doesnt() {
    let context = busybox();
    let script = "trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done";
    run(&context, "kept", &["--restart=unless-stopped"], script);
    run(&context, "plain", &[], script);
    run(&context, "stopped", &["--restart=unless-stopped"], script);
    context.isopod(["stop", "-t", "0", "stopped"]).succeeds();
    run(&context, "pausing", &["--restart=unless-stopped"], "exit 1");
    until("a pause", || shown(&context, "pausing", "{{.RestartCount}}").as_str() >= "4");
    context.isopod(["system", "stop-all"]).succeeds().prints("kept\npausing\nplain\n");
    context.isopod(["ps", "-q"]).succeeds().prints_nothing();
    context.isopod(["logs", "kept"]).prints("bye\n");
    context.isopod(["system", "start-all"]).succeeds().prints("kept\npausing\n");
    context.isopod(["rm", "-f", "pausing"]).succeeds();
    context.isopod(["ps", "--format", "{{.Names}}"]).prints("kept\n");
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let context = TestContext::without_registries();
    let prefix = context.path("prefix");
    let at = |words: [&str; 2]| {
        context.isopod(words.into_iter().chain(["--prefix", prefix.to_str().unwrap()]))
    };
    at(["system", "enable"]).succeeds().prints_nothing();
    at(["system", "enable"]).succeeds();
    let folder = prefix.join("etc/systemd/system");
    let unit = folder.join("isopod.service");
    let text = fs::read_to_string(&unit).unwrap();
    let root = format!("\"--root\" \"{}\"", context.path("root").display());
    for needed in
        ["Type=oneshot", "RemainAfterExit=yes", "system start-all", "system stop-all", &root]
    {
        assert!(text.contains(needed), "{needed} is missing\n{text}");
    }
    let link = folder.join("multi-user.target.wants/isopod.service");
    assert_eq!(fs::read_to_string(&link).unwrap(), text, "what is enabled is this unit");
    // The peer says whether it understands every line.
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).output();
    let said = String::from_utf8(verified.expect("systemd is installed").stderr).unwrap();
    assert!(!said.contains("isopod.service"), "{said}");
    // Another instance's is left alone.
    let elsewhere = ["--root", "/elsewhere", "system", "enable", "--prefix"];
    let other = context.isopod(elsewhere.into_iter().chain(prefix.to_str()));
    other.fails_with(125).complains_of("belongs to another instance");
    assert_eq!(fs::read_to_string(&unit).unwrap(), text);
    at(["system", "disable"]).succeeds();
    assert!(!unit.exists() && !link.is_symlink());
    at(["system", "disable"]).succeeds();
}
