//! `events`: what a container uses, in the shape of runc's events.

use std::fs;
use std::path::Path;

use isopod_sys::cgroup::Hierarchies;
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};
use crate::store::Container;

impl Container {
    /// What it uses now: nanoseconds, bytes and counts, as the kernel says.
    ///
    /// # Errors
    /// The hierarchies can't be found.
    pub fn stats(&self) -> Result<Value> {
        let path = &self.record.cgroup;
        let hierarchies = Hierarchies::find().map_err(Error::io("find", path))?;
        let group = Group { hierarchies: &hierarchies, path };
        let data = if hierarchies.is_unified() { group.unified() } else { group.separate() };
        Ok(json!({"type": "stats", "id": self.record.id, "data": data}))
    }

    /// How many of its processes the out-of-memory killer has killed.
    ///
    /// # Errors
    /// The hierarchies can't be found or read.
    pub fn oom_kills(&self) -> Result<u64> {
        let path = &self.record.cgroup;
        let kills = Hierarchies::find().and_then(|hierarchies| hierarchies.oom_kills(path));
        kills.map_err(Error::io("read", path))
    }
}

struct Group<'a> {
    hierarchies: &'a Hierarchies,
    path: &'a Path,
}

/// Kernel ticks of a user (USER_HZ, 100 on every architecture that Linux has) in nanoseconds.
const TICK: u64 = 10_000_000;

impl Group<'_> {
    fn text(&self, controller: &str, file: &str) -> Option<String> {
        let folder = self.hierarchies.folder(controller, self.path)?;
        fs::read_to_string(folder.join(file)).ok()
    }

    /// A single number; `max` is the largest one.
    fn number(&self, controller: &str, file: &str) -> Option<u64> {
        let text = self.text(controller, file)?;
        if text.trim() == "max" { Some(u64::MAX) } else { text.trim().parse().ok() }
    }

    /// Lines of a name and a number.
    fn table(&self, controller: &str, file: &str) -> Map<String, Value> {
        let text = self.text(controller, file).unwrap_or_default();
        let pair = |line: &str| {
            let (name, number) = line.split_once(' ')?;
            Some((name.to_owned(), number.trim().parse::<u64>().ok()?.into()))
        };
        text.lines().filter_map(pair).collect()
    }

    fn pids(&self) -> Value {
        let mut pids = Map::new();
        if let Some(current) = self.number("pids", "pids.current") {
            pids.insert("current".to_owned(), current.into());
        }
        if let Some(limit) = self.number("pids", "pids.max").filter(|limit| *limit != u64::MAX) {
            pids.insert("limit".to_owned(), limit.into());
        }
        pids.into()
    }

    /// On v1 and hybrid.
    fn separate(&self) -> Value {
        let per_cpu: Vec<u64> = self
            .text("cpuacct", "cpuacct.usage_percpu")
            .map(|text| text.split_whitespace().filter_map(|word| word.parse().ok()).collect())
            .unwrap_or_default();
        let ticks = self.table("cpuacct", "cpuacct.stat");
        let nanos = |name: &str| ticks.get(name).and_then(Value::as_u64).unwrap_or(0) * TICK;
        let throttled = self.table("cpu", "cpu.stat");
        let of = |table: &Map<String, Value>, name: &str| table.get(name).cloned();
        let entry = |prefix: &str| {
            let number = |file: &str| self.number("memory", &format!("{prefix}{file}"));
            present([
                ("limit", number("limit_in_bytes").map(Value::from)),
                ("usage", number("usage_in_bytes").map(Value::from)),
                ("max", number("max_usage_in_bytes").map(Value::from)),
                ("failcnt", number("failcnt").map(Value::from)),
            ])
        };
        let raw = self.table("memory", "memory.stat");
        json!({
            "cpu": {
                "usage": {
                    "total": self.number("cpuacct", "cpuacct.usage").unwrap_or(0),
                    "percpu": per_cpu,
                    "kernel": nanos("system"),
                    "user": nanos("user"),
                },
                "throttling": present([
                    ("periods", of(&throttled, "nr_periods")),
                    ("throttledPeriods", of(&throttled, "nr_throttled")),
                    ("throttledTime", of(&throttled, "throttled_time")),
                ]),
            },
            "memory": {
                "cache": of(&raw, "cache").unwrap_or(0.into()),
                "usage": entry("memory."),
                "swap": entry("memory.memsw."),
                "kernel": entry("memory.kmem."),
                "kernelTCP": entry("memory.kmem.tcp."),
                "raw": raw,
            },
            "pids": self.pids(),
        })
    }

    /// On v2.
    fn unified(&self) -> Value {
        let cpu = self.table("cpu", "cpu.stat");
        let nanos =
            |name: &str| cpu.get(name).and_then(Value::as_u64).unwrap_or(0).saturating_mul(1000);
        let of = |table: &Map<String, Value>, name: &str| table.get(name).cloned();
        let entry = |prefix: &str| {
            let number = |file: &str| self.number("memory", &format!("{prefix}{file}"));
            present([
                ("limit", number("max").map(Value::from)),
                ("usage", number("current").map(Value::from)),
                ("max", number("peak").map(Value::from)),
            ])
        };
        let raw = self.table("memory", "memory.stat");
        json!({
            "cpu": {
                "usage": {
                    "total": nanos("usage_usec"),
                    "kernel": nanos("system_usec"),
                    "user": nanos("user_usec"),
                },
                "throttling": present([
                    ("periods", of(&cpu, "nr_periods")),
                    ("throttledPeriods", of(&cpu, "nr_throttled")),
                    ("throttledTime", Some(nanos("throttled_usec").into())),
                ]),
            },
            "memory": {
                "cache": of(&raw, "file").unwrap_or(0.into()),
                "usage": entry("memory."),
                "swap": entry("memory.swap."),
                "raw": raw,
            },
            "pids": self.pids(),
        })
    }
}

/// What there is of it.
fn present<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
