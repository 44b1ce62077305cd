//! Changing limits and the restart policy of a container that exists, at once where it runs.

use std::io;
use std::path::{Path, PathBuf};

use isopod_sys::cgroup::Hierarchies;
use isopod_systemd::limits::weight_of_shares;
use isopod_systemd::{Manager, Scope};
use oci_spec::runtime::{LinuxResources, Spec};

use super::settings::{Resources, Restart};
use super::{Container, Phase, Record};
use crate::state::{ContainerRow, Durability};
use crate::{Error, Result};

/// What is to be different; `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Update {
    /// Those that are set replace those that the container has.
    pub resources: Resources,
    /// The restart policy.
    pub restart: Option<Restart>,
}

impl Container<'_> {
    /// Applies `update`: all of it, or nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] for what can't be together with what it has; the kernel refuses a limit.
    pub fn update(&mut self, update: &Update) -> Result<()> {
        let _operation = self.lock_operation()?;
        let mut record = self.current_record()?;
        let before = super::spec::limits(&record.settings.resources)?;
        merge(&mut record.settings.resources, &update.resources)?;
        if let Some(restart) = update.restart {
            if self.record.auto_remove && restart != Restart::No {
                return Err(Error::Invalid(format!(
                    "container {} is removed when it ends: it can't be started again",
                    self.name()
                )));
            }
            record.settings.restart = restart;
        }
        super::spec::check(self.id(), &record)?;
        let after = super::spec::limits(&record.settings.resources)?;
        let phase = self.status()?.phase;
        if matches!(phase, Phase::Running | Phase::Paused) && before != after {
            self.limit(&before, &after)?;
        }
        if phase.is_alive() {
            self.tell_monitor(update, &after)?;
        }
        self.keep(record)?;
        self.happened("update", &[]);
        Ok(())
    }

    /// The record as it is now: another update may have come since we looked.
    fn current_record(&self) -> Result<Record> {
        let (namespace, id) = (self.namespace(), self.id());
        let row = self.runtime.state().read(|c| ContainerRow::exact(c, namespace, id))?;
        let missing = || Error::NotFound { what: "container", name: self.name().to_owned() };
        Record::parse(&row.ok_or_else(missing)?)
    }

    fn keep(&mut self, record: Record) -> Result<()> {
        let (namespace, id) = (self.namespace().to_owned(), self.id().to_owned());
        let text = record.to_text();
        let state = self.runtime.state();
        state.write(Durability::Power, |transaction| {
            ContainerRow::set_record(transaction, &namespace, &id, &text).map_err(state.error())
        })?;
        self.row.record = text;
        self.record = record;
        Ok(())
    }

    /// Writes the difference to its cgroup, and takes it back where the kernel refuses a part.
    fn limit(&self, before: &LinuxResources, after: &LinuxResources) -> Result<()> {
        let failed =
            |source| Error::System { action: "cannot find the cgroup hierarchies", source };
        let hierarchies = Hierarchies::find().map_err(failed)?;
        let cgroup = PathBuf::from(self.cgroup());
        let group = Group { hierarchies: &hierarchies, path: &cgroup };
        let scope = self.scope();
        if let Some(scope) = &scope {
            // First: systemd rounds what it writes to the files, and they are exact afterwards.
            set_properties(scope, before, after)?;
        }
        group.apply(before, after).map_err(|(file, source)| {
            // As far as that goes: the error to report is why the new ones were refused.
            group.apply(after, before).ok();
            if let Some(scope) = &scope {
                set_properties(scope, after, before).ok();
            }
            Error::Io { action: "cannot set the limit", path: cgroup.join(file), source }
        })
    }

    /// A restart by policy uses what the monitor was started with.
    fn tell_monitor(&self, update: &Update, limits: &LinuxResources) -> Result<()> {
        if let Some(restart) = update.restart {
            self.tell_restart(restart)?;
        }
        let Some(mut spec) = self.spec()? else { return Ok(()) };
        replace_limits(&mut spec, limits);
        self.write_spec(&spec)
    }
}

