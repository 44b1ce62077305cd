//! Kill -9 at every durable step: whatever dies, what was acknowledged is still there, nothing half done is
//! seen, the next commands work, and in the end nothing is left that they don't know of.
//!
//! Each scenario kills at its own steps once. `scripts/kill-loop` runs the long form.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

mod disk;
mod ground;
mod instance;
mod long;
mod power;
mod scenario;
mod steps;

use std::time::{Duration, Instant};

use instance::Instance;
use isopod_tests::Outcome;
use scenario::{SCENARIOS, Scenario};

/// How long what goes on in the background may take to come by its step.
const BACKGROUND: Duration = Duration::from_secs(10);

/// How long a busy disk may take to sync a few layers.
const SYNCED: Duration = Duration::from_secs(60);

fn called(name: &str) -> &'static Scenario {
    SCENARIOS.iter().find(|scenario| scenario.name == name).expect("it is in the table")
}

/// The steps that a scenario has to come by.
fn steps_of(scenario: &Scenario) -> Vec<String> {
    steps::in_source().into_iter().filter(|step| scenario.owns(step)).collect()
}

#[track_caller]
fn is_killed_at_every_step(name: &str) {
    let instance = Instance::new(called(name));
    for (at, step) in steps_of(instance.scenario).iter().enumerate() {
        is_killed(&instance, step, 1, Next::of(at));
    }
    instance.nothing_is_left();
}

/// Whether it was no success for us: `run` of a program that fails, or `wait` for one, may have any status.
fn has_failed(line: &str, done: &Outcome) -> bool {
    done.stderr.contains("isopod: ") || line.starts_with("runc ") && done.code != 0
}

/// What comes first after a kill: each may hide from the other what it mends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Whoever looks, and the checker; then whoever goes on with what is there ([`Scenario::then`]).
    Looks,
    /// The other way round.
    GoesOn,
}

impl Next {
    /// Of the so-manieth kill.
    fn of(number: usize) -> Self {
        if number.is_multiple_of(2) { Self::Looks } else { Self::GoesOn }
    }
}

/// Kills whoever comes by `step` for the `nth` time, and looks what became of everything.
#[track_caller]
fn is_killed(instance: &Instance, step: &str, nth: u32, next: Next) {
    let since = Instant::now();
    while !comes_by(instance, step, nth) {
        let name = instance.scenario.name;
        let seen = instance.log.counts();
        assert!(since.elapsed() < SYNCED, "{name} does not come by {step}, but by {seen:?}");
        instance.undo();
        instance.run("system gc");
    }
    let after = format!("{}, killed at {step}:{nth}", instance.scenario.name);
    if next == Next::GoesOn {
        instance.goes_on(&after);
    }
    instance.is_sound(&after);
    if next == Next::Looks {
        instance.goes_on(&after);
    }
    instance.undo();
    instance.goes_well();
}

/// Whether the scenario gets to the step in time. It may not where layers are still there that were to go: as long
/// as somebody syncs those of a killed pull, a collection leaves all of them.
#[track_caller]
fn comes_by(instance: &Instance, step: &str, nth: u32) -> bool {
    for line in instance.scenario.before {
        let done = instance.run(line);
        assert!(!has_failed(line, &done), "{done}");
    }
    instance.log.clear();
    for line in instance.scenario.acts {
        instance.run_planned(line, &format!("{step}:{nth}"));
        if instance.log.is_done(step, nth) {
            // Nobody goes on as if nothing had happened.
            return true;
        }
    }
    let since = Instant::now();
    while !instance.log.is_done(step, nth) {
        if since.elapsed() > BACKGROUND {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

#[test]
fn every_step_is_one_scenarios() {
    for step in steps::in_source() {
        let owners: Vec<_> =
            SCENARIOS.iter().filter(|one| one.owns(&step)).map(|one| one.name).collect();
        assert_eq!(owners.len(), 1, "{step}: {owners:?}");
    }
}

#[test]
fn every_kind_of_step_is_in_the_documentation() {
    let path = isopod_tests::binary::workspace().join("docs/crashes.md");
    let text = std::fs::read_to_string(path).unwrap();
    for step in steps::in_source() {
        let (kind, _) = step.split_once('.').expect("a kind, and what of it");
        assert!(text.contains(&format!("`{kind}.*`")), "{kind}.* is not in docs/crashes.md");
    }
}

macro_rules! killed {
    ($($test:ident: $name:literal;)*) => {
        $(#[test]
        fn $test() {
            is_killed_at_every_step($name);
        })*

        #[test]
        fn every_scenario_is_a_test() {
            let names = [$($name),*];
            let others: Vec<_> =
                SCENARIOS.iter().filter(|one| !one.steps.is_empty()).map(|one| one.name).collect();
            assert_eq!(names[..], others[..]);
        }
    };
}

killed! {
    a_pull_is_killed_at_every_step: "pull";
    the_removal_of_an_image_is_killed_at_every_step: "rmi";
    loading_images_is_killed_at_every_step: "load";
    a_commit_is_killed_at_every_step: "commit";
    the_creation_of_a_container_is_killed_at_every_step: "create";
    a_container_is_killed_at_every_step: "run";
    a_monitor_is_killed_at_every_step: "monitor";
    the_removal_of_a_container_is_killed_at_every_step: "rm";
    networks_in_change_are_killed_at_every_step: "networks";
    volumes_are_killed_at_every_step: "volumes";
    changes_of_a_container_are_killed_at_every_step: "changes";
    the_clean_up_after_a_monitor_is_killed_at_every_step: "deaths";
    an_exec_is_killed_at_every_step: "exec";
    a_monitor_that_execs_is_killed_at_every_step: "exec-monitor";
    logs_are_killed_at_every_step: "logs";
    copies_are_killed_at_every_step: "cp";
    a_push_is_killed_at_every_step: "push";
    a_new_journal_is_killed_at_every_step: "journal";
    the_oci_command_line_is_killed_at_every_step: "oci";
}
