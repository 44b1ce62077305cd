//! Power cuts: of what was not synced nothing is left. What a command has acknowledged is there all the same,
//! and whatever it had not done yet does no harm.

use std::thread;
use std::time::Duration;

use isopod_tests::until;

use crate::instance::Instance;
use crate::{called, steps_of};

/// Where the power goes while a pull is under way; in the long form, at each of its steps.
const MOMENTS: [&str; 8] = [
    "blob.partial:2",
    "blob.renamed",
    "blob.committed",
    "layer.renamed",
    "image.stored",
    "state.written",
    "image.named",
    "layer.synced",
];

/// Holds whoever comes by a step, cuts the power there, and looks at what comes up.
#[track_caller]
fn loses_power_at(instance: &mut Instance, step: &str) {
    let (name, nth) =
        step.split_once(':').map_or((step, 1), |(name, nth)| (name, nth.parse().unwrap()));
    for line in instance.scenario.before {
        instance.run(line);
    }
    instance.sync();
    instance.log.clear();
    for line in instance.scenario.acts {
        let mut held = instance.planned(line, &format!("{name}:{nth}:stop")).start();
        until(step, || instance.log.is_done(name, nth) || !held.is_running());
        if instance.log.is_done(name, nth) {
            // The line comes before the deed.
            thread::sleep(Duration::from_millis(20));
            break;
        }
    }
    instance.loses_power();
    instance.is_sound(&format!("{}, without power at {step}", instance.scenario.name));
    instance.undo();
    instance.goes_well();
}

#[test]
fn a_pull_loses_power() {
    let mut instance = Instance::on_disk(called("pull"));
    for moment in MOMENTS {
        loses_power_at(&mut instance, moment);
    }
    instance.nothing_is_left();
}

#[test]
#[ignore = "slow: the power goes at every step of every scenario"]
fn everything_loses_power_everywhere() {
    for scenario in ["pull", "rmi", "load", "commit", "volumes", "create"] {
        let mut instance = Instance::on_disk(called(scenario));
        for step in steps_of(instance.scenario) {
            loses_power_at(&mut instance, &step);
        }
        instance.nothing_is_left();
    }
}

#[test]
fn what_was_acknowledged_survives() {
    let mut instance = Instance::on_disk(called("pull"));
    let acts = [
        "pull -q alpine",
        "tag alpine other:1",
        "volume create alone",
        "network create net",
        "create --name c1 --network none -v vol:/etc alpine cat /etc/passwd",
    ];
    for act in acts {
        let done = instance.run(act);
        assert_eq!(done.code, 0, "{done}");
    }
    instance.loses_power();
    instance.is_sound("without power after all was done");
    let shown = [
        ("images -q other:1", 1),
        ("ps -aq --filter name=c", 1),
        ("volume ls -q --filter name=vol", 1),
        ("volume ls -q --filter name=alone", 1),
        ("network ls -q --filter name=net", 1),
    ];
    for (line, count) in shown {
        let listed = instance.run(line);
        assert_eq!(listed.lines().len(), count, "{listed}");
    }
    let started = instance.run("start -a c1");
    assert!(started.code == 0 && started.stdout.starts_with("root:"), "{started}");
    for line in
        ["run --rm --network none -v alone:/x other:1 touch /x/y", "rename c1 d1", "network rm net"]
    {
        let done = instance.run(line);
        assert_eq!(done.code, 0, "{done}");
    }
    instance.nothing_is_left();
}
