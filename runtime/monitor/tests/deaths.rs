//! What happens when a process is killed that shouldn't be.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use isopod_monitor_protocol::client;
use isopod_monitor_protocol::message::{FromMonitor, Reply};
use isopod_monitor_protocol::status::Phase;
use isopod_sys::tree;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use support::{Container, MONITOR, OUT, eventually, read_until};

fn kill(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status"))
        .is_ok_and(|status| !status.contains("State:\tZ"))
}

fn clean_up(container: &Container) -> std::io::Result<()> {
    let binary = tree::readonly_clone(Path::new(MONITOR)).unwrap();
    client::clean_up(binary.as_fd(), &container.launch.data)
}

fn field(pid: i32, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    line.unwrap_or_default().to_owned()
}

/// Children of the monitor that still have its command line.
fn helpers(container: &Container) -> Vec<i32> {
    let monitor = container.monitor_pid();
    let all = container.processes().into_iter().map(|(pid, _)| pid);
    all.filter(|pid| field(*pid, "PPid") == monitor.to_string()).collect()
}

fn named(container: &Container, name: &str) -> Option<i32> {
    helpers(container).into_iter().find(|pid| field(*pid, "Name") == name)
}

#[test]
fn a_container_dies_with_its_monitor_though_it_changed_its_user_and_forgot_its_parent() {
    // `su` clears a parent-death signal, `setsid` leaves every session and group.
    let container = Container::shell(
        "setsid su -s /bin/sh nobody -c 'echo up; sleep 1000' & sleep 1000",
    )
    .with(|_, spec| {
        let all = json!(["CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE"]);
        spec["process"]["capabilities"] =
            json!({"bounding": all, "effective": all, "permitted": all});
    });
    fs::write(
        container.path("root/etc/passwd"),
        "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    )
    .unwrap();
    fs::write(container.path("root/etc/group"), "root:x:0:\nnobody:x:65534:\n").unwrap();
    let mut running = container.run(Some(OUT));
    read_until(&mut running.streams[0], "up");
    assert!(container.processes().len() >= 4);
    kill(container.monitor_pid(), Signal::KILL);
    eventually("everything of the container dies", || container.processes().is_empty());
    // Nobody has recorded it yet; the next command does.
    assert_eq!(container.status().phase, Phase::Running);
    clean_up(&container).unwrap();
    let status = container.status();
    assert_eq!((status.phase, status.exit.unwrap().code), (Phase::Exited, 255));
    assert_eq!(container.leftovers(), [""; 0]);
    // And can be started again.
    let container = container.with(|_, spec| spec["process"]["args"] = json!(["true"]));
    assert_eq!(container.output().2.code, 0);
}

#[test]
fn in_the_hosts_pid_namespace_too_a_container_dies_with_its_monitor() {
    let container = Container::shell("sleep 1000 & sleep 1000").with(|_, spec| {
        spec["linux"]["namespaces"].as_array_mut().unwrap().retain(|ns| ns["type"] != "pid");
    });
    let running = container.run(None);
    assert!(is_alive(running.pid));
    kill(container.monitor_pid(), Signal::KILL);
    eventually("everything of the container dies", || container.processes().is_empty());
    clean_up(&container).unwrap();
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn in_the_hosts_pid_namespace_nothing_outlives_the_first_process() {
    let container =
        Container::shell("sleep 1000 & sleep 1000 & echo up; exit 3").with(|_, spec| {
            spec["linux"]["namespaces"].as_array_mut().unwrap().retain(|ns| ns["type"] != "pid");
        });
    let (out, _, exit) = container.output();
    assert_eq!((out.as_str(), exit.code), ("up\n", 3));
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_container_ends_with_its_guard_and_its_monitor_says_so() {
    let container = Container::new(&["sleep", "1000"]);
    let running = container.run(None);
    let guard = named(&container, "isopod-guard").unwrap();
    kill(guard, Signal::KILL);
    assert_eq!(running.exit().code, 137);
    container.wait_until_gone();
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_killed_launcher_is_an_error_and_leaves_nothing() {
    // A hook inside the container keeps the launcher waiting.
    let container = Container::new(&["true"]).with(|_, spec| {
        spec["hooks"] =
            json!({"createContainer": [{"path": "/bin/sleep", "args": ["sleep", "1000"]}]});
    });
    let mut connection = container.spawn(None, None);
    eventually("the launcher is at work", || {
        container.launch.data.join("status.json").exists() && helpers(&container).len() >= 3
    });
    std::thread::sleep(std::time::Duration::from_millis(100));
    kill(named(&container, "isopod-launcher").unwrap(), Signal::KILL);
    let answer = connection.receive().unwrap();
    let Some(FromMonitor::Reply(Reply::Error { message, .. })) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(message, "launcher was killed by signal 9");
    container.wait_until_gone();
    assert_eq!(container.status().phase, Phase::Failed);
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_monitor_that_is_asked_to_end_takes_its_container_along_in_order() {
    let container = Container::new(&["sleep", "1000"]);
    let running = container.run(None);
    kill(container.monitor_pid(), Signal::TERM);
    assert_eq!(running.exit().code, 137);
    container.wait_until_gone();
    assert_eq!(container.status().phase, Phase::Exited);
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_container_that_is_monitored_is_not_cleaned_up() {
    let container = Container::new(&["sleep", "1000"]);
    let running = container.run(None);
    let error = clean_up(&container).unwrap_err();
    assert!(error.to_string().contains("has a monitor"), "{error}");
    assert!(is_alive(running.pid));
    container.kill();
    running.exit();
}

#[test]
fn a_monitor_whose_client_never_asks_for_anything_goes_away() {
    let container = Container::new(&["true"]);
    container.write();
    let binary = tree::readonly_clone(Path::new(MONITOR)).unwrap();
    let mut spawned = client::spawn(binary.as_fd(), &container.launch.data).unwrap();
    eventually("there is a monitor", || !container.processes().is_empty());
    drop(spawned.connection);
    spawned.starter.wait().unwrap();
    eventually("it goes away", || container.processes().is_empty());
    assert!(!container.launch.state.exists());
}

/// A script that proves that it ran, by itself, when nobody held the monitor's lock.
fn proof(container: &Container) -> (PathBuf, Vec<String>) {
    let proof = container.path("proof");
    let lock = container.launch.state.join("monitor.lock");
    let part = proof.with_extension("part");
    let script = format!(
        "flock -n {} sh -c 'env > {part}' && mv {part} {}",
        lock.display(),
        proof.display(),
        part = part.display(),
    );
    (proof, vec!["/bin/sh".into(), "-c".into(), script])
}

#[test]
fn the_command_that_is_to_follow_runs_though_the_monitor_was_killed() {
    let container = Container::new(&["sleep", "1000"]);
    let (proof, command) = proof(&container);
    let container = container.with(|launch, _| launch.after_exit = command);
    let _running = container.run(None);
    assert!(named(&container, "isopod-keeper").is_some());
    kill(container.monitor_pid(), Signal::KILL);
    eventually("the command has run", || proof.exists());
    eventually("everything of the container dies", || container.processes().is_empty());
    clean_up(&container).unwrap();
    let status = container.status();
    assert!(status.awaits_policy, "whoever asks the policies next is told");
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_keeper_is_there_only_where_something_is_to_follow_and_is_replaced_when_killed() {
    let plain = Container::new(&["sleep", "1000"]);
    let running = plain.run(None);
    assert_eq!(named(&plain, "isopod-keeper"), None);
    plain.kill();
    running.exit();

    let container = Container::new(&["sleep", "1000"]);
    let (proof, command) = proof(&container);
    let container = container.with(|launch, _| launch.after_exit = command);
    let running = container.run(None);
    let first = named(&container, "isopod-keeper").unwrap();
    kill(first, Signal::KILL);
    eventually("there is another", || {
        named(&container, "isopod-keeper").is_some_and(|keeper| keeper != first)
    });
    // It holds nothing of the container's or the monitor's but its end.
    let keeper = named(&container, "isopod-keeper").unwrap();
    let descriptors = || {
        let all = fs::read_dir(format!("/proc/{keeper}/fd")).unwrap().flatten();
        let number = |name: std::ffi::OsString| name.to_str().unwrap().parse::<u32>().unwrap();
        all.map(|entry| number(entry.file_name())).filter(|number| *number > 2).count()
    };
    eventually("it has closed the rest", || descriptors() == 1);
    container.kill();
    running.exit();
    eventually("the command has run", || proof.exists());
    eventually("everything is gone", || container.processes().is_empty());
}

#[test]
fn the_command_that_is_to_follow_runs_when_all_is_over() {
    let container = Container::shell("exit 2");
    let (proof, command) = proof(&container);
    let container = container.with(|launch, _| launch.after_exit = command);
    let running = container.run(None);
    assert_eq!(running.exit().code, 2);
    eventually("the command has run", || proof.exists());
    let environment = std::io::read_to_string(File::open(proof).unwrap()).unwrap();
    assert!(!environment.contains("CARGO"), "{environment}");
}
