//! Restart policies: who is started again, when, and what ends that. The rules are docker's (`--restart` in
//! its command line's reference).
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use isopod_monitor_protocol::launch::{Again, Restart};
use isopod_monitor_protocol::message::{ErrorKind, Event, FromMonitor, Reply, Request, Streams};
use isopod_monitor_protocol::status::{Exit, Phase};
use isopod_monitor_protocol::time::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use support::{Container, OUT, eventually, process, read, read_until};

const STOP: Request =
    Request::Kill { exec_id: None, signal: libc::SIGKILL, all: false, stop: true };

impl Container {
    fn restarting(self, restart: Restart) -> Self {
        self.with_json_log().with(|launch, _| launch.restart = restart)
    }

    /// What it has logged, a line each.
    fn logged(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        let of = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        text.lines().map(|line| of(line)["log"].as_str().unwrap().to_owned()).collect()
    }

    /// When it logged its lines, in nanoseconds.
    fn log_times(&self) -> Vec<i64> {
        let text = fs::read_to_string(self.path("log")).unwrap();
        let of = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            let time = chrono::DateTime::parse_from_rfc3339(line["time"].as_str().unwrap());
            time.unwrap().timestamp_nanos_opt().unwrap()
        };
        text.lines().map(of).collect()
    }

    fn wait_for_phase(&self, phase: Phase) {
        eventually(&format!("it is {phase:?}"), || self.status().phase == phase);
    }
}

#[test]
fn on_failure_starts_it_again_as_often_as_it_says_and_the_log_goes_on() {
    let container =
        Container::shell("echo run; exit 3").restarting(Restart::OnFailure { max: Some(2) });
    let running = container.run(None);
    assert_eq!(running.exit().code, 3);
    container.wait_until_gone();
    let status = container.status();
    assert_eq!((status.phase, status.restarts), (Phase::Exited, 2));
    assert_eq!(status.exit.unwrap().code, 3);
    assert_eq!(container.logged(), ["run\n"; 3]);
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_success_is_no_failure() {
    let script = "echo run; [ -e /once ] && exit 0; echo >/once; exit 1";
    let container = Container::shell(script).restarting(Restart::OnFailure { max: None });
    container.run(None).exit();
    container.wait_until_gone();
    let status = container.status();
    assert_eq!((status.phase, status.restarts, status.exit.unwrap().code), (Phase::Exited, 1, 0));
}

#[test]
fn without_a_policy_nothing_is_started_again() {
    let container = Container::shell("echo run; exit 1").restarting(Restart::No);
    assert_eq!(container.run(None).exit().code, 1);
    container.wait_until_gone();
    assert_eq!(container.logged(), ["run\n"]);
}

#[test]
fn always_starts_it_again_with_pauses_that_double() {
    let container = Container::shell("echo run").restarting(Restart::Always);
    let mut pauses = Vec::new();
    container.run(None).exit();
    eventually("three restarts", || {
        let status = container.status();
        if pauses.last() != Some(&(status.restarts, status.pause)) {
            pauses.push((status.restarts, status.pause));
        }
        status.restarts >= 4
    });
    assert_eq!(container.ask(STOP), Reply::Ok);
    container.wait_until_gone();
    pauses.retain(|(restarts, _)| *restarts > 0);
    assert_eq!(pauses, [(1, 100), (2, 200), (3, 400), (4, 800)]);
    // It did wait that long.
    let starts = container.log_times();
    let waited: Vec<i64> = starts.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).collect();
    for (waited, pause) in waited.iter().zip([100, 200, 400]) {
        assert!(*waited >= pause, "{waited} ms in the place of {pause}");
    }
    assert!(waited.len() >= 3, "{waited:?}");
}

#[test]
fn a_session_and_a_wait_end_with_the_run_and_the_container_goes_on() {
    let container =
        Container::shell("echo run; exit 7").restarting(Restart::OnFailure { max: Some(1) });
    let mut running = container.run(Some(OUT));
    let out = read(running.streams.remove(0));
    assert_eq!(out, "run\n");
    assert_eq!(running.exit().code, 7);
    container.wait_until_gone();
    assert_eq!(container.logged(), ["run\n"; 2]);
}

