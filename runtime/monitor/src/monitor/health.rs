//! Health checks: a process of the container's own kind now and then, and what docker concludes from its end.
//!
//! One at a time; the next begins an interval after the last has ended. None while the container is
//! paused. A check that takes too long is killed with its whole group of processes.

use std::time::{Duration, Instant};

use isopod_monitor_protocol::launch;
use isopod_monitor_protocol::status::{Check, Condition, Exit, Health, Phase};
use isopod_monitor_protocol::time::Timestamp;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::clients::NOBODY;
use super::{Monitor, Process};
use crate::launcher::Job;
use crate::stdio::{InputPolicy, Plan, Streamed};

/// Results that are kept.
const RESULTS: usize = 5;

/// Bytes of a check's output that are kept.
const OUTPUT: usize = 4096;

/// docker's exit code of a check that said nothing of itself.
const NO_CODE: i32 = -1;

/// The checks of one run of the container.
#[derive(Debug, Default)]
pub struct Checks {
    /// When the next one begins.
    next: Option<Instant>,
    /// The one that runs.
    current: Option<Current>,
}

/// A check that runs.
#[derive(Debug)]
struct Current {
    /// Its number among the monitor's processes.
    process: u32,
    start: Timestamp,
    deadline: Instant,
    is_late: bool,
}

impl Monitor {
    /// The container has just been started.
    pub(super) fn begin_checks(&mut self) {
        self.note_start();
        self.checks = Checks::default();
        if self.launch.health.is_some() {
            let log = self.status.health.take().map(|health| health.log).unwrap_or_default();
            let condition = Condition::Starting;
            self.status.health = Some(Health { condition, failing_streak: 0, log });
            self.schedule_check();
        }
    }

    /// The container has ended: as docker has it, nothing that doesn't run is healthy.
    pub(super) fn end_checks(&mut self) {
        self.checks = Checks::default();
        if let Some(health) = &mut self.status.health {
            health.condition = Condition::Unhealthy;
        }
    }

    fn schedule_check(&mut self) {
        let Some(config) = &self.launch.health else { return };
        let pause = if self.is_in_start_period(config, Instant::now()) {
            config.start_interval
        } else {
            config.interval
        };
        self.checks.next = Some(Instant::now() + Duration::from_nanos(pause));
    }

    /// Whether it never was healthy yet, and may take its time.
    fn is_in_start_period(&self, config: &launch::Health, now: Instant) -> bool {
        let is_starting = |health: &Health| health.condition == Condition::Starting;
        let period = Duration::from_nanos(config.start_period);
        self.status.health.as_ref().is_some_and(is_starting)
            && self.running_since().is_some_and(|since| now < since + period)
    }

    /// When to look again.
    pub(super) fn health_deadline(&self) -> Option<Instant> {
        match &self.checks.current {
            Some(current) if current.is_late => None,
            Some(current) => Some(current.deadline),
            None => self.checks.next.filter(|_| self.status.phase == Phase::Running),
        }
    }

    /// Begins a check when it is time, or kills one that takes too long.
    pub(super) fn check_health(&mut self) {
        if self.health_deadline().is_none_or(|at| Instant::now() < at) {
            return;
        }
        match &mut self.checks.current {
            None => self.begin_check(),
            Some(current) => {
                current.is_late = true;
                let process = current.process;
                self.kill_check(process);
            }
        }
    }

    fn begin_check(&mut self) {
        let Some(config) = self.launch.health.clone() else { return };
        let plan = Plan {
            process: self.fresh_process(),
            is_terminal: false,
            has_input: false,
            has_output: [true; 2],
            input_policy: InputPolicy::WhileFed,
            log: None,
            keeps: OUTPUT,
            uid: config.process.user().uid(),
            size: None,
        };
        let process = Process {
            // Only what clients have started has a name.
            exec_id: None,
            args: Vec::new(),
            is_terminal: false,
            pid: 0,
            exit: None,
            streams: Streamed::none(&self.poller),
        };
        self.checks.current = Some(Current {
            process: plan.process,
            start: Timestamp::now(),
            deadline: Instant::now() + Duration::from_nanos(config.timeout),
            is_late: false,
        });
        let begun = self.begin(NOBODY, plan, None, process, Job::Exec(&config.process));
        if let Err((_, message)) = begun {
            self.check_failed(message);
        }
    }