/// Tells systemd, which would otherwise go back to what it knows whenever it looks at the unit again.
fn set_properties(scope: &Scope, before: &LinuxResources, after: &LinuxResources) -> Result<()> {
    isopod_systemd::limits::changes(before, after)
        .and_then(|properties| Manager::connect()?.set_properties(&scope.unit, &properties))
        .map_err(|source| Error::System {
            action: "cannot set limits as properties of a unit of systemd's",
            source: std::io::Error::other(source),
        })
}

fn replace_limits(spec: &mut Spec, limits: &LinuxResources) {
    let Some(linux) = spec.linux().clone() else { return };
    let mut linux = linux;
    let mut resources = limits.clone();
    let devices = linux.resources().as_ref().and_then(|old| old.devices().clone());
    resources.set_devices(devices);
    linux.set_resources(Some(resources));
    spec.set_linux(Some(linux));
}

/// A number of processors and a quota say the same, and the later one can't undo the earlier (docker).
fn merge(into: &mut Resources, changes: &Resources) -> Result<()> {
    let has_quota = into.cpu_quota.is_some() || into.cpu_period.is_some();
    let sets_quota = changes.cpu_quota.is_some() || changes.cpu_period.is_some();
    if (into.nano_cpus.is_some() && sets_quota) || (has_quota && changes.nano_cpus.is_some()) {
        return Err(Error::Invalid(
            "a number of processors and a quota or period exclude each other, and the container has \
             the other one already"
                .to_owned(),
        ));
    }
    macro_rules! replace {
        ($($field:ident),*) => {
            $(if changes.$field.is_some() { into.$field.clone_from(&changes.$field); })*
        };
    }
    replace!(
        memory,
        memory_swap,
        memory_reservation,
        nano_cpus,
        cpu_shares,
        cpu_period,
        cpu_quota,
        cpuset_cpus,
        cpuset_mems,
        pids_limit,
        blkio_weight
    );
    Ok(())
}

struct Group<'a> {
    hierarchies: &'a Hierarchies,
    path: &'a Path,
}

type Applied = std::result::Result<(), (String, io::Error)>;

