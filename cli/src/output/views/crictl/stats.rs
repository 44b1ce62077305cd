//! `stats` and `statsp`: what was used between two samples.

use std::collections::HashMap;

use isopod_cri_client::v1;

use super::short;
use crate::output::table::{DOCKER_WIDE, Table};
use crate::output::units;

/// A runtime gave the same figures twice, so that there is no share of a CPU to be told.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the runtime did not renew the CPU figures of {0} between two samples: -s makes them farther apart"
)]
pub struct NotRenewed(String);

/// `CONTAINER NAME CPU % …`; those without figures, which don't run, only with `all`.
///
/// # Errors
/// See [`NotRenewed`].
pub fn containers(
    before: &[v1::ContainerStats],
    after: &[v1::ContainerStats],
    all: bool,
) -> Result<String, NotRenewed> {
    let header = ["CONTAINER", "NAME", "CPU %", "MEM", "DISK", "INODES", "SWAP"];
    let mut table = Table::new(DOCKER_WIDE, &header);
    let before: HashMap<&str, &v1::ContainerStats> =
        before.iter().map(|stats| (container_id(stats), stats)).collect();
    for stats in after {
        let memory = stats.memory.as_ref().map_or(0, |memory| value(&memory.working_set_bytes));
        let cpu = cpu(stats.cpu.as_ref());
        if !all && cpu.used == 0 && memory == 0 {
            continue;
        }
        let id = container_id(stats);
        let Some(old) = before.get(id) else { continue };
        let share = cpu.share(&self::cpu(old.cpu.as_ref()), id)?;
        let attributes = stats.attributes.clone().unwrap_or_default();
        let layer = stats.writable_layer.as_ref();
        let swap = stats.swap.as_ref().map_or(0, |swap| value(&swap.swap_usage_bytes));
        table.row([
            short(id, ""),
            attributes.metadata.unwrap_or_default().name,
            format!("{share:.2}"),
            units::decimal_sum(memory),
            units::decimal_sum(layer.map_or(0, |layer| value(&layer.used_bytes))),
            layer.map_or(0, |layer| value(&layer.inodes_used)).to_string(),
            units::decimal_sum(swap),
        ]);
    }
    Ok(table.render())
}

/// `POD POD ID CPU % MEM`; those without figures are left out.
///
/// # Errors
/// See [`NotRenewed`].
pub fn pods(
    before: &[v1::PodSandboxStats],
    after: &[v1::PodSandboxStats],
) -> Result<String, NotRenewed> {
    let mut table = Table::new(DOCKER_WIDE, &["POD", "POD ID", "CPU %", "MEM"]);
    let before: HashMap<&str, &v1::PodSandboxStats> =
        before.iter().map(|stats| (pod_id(stats), stats)).collect();
    for stats in after {
        let linux = stats.linux.clone().unwrap_or_default();
        let memory = linux.memory.as_ref().map_or(0, |memory| value(&memory.working_set_bytes));
        let cpu = cpu(linux.cpu.as_ref());
        if cpu.used == 0 && memory == 0 {
            continue;
        }
        let id = pod_id(stats);
        let Some(old) = before.get(id) else { continue };
        let old = old.linux.as_ref().and_then(|linux| linux.cpu.as_ref());
        let share = cpu.share(&self::cpu(old), id)?;
        let attributes = stats.attributes.clone().unwrap_or_default();
        table.row([
            attributes.metadata.unwrap_or_default().name,
            short(id, ""),
            format!("{share:.2}"),
            units::decimal_sum(memory),
        ]);
    }
    Ok(table.render())
}

/// The id of what these are of.
#[must_use]
pub fn container_id(stats: &v1::ContainerStats) -> &str {
    stats.attributes.as_ref().map_or("", |attributes| &attributes.id)
}

/// The same of a pod's.
#[must_use]
pub fn pod_id(stats: &v1::PodSandboxStats) -> &str {
    stats.attributes.as_ref().map_or("", |attributes| &attributes.id)
}

/// CPU time so far, and when that was.
struct Cpu {
    used: u64,
    timestamp: i64,
}

impl Cpu {
    /// In percent of one CPU, since `before`.
    #[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
    fn share(&self, before: &Self, id: &str) -> Result<f64, NotRenewed> {
        if self.used == 0 {
            return Ok(0.0);
        }
        let elapsed = self.timestamp - before.timestamp;
        if elapsed == 0 {
            return Err(NotRenewed(short(id, "")));
        }
        // A container that was started again counts from nothing.
        Ok(self.used.saturating_sub(before.used) as f64 / elapsed as f64 * 100.0)
    }
}

fn cpu(usage: Option<&v1::CpuUsage>) -> Cpu {
    Cpu {
        used: usage.map_or(0, |usage| value(&usage.usage_core_nano_seconds)),
        timestamp: usage.map_or(0, |usage| usage.timestamp),
    }
}

fn value(value: &Option<v1::UInt64Value>) -> u64 {
    value.as_ref().map_or(0, |value| value.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(id: &str, used: u64, timestamp: i64, memory: u64) -> v1::ContainerStats {
        let number = |value| Some(v1::UInt64Value { value });
        v1::ContainerStats {
            attributes: Some(v1::ContainerAttributes {
                id: id.into(),
                metadata: Some(v1::ContainerMetadata { name: "web".into(), attempt: 0 }),
                ..Default::default()
            }),
            cpu: Some(v1::CpuUsage {
                timestamp,
                usage_core_nano_seconds: number(used),
                ..Default::default()
            }),
            memory: Some(v1::MemoryUsage {
                working_set_bytes: number(memory),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn row(text: &str) -> Vec<&str> {
        text.lines().nth(1).unwrap_or_default().split_whitespace().collect()
    }

    /// cri-tools' `cmd/crictl/container_stats.go`: CPU time between two samples over the time between them.
    #[test]
    fn a_share_is_what_was_used_between_two_samples() {
        let before = [stats("0123456789abcdef", 1_000_000_000, 10_000_000_000, 1)];
        let after = [stats("0123456789abcdef", 1_250_000_000, 11_000_000_000, 1_462_000)];
        let text = containers(&before, &after, false).unwrap();
        assert_eq!(row(&text), ["0123456789abc", "web", "25.00", "1.462MB", "0B", "0", "0B"]);
        let error = containers(&after, &after, false).unwrap_err();
        assert!(error.to_string().contains("0123456789abc"), "{error}");
    }

    #[test]
    fn what_does_not_run_or_is_new_is_left_out() {
        let stopped = [stats("a", 0, 5, 0)];
        assert_eq!(row(&containers(&stopped, &stopped, false).unwrap()), [""; 0]);
        assert_eq!(row(&containers(&stopped, &stopped, true).unwrap())[0], "a");
        assert_eq!(row(&containers(&[], &[stats("b", 1, 5, 5)], true).unwrap()), [""; 0]);
    }

    #[test]
    fn pods_have_their_own_columns() {
        let pod = |used, timestamp| {
            let container = stats("x", used, timestamp, 2000);
            v1::PodSandboxStats {
                attributes: Some(v1::PodSandboxAttributes { id: "p".into(), ..Default::default() }),
                linux: Some(v1::LinuxPodSandboxStats {
                    cpu: container.cpu,
                    memory: container.memory,
                    ..Default::default()
                }),
                windows: None,
            }
        };
        let text = pods(&[pod(1, 0)], &[pod(51, 100)]).unwrap();
        assert!(
            text.starts_with("POD                 POD ID              CPU %               MEM\n")
        );
        assert_eq!(row(&text), ["p", "50.00", "2kB"]);
    }
}