    fn kill_check(&mut self, number: u32) {
        if let Some(starting) = self.starting.get(&number) {
            kill_process(starting.launcher(), Signal::KILL).ok();
        }
        let process = self.processes.get(&number).filter(|process| process.exit.is_none());
        if let Some(pid) = process.and_then(|process| Pid::from_raw(process.pid)) {
            // It leads a session of its own, so this is its group's number too.
            kill_process_group(pid, Signal::KILL).ok();
            kill_process(pid, Signal::KILL).ok();
        }
    }

    /// Whether this process is the check that runs.
    pub(super) fn is_check(&self, number: u32) -> bool {
        self.checks.current.as_ref().is_some_and(|current| current.process == number)
    }

    /// The check could not be started.
    pub(super) fn check_failed(&mut self, message: String) {
        self.conclude_check(NO_CODE, message);
    }

    /// A process has ended, and maybe it was the check.
    pub(super) fn check_ended(&mut self, number: u32, process: Option<Process>, exit: &Exit) {
        let Some(mut process) = process.filter(|_| self.is_check(number)) else { return };
        let mut kept = process.streams.take_kept();
        let is_cut = kept.len() > OUTPUT;
        kept.truncate(OUTPUT);
        let mut output = String::from_utf8_lossy(&kept).into_owned();
        if is_cut {
            output.push_str("...");
        }
        self.conclude_check(exit.code, output);
    }

    /// docker's rules: see its `handleProbeResult`.
    fn conclude_check(&mut self, code: i32, output: String) {
        let (Some(current), Some(config)) = (self.checks.current.take(), &self.launch.health)
        else {
            return;
        };
        let (code, output) = match current.is_late {
            true => (NO_CODE, late(Duration::from_nanos(config.timeout), &output)),
            false => (code, output),
        };
        let began = current.deadline - Duration::from_nanos(config.timeout);
        let is_forgiven = self.is_in_start_period(config, began);
        let retries = config.retries.max(1);
        let Some(health) = &mut self.status.health else { return };
        let before = health.condition;
        let check = Check { start: current.start, end: Timestamp::now(), exit_code: code, output };
        health.log.push(check);
        let surplus = health.log.len().saturating_sub(RESULTS);
        health.log.drain(..surplus);
        if code == 0 {
            health.failing_streak = 0;
            health.condition = Condition::Healthy;
        } else if !is_forgiven {
            health.failing_streak += 1;
            if health.failing_streak >= retries {
                health.condition = Condition::Unhealthy;
            }
        }
        let condition = health.condition;
        if condition != before {
            self.record(&format!("health_status: {}", condition.as_str()), &[]);
        }
        self.publish();
        self.schedule_check();
        super::trim();
    }
}

/// docker's words for a check that took too long.
fn late(timeout: Duration, output: &str) -> String {
    let words = format!("Health check exceeded timeout ({})", duration(timeout));
    if output.is_empty() { words } else { format!("{words}: {output}") }
}

/// As Go writes it: `1m30s`, `1.5s`, `200ms`.
fn duration(time: Duration) -> String {
    let nanos = time.as_nanos();
    let decimal = |unit: u128| {
        let text = format!("{}.{:09}", nanos / unit, nanos % unit * (1_000_000_000 / unit));
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match nanos {
        0 => "0s".to_owned(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(1_000_000)),
        _ => {
            let (minutes, rest) = (time.as_secs() / 60, nanos % 60_000_000_000);
            let text = format!("{}.{:09}", rest / 1_000_000_000, rest % 1_000_000_000);
            let seconds = text.trim_end_matches('0').trim_end_matches('.');
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From Go's documentation of `Duration.String`.
    #[test]
    fn durations_read_as_gos() {
        let of = |nanos| duration(Duration::from_nanos(nanos));
        assert_eq!(of(0), "0s");
        assert_eq!(of(1_100), "1.1µs");
        assert_eq!(of(2_200_000), "2.2ms");
        assert_eq!(of(3_300_000_000), "3.3s");
        assert_eq!(of(245_000_000_000), "4m5s");
        assert_eq!(of(245_001_000_000), "4m5.001s");
        assert_eq!(of(18_367_001_000_000), "5h6m7.001s");
        assert_eq!(of(30_000_000_000), "30s");
    }
}