impl Group<'_> {
    /// Writes what differs. A limit that goes away is written as none.
    fn apply(&self, before: &LinuxResources, after: &LinuxResources) -> Applied {
        if before.memory() != after.memory() {
            self.memory(after)?;
        }
        if before.cpu() != after.cpu() {
            self.cpu(before, after)?;
        }
        if before.pids() != after.pids() {
            let limit = after.pids().as_ref().map_or(-1, |pids| pids.limit());
            self.write("pids", "pids.max", &or_max(limit))?;
        }
        if before.block_io() != after.block_io() {
            let weight = after.block_io().as_ref().and_then(|io| io.weight()).unwrap_or(500);
            self.block_io(weight)?;
        }
        Ok(())
    }

    fn memory(&self, after: &LinuxResources) -> Applied {
        let memory = (*after.memory()).unwrap_or_default();
        let limit = memory.limit().unwrap_or(-1);
        let swap = memory.swap();
        if self.hierarchies.is_unified() {
            self.write("memory", "memory.low", &memory.reservation().unwrap_or(0).to_string())?;
            if let Some(total) = swap {
                let swap = if total < 0 { -1 } else { total - limit.max(0) };
                self.write("memory", "memory.swap.max", &or_max(swap))?;
            }
            return self.write("memory", "memory.max", &or_max(limit));
        }
        let reservation = memory.reservation().unwrap_or(-1).to_string();
        self.write("memory", "memory.soft_limit_in_bytes", &reservation)?;
        let limits =
            [("memory.limit_in_bytes", Some(limit)), ("memory.memsw.limit_in_bytes", swap)];
        let write = |(file, value): &(&str, Option<i64>)| match value {
            Some(value) => self.write("memory", file, &value.to_string()),
            None => Ok(()),
        };
        // The second may never be below the first, which decides whose turn comes first.
        limits.iter().try_for_each(write).or_else(|_| limits.iter().rev().try_for_each(write))
    }

    fn cpu(&self, before: &LinuxResources, after: &LinuxResources) -> Applied {
        let old = before.cpu().clone().unwrap_or_default();
        let cpu = after.cpu().clone().unwrap_or_default();
        let is_unified = self.hierarchies.is_unified();
        if old.shares() != cpu.shares() {
            let shares = cpu.shares().unwrap_or(1024);
            match is_unified {
                // As the runtime does at a start.
                true => {
                    let weight = weight_of_shares(shares);
                    self.write("cpu", "cpu.weight", &weight.to_string())?;
                }
                false => self.write("cpu", "cpu.shares", &shares.to_string())?,
            }
        }
        if (old.quota(), old.period()) != (cpu.quota(), cpu.period()) {
            let (quota, period) = (cpu.quota().unwrap_or(-1), cpu.period().unwrap_or(100_000));
            if is_unified {
                self.write("cpu", "cpu.max", &format!("{} {period}", or_max(quota)))?;
            } else {
                self.write("cpu", "cpu.cfs_period_us", &period.to_string())?;
                self.write("cpu", "cpu.cfs_quota_us", &quota.to_string())?;
            }
        }
        for (file, old, new) in
            [("cpuset.cpus", old.cpus(), cpu.cpus()), ("cpuset.mems", old.mems(), cpu.mems())]
        {
            if old != new {
                self.cpuset(file, new.as_deref())?;
            }
        }
        Ok(())
    }

    /// None means all of the parent's: an empty list in v2, the parent's own in v1.
    fn cpuset(&self, file: &str, list: Option<&str>) -> Applied {
        let parents = || -> io::Result<String> {
            if self.hierarchies.is_unified() {
                return Ok("\n".to_owned());
            }
            let parent = self.path.parent().unwrap_or(Path::new("/"));
            let folder = self.hierarchies.folder("cpuset", parent);
            std::fs::read_to_string(folder.ok_or(io::ErrorKind::NotFound)?.join(file))
        };
        let list = match list {
            Some(list) => list.to_owned(),
            None => parents().map_err(|error| (file.to_owned(), error))?,
        };
        self.write("cpuset", file, &list)
    }

    /// Which file there is depends on the scheduler.
    fn block_io(&self, weight: u16) -> Applied {
        let (controller, files, weight) = match self.hierarchies.is_unified() {
            true => {
                let scaled = 1 + (u64::from(weight).max(10) - 10) * 9999 / 990;
                ("io", [("io.bfq.weight", u64::from(weight)), ("io.weight", scaled)], weight)
            }
            false => {
                let same = u64::from(weight);
                ("blkio", [("blkio.bfq.weight", same), ("blkio.weight", same)], weight)
            }
        };
        let mut result = self.write(controller, files[0].0, &files[0].1.to_string());
        if matches!(&result, Err((_, error)) if error.kind() == io::ErrorKind::NotFound) {
            result = self.write(controller, files[1].0, &files[1].1.to_string());
        }
        match result {
            Err((file, error)) if error.kind() == io::ErrorKind::NotFound => {
                let text = format!("no scheduler of this machine has weights (of {weight})");
                Err((file, io::Error::new(io::ErrorKind::Unsupported, text)))
            }
            other => other,
        }
    }

    fn write(&self, controller: &str, file: &str, value: &str) -> Applied {
        let written = self.hierarchies.set(controller, self.path, file, value);
        written.map_err(|error| (file.to_owned(), error))
    }
}

fn or_max(value: i64) -> String {
    if value < 0 { "max".to_owned() } else { value.to_string() }
}
