//! The long form, by `scripts/kill-loop`: every step many times, and kill -9 of whatever runs at any moment.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use isopod_tests::leftovers;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::instance::Instance;
use crate::scenario::{SCENARIOS, Scenario};
use crate::{Next, is_killed, steps_of};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("it is a number"))
}

/// The scenarios that `KILL_LOOP_SCENARIOS` names, or all.
fn chosen() -> Vec<&'static Scenario> {
    let names = std::env::var("KILL_LOOP_SCENARIOS").unwrap_or_default();
    let names: Vec<&str> = names.split_whitespace().collect();
    let is_chosen = |one: &&Scenario| names.is_empty() || names.contains(&one.name);
    SCENARIOS.iter().filter(is_chosen).collect()
}

/// At its first passing, its second and so on, and from the first again where there are no more.
#[test]
#[ignore = "slow: each step five times, some twenty minutes"]
fn every_step_many_times() {
    let rounds = u32::try_from(number("KILL_LOOP_ROUNDS", 5)).unwrap();
    let mut failed = Vec::new();
    for scenario in chosen() {
        let mut hits: BTreeMap<String, u32> = BTreeMap::new();
        // A failure takes nothing away from what was seen so far, nor from what comes behind it.
        let went = catch_unwind(AssertUnwindSafe(|| {
            let instance = Instance::new(scenario);
            let passed = instance.survey();
            for step in steps_of(scenario) {
                let most = passed.get(&step).copied().unwrap_or(1).max(1);
                for round in 0..rounds {
                    is_killed(&instance, &step, round % most + 1, Next::of(round as usize));
                    *hits.entry(step.clone()).or_default() += 1;
                }
            }
            instance.nothing_is_left();
        }));
        for (step, count) in &hits {
            eprintln!("{count:>5}  {step:<24} {}", scenario.name);
        }
        failed.extend(went.is_err().then_some(scenario.name));
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// A generator whose seed is printed: xorshift64* (Vigna, «An experimental exploration of Marsaglia's
/// xorshift generators, scrambled»).
struct Random(u64);

impl Random {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % below
    }
}

/// Kills at random moments what belongs to the instance: commands, monitors, guards, keepers, launchers, and
/// containers with them.
#[test]
#[ignore = "slow: five minutes"]
fn whatever_runs_is_killed_at_any_moment() {
    let seed = number("KILL_LOOP_SEED", u64::from(std::process::id()));
    eprintln!("KILL_LOOP_SEED={seed}");
    let mut random = Random(seed.wrapping_mul(2).wrapping_add(1));
    let end = Instant::now() + Duration::from_secs(number("KILL_LOOP_SECONDS", 300));
    let mut instances: Vec<_> = chosen().into_iter().map(Instance::new).collect();
    instances.iter_mut().for_each(|instance| instance.is_random = true);
    let mut killed: BTreeMap<String, u32> = BTreeMap::new();
    while Instant::now() < end {
        let at = usize::try_from(random.next(instances.len() as u64)).unwrap();
        let instance = &instances[at];
        for line in instance.scenario.before {
            instance.run(line);
        }
        for line in instance.scenario.acts {
            let mut command = instance.started(line);
            // Most end within this; what they have started is killed then.
            let moment = Duration::from_millis(random.next(120));
            std::thread::sleep(moment);
            let mut running = leftovers::processes_that_hold(instance.context.folder());
            running.retain(|(pid, _)| name_of(*pid).starts_with("isopod"));
            if !running.is_empty() {
                let pick = usize::try_from(random.next(running.len() as u64)).unwrap();
                let (pid, _) = running[pick];
                *killed.entry(name_of(pid)).or_default() += 1;
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
            if command.is_running() && random.next(3) == 0 {
                command.signal(Signal::SIGKILL);
            }
            command.outcome();
        }
        let after = format!("{}, with seed {seed}", instance.scenario.name);
        instance.is_sound(&after);
        instance.undo();
        instance.goes_well();
    }
    eprintln!("killed: {killed:?}");
    instances.iter().for_each(Instance::nothing_is_left);
    assert!(killed.len() > 1, "{killed:?}");
}

fn name_of(pid: i32) -> String {
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    comm.trim_end().to_owned()
}
