//! Health checks: docker's states, counts and words (`HEALTHCHECK` in its reference).
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;

use isopod_monitor_protocol::launch::{Health, Journal, Restart};
use isopod_monitor_protocol::message::{Event, Reply, Request, Streams};
use isopod_monitor_protocol::status::{self, Condition, Phase};
use support::{Container, eventually, process};

const MS: u64 = 1_000_000;

impl Container {
    fn checked_by(self, script: &str, change: impl FnOnce(&mut Health)) -> Self {
        let mut health = Health {
            process: *process(&["/bin/sh", "-c", script]),
            interval: 50 * MS,
            timeout: 20_000 * MS,
            start_period: 0,
            start_interval: 20 * MS,
            retries: 3,
        };
        change(&mut health);
        let path = self.path("journal");
        self.with(|launch, _| {
            launch.health = Some(health);
            let attributes = [("name".to_owned(), "box".to_owned())].into();
            launch.journal = Some(Journal { path, attributes, volumes: Vec::new() });
        })
    }

    fn health(&self) -> status::Health {
        self.status().health.unwrap()
    }

    fn wait_for(&self, condition: Condition) {
        eventually(&format!("{condition:?}"), || self.health().condition == condition);
    }

    fn events(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("journal")).unwrap_or_default();
        let of = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let all = text.lines().map(|line| of(line)["action"].as_str().unwrap().to_owned());
        all.filter(|action| action == "start" || action.starts_with("health_status")).collect()
    }

    fn execute(&self, script: &str) {
        let exec = Request::Exec {
            exec_id: "by-hand".into(),
            process: process(&["/bin/sh", "-c", script]),
            streams: Streams::default(),
            size: None,
        };
        let mut session = self.connect();
        assert!(matches!(session.ask(exec).unwrap(), Reply::Started { .. }));
        let Some(Event::Exited { exit }) = session.event().unwrap() else { panic!("no end") };
        assert_eq!(exit.code, 0);
    }

    fn end(self) {
        self.kill();
        self.wait_until_gone();
        assert_eq!(self.leftovers(), [""; 0]);
    }
}

#[test]
fn it_is_starting_then_healthy_then_after_three_failures_unhealthy_and_healthy_again() {
    let container = Container::new(&["sleep", "1000"])
        .checked_by("[ -e /sick ] && cat /sick && exit 1; echo fine", |_| ());
    let _running = container.run(None);
    assert_eq!(container.health().condition, Condition::Starting);
    container.wait_for(Condition::Healthy);
    let last = container.health().log.pop().unwrap();
    assert_eq!(last.exit_code, 0);
    assert_eq!(last.output, "fine\n");
    assert!(last.start < last.end);
    container.execute("echo ill >/sick");
    eventually("some fail", || container.health().failing_streak == 1);
    assert_eq!(container.health().condition, Condition::Healthy);
    container.wait_for(Condition::Unhealthy);
    let health = container.health();
    assert!(health.failing_streak >= 3, "{health:?}");
    assert_eq!(health.log.last().unwrap().output, "ill\n");
    eventually("five are kept", || container.health().log.len() == 5);
    container.execute("busybox rm /sick");
    container.wait_for(Condition::Healthy);
    assert_eq!(container.health().failing_streak, 0);
    assert_eq!(container.health().log.len(), 5);
    assert_eq!(
        container.events(),
        ["start", "health_status: healthy", "health_status: unhealthy", "health_status: healthy"]
    );
    // The checks are nobody's execs.
    assert_eq!(container.ask(Request::ListExecs), Reply::Execs { execs: Vec::new() });
    container.end();
}

#[test]
fn failures_in_the_start_period_dont_count() {
    let container = Container::new(&["sleep", "1000"]).checked_by("exit 1", |health| {
        health.start_period = 600_000 * MS;
        // Longer than the test: only the start interval can bring five checks.
        health.interval = 600_000 * MS;
        health.retries = 1;
    });
    let _running = container.run(None);
    eventually("five checks", || container.health().log.len() == 5);
    let health = container.health();
    assert_eq!((health.condition, health.failing_streak), (Condition::Starting, 0));
    container.end();
}