#[test]
fn a_stop_in_the_pause_ends_it_and_tells_who_waits() {
    let container = Container::shell("exit 5").restarting(Restart::Always);
    container.run(None).exit();
    eventually("the pause is long", || {
        let status = container.status();
        status.phase == Phase::Restarting && status.restarts >= 4
    });
    // In docker's words.
    let Reply::Error { kind: ErrorKind::WrongPhase, message } = container.ask(Request::Exec {
        exec_id: "x".into(),
        process: process(&["true"]),
        streams: Streams::default(),
        size: None,
    }) else {
        panic!("an exec began")
    };
    assert!(message.contains("is restarting, wait until the container is running"), "{message}");
    let hup = Request::Kill { exec_id: None, signal: libc::SIGHUP, all: false, stop: false };
    assert!(matches!(container.ask(hup), Reply::Error { kind: ErrorKind::WrongPhase, .. }));
    let mut wait = container.connect();
    assert_eq!(wait.ask(Request::Wait { exec_id: None }).unwrap(), Reply::Ok);
    assert_eq!(container.ask(STOP), Reply::Ok);
    let Some(Event::Exited { exit }) = wait.event().unwrap() else { panic!("no end") };
    assert_eq!(exit.code, 5);
    container.wait_until_gone();
    let status = container.status();
    assert_eq!((status.phase, status.is_stopped_by_hand), (Phase::Exited, true));
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn what_was_stopped_by_hand_stays_down_whatever_the_policy() {
    for policy in [Restart::Always, Restart::UnlessStopped, Restart::OnFailure { max: None }] {
        let container = Container::new(&["sleep", "1000"]).restarting(policy);
        let running = container.run(None);
        assert_eq!(container.ask(STOP), Reply::Ok);
        assert_eq!(running.exit().code, 137);
        container.wait_until_gone();
        let status = container.status();
        assert_eq!((status.phase, status.restarts), (Phase::Exited, 0), "{policy:?}");
        assert!(status.is_stopped_by_hand);
    }
}

#[test]
fn a_signal_that_is_no_stop_leaves_the_policy_in_force() {
    let container = Container::new(&["sleep", "1000"]).restarting(Restart::Always);
    let running = container.run(None);
    let first = running.pid;
    container.kill();
    assert_eq!(running.exit().code, 137);
    eventually("it runs again", || {
        let status = container.status();
        status.phase == Phase::Running && status.pid != first
    });
    assert!(!container.status().is_stopped_by_hand);
    // And can be worked with as before.
    let mut session = container.connect();
    let exec = Request::Exec {
        exec_id: "x".into(),
        process: process(&["echo", "here"]),
        streams: OUT,
        size: None,
    };
    assert!(matches!(session.ask(exec).unwrap(), Reply::Started { .. }));
    let mut out = fs::File::from(session.take_descriptors().remove(0));
    assert_eq!(read_until(&mut out, "\n"), "here\n");
    assert_eq!(container.ask(STOP), Reply::Ok);
    container.wait_until_gone();
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_start_that_fails_is_not_tried_again() {
    let container = Container::new(&["/nowhere"]).restarting(Restart::Always);
    let (kind, _) = container.try_run(None).err().unwrap();
    assert_eq!(kind, ErrorKind::CommandNotFound);
    container.wait_until_gone();
    assert_eq!(container.status().phase, Phase::Failed);
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_restart_that_fails_is_the_end() {
    let container = Container::new(&["sh", "-c", "rm /bin/sh"]).restarting(Restart::Always);
    std::os::unix::fs::symlink("busybox", container.path("root/bin/rm")).unwrap();
    assert_eq!(container.run(None).exit().code, 0);
    container.wait_until_gone();
    let status = container.status();
    let exit = status.exit.unwrap();
    assert_eq!((status.phase, status.restarts, exit.code), (Phase::Exited, 1, 127));
    assert!(exit.error.unwrap().contains("sh"), "it says which");
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_monitor_that_is_asked_to_end_starts_nothing_more() {
    for in_the_pause in [false, true] {
        let script = if in_the_pause { "exit 1" } else { "sleep 1000" };
        let container = Container::shell(script).restarting(Restart::UnlessStopped);
        let running = container.run(None);
        if in_the_pause {
            running.exit();
            eventually("the pause is long", || {
                let status = container.status();
                status.phase == Phase::Restarting && status.restarts >= 4
            });
        }
        let monitor = Pid::from_raw(container.monitor_pid()).unwrap();
        kill_process(monitor, Signal::TERM).unwrap();
        container.wait_until_gone();
        let status = container.status();
        // A boot starts it again: nobody stopped it by hand.
        assert_eq!((status.phase, status.is_stopped_by_hand), (Phase::Exited, false));
        assert_eq!(container.leftovers(), [""; 0]);
    }
}

#[test]
fn a_policy_that_is_changed_holds_from_the_next_end_on() {
    let container = Container::shell("sleep 1000").restarting(Restart::Always);
    let running = container.run(None);
    let set = Request::SetRestart { restart: Restart::No, after_exit: Vec::new() };
    assert_eq!(container.ask(set), Reply::Ok);
    container.kill();
    assert_eq!(running.exit().code, 137);
    container.wait_until_gone();
    assert_eq!(container.status().restarts, 0);
}

#[test]
fn a_terminal_is_new_in_every_run() {
    let container = Container::shell("tty; exit 1")
        .with_terminal()
        .restarting(Restart::OnFailure { max: Some(1) });
    container.run(None).exit();
    container.wait_until_gone();
    assert_eq!(container.logged(), ["/dev/pts/0\r\n"; 2]);
}

#[test]
fn a_monitor_goes_on_from_where_a_killed_one_was() {
    let container = Container::shell("echo run; sleep 1000").restarting(Restart::Always);
    let last = Exit { code: 255, signal: None, oom_killed: false, error: None, at: Timestamp(7) };
    let again = Again {
        restarts: 4,
        pause: 300,
        has_waited: false,
        started_at: None,
        exit: Some(last.clone()),
    };
    let container = container.with(|launch, _| launch.again = Some(again));
    let begun = Timestamp::now();
    let mut connection = container.spawn(None, None);
    assert_eq!(connection.receive().unwrap(), Some(FromMonitor::Reply(Reply::Ok)));
    let status = container.status();
    assert_eq!((status.phase, status.restarts), (Phase::Restarting, 4));
    assert_eq!(status.exit, Some(last));
    container.wait_for_phase(Phase::Running);
    let started = container.status().started_at.unwrap();
    assert!(started.0 - begun.0 >= 300_000_000, "it waited");
    assert_eq!(container.ask(STOP), Reply::Ok);
    container.wait_until_gone();
    assert_eq!(container.logged(), ["run\n"]);
    assert_eq!(container.leftovers(), [""; 0]);
}