#[test]
fn a_check_that_takes_too_long_is_killed_with_what_it_started() {
    let container = Container::new(&["sleep", "1000"]).checked_by(
        "echo slow; sleep 7777 & sleep 7777",
        |health| {
            health.timeout = 300 * MS;
            health.retries = 1;
        },
    );
    let _running = container.run(None);
    let sleepers = || -> Vec<i32> {
        let all = container.processes().into_iter();
        all.filter(|(_, command)| command.starts_with("sleep 7777")).map(|(pid, _)| pid).collect()
    };
    eventually("both of the first check sleep", || sleepers().len() == 2);
    let first = sleepers();
    container.wait_for(Condition::Unhealthy);
    let check = container.health().log.remove(0);
    assert_eq!(check.exit_code, -1);
    assert_eq!(check.output, "Health check exceeded timeout (300ms): slow\n");
    eventually("both are gone", || sleepers().iter().all(|pid| !first.contains(pid)));
    container.end();
}

#[test]
fn the_first_4096_bytes_of_a_checks_output_are_kept() {
    let container = Container::new(&["sleep", "1000"]).checked_by("yes | head -c 5000", |_| ());
    let _running = container.run(None);
    eventually("a check", || !container.health().log.is_empty());
    let output = container.health().log.remove(0).output;
    assert_eq!(output.len(), 4096 + "...".len());
    assert!(output.ends_with("y\n..."), "{output}");
    container.end();
}

#[test]
fn row_09_a_check_that_talks_without_end_costs_no_memory() {
    let container =
        Container::new(&["sleep", "1000"]).checked_by("yes", |health| health.timeout = 1500 * MS);
    let _running = container.run(None);
    let monitor = container.monitor_pid();
    let mut most = 0;
    eventually("a check", || {
        most = most.max(support::net::private_memory(monitor));
        !container.health().log.is_empty()
    });
    assert!(most < 1 << 20, "{most} bytes");
    let words = "Health check exceeded timeout (1.5s): y\ny\n";
    assert!(container.health().log.remove(0).output.starts_with(words));
    container.end();
}

#[test]
fn a_check_that_cant_be_started_is_a_failure() {
    let container = Container::new(&["sleep", "1000"]).checked_by("", |health| {
        health.process = *process(&["/nowhere"]);
        health.retries = 1;
    });
    let _running = container.run(None);
    container.wait_for(Condition::Unhealthy);
    let check = container.health().log.remove(0);
    assert_eq!(check.exit_code, -1);
    assert!(check.output.contains("/nowhere"), "{check:?}");
    container.end();
}

#[test]
fn a_paused_container_is_not_checked_and_one_that_ended_is_not_healthy() {
    let container = Container::new(&["sleep", "1000"]).checked_by("true", |health| {
        health.start_period = 600_000 * MS;
        health.interval = 1500 * MS;
    });
    let running = container.run(None);
    container.wait_for(Condition::Healthy);
    // The next check would come after the interval.
    assert_eq!(container.ask(Request::Pause), Reply::Ok);
    let starts = || container.health().log.last().unwrap().start;
    let before = starts();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(starts(), before);
    // Monitor, guard and the container's own: none waits to be thawed either.
    assert_eq!(container.processes().len(), 3, "{:?}", container.processes());
    assert_eq!(container.ask(Request::Resume), Reply::Ok);
    eventually("checks go on", || starts() > before);
    container.kill();
    running.exit();
    container.wait_until_gone();
    assert_eq!(container.health().condition, Condition::Unhealthy);
}

#[test]
fn every_run_begins_as_starting() {
    let container = Container::new(&["sleep", "1000"])
        .checked_by("[ -e /well ]", |_| ())
        .with(|launch, _| launch.restart = Restart::Always);
    fs::write(container.path("root/well"), "").unwrap();
    let running = container.run(None);
    container.wait_for(Condition::Healthy);
    fs::remove_file(container.path("root/well")).unwrap();
    container.kill();
    running.exit();
    eventually("it runs again", || {
        let status = container.status();
        status.restarts == 1 && status.phase == Phase::Running
    });
    container.wait_for(Condition::Unhealthy);
    assert_eq!(
        container.events(),
        ["start", "health_status: healthy", "start", "health_status: unhealthy"]
    );
    let stop = Request::Kill { exec_id: None, signal: libc::SIGKILL, all: false, stop: true };
    assert_eq!(container.ask(stop), Reply::Ok);
    container.wait_until_gone();
    assert_eq!(container.leftovers(), [""; 0]);
}
