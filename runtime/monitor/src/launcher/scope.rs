//! A container's cgroup where systemd makes it: a scope, which must have a process from its beginning. A child of
//! the launcher's stands in until the container's own processes are there.

use std::io;
use std::path::Path;
use std::time::Duration;

use isopod_monitor_protocol::message::ErrorKind;
use isopod_sys::cgroup::Hierarchies;
use isopod_sys::process;
use isopod_systemd::{Manager, Property, Scope, annotation, limits};
use oci_spec::runtime::Linux;
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid,
};

use super::Failure;
use super::container::host_pid;

/// The child stands in no longer than any start may take, should nobody end it.
const LONGEST: Duration = Duration::from_secs(600);
const PIDS: &str = "pids.max";

/// A scope with the stand-in in it. Dropping it ends that: a scope without a process goes by itself.
#[derive(Debug)]
pub struct Held {
    standing_in: Option<Pid>,
    /// Set last: neither the stand-in nor libcontainer's own processes count.
    processes: Option<i64>,
}

/// What a scope is made for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its name.
    pub scope: &'a Scope,
    /// Where it lies, see [`Scope::path`].
    pub cgroup: &'a Path,
    /// Whose it is, for people.
    pub id: &'a str,
    /// Further properties.
    pub properties: &'a [Property],
}

impl Held {
    /// Has systemd make the scope with the limits of `linux`, and takes out of that what is set when the scope is
    /// let go of.
    pub fn make(
        asked: Asked<'_>,
        hierarchies: &Hierarchies,
        linux: &mut Linux,
    ) -> Result<Self, Failure> {
        let Asked { scope, cgroup, id, .. } = asked;
        let at = || format!("cannot make scope {} of systemd's", scope.unit);
        let mut resources = linux.resources().clone().unwrap_or_default();
        let mut properties = limits::properties(&resources).map_err(Failure::at(at()))?;
        properties.extend_from_slice(asked.properties);
        let mut held =
            Self { standing_in: Some(stand_in().map_err(Failure::at(at()))?), processes: None };
        let own = held.standing_in.map_or(0, |pid| pid.as_raw_nonzero().get());
        let pid = host_pid(own).map_err(Failure::at(at()))?;
        let number = u32::try_from(pid).unwrap_or(0);
        let description = format!("isopod container {id}");
        Manager::connect()
            .and_then(|mut manager| {
                manager.start_scope(scope, &description, number, &properties, || {
                    !hierarchies.is_populated(cgroup)
                })
            })
            .map_err(Failure::at(at()))?;
        let members = hierarchies.processes(cgroup).map_err(Failure::at(at()))?;
        // As this process's pid namespace calls it, which the guard has made.
        if !members.contains(&own) {
            let path = cgroup.display();
            let message = format!("{}: its group is not {path}, as its name says", at());
            return Err(Failure::new(ErrorKind::Failed, message));
        }
        if let Some(pids) = *resources.pids() {
            held.processes = Some(pids.limit());
            resources.set_pids(None);
            hierarchies.set("pids", cgroup, PIDS, "max").map_err(Failure::at(at()))?;
        }
        linux.set_resources(Some(resources));
        Ok(held)
    }

    /// The container's processes are there, and wait.
    pub fn release(self, hierarchies: &Hierarchies, cgroup: &Path) -> Result<(), Failure> {
        let limit = self.processes;
        drop(self);
        let Some(limit) = limit else { return Ok(()) };
        let text = if limit > 0 { limit.to_string() } else { "max".to_owned() };
        hierarchies.set("pids", cgroup, PIDS, &text).map_err(Failure::at("cannot limit processes"))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(pid) = self.standing_in.take() {
            kill_process(pid, Signal::KILL).ok();
            waitpid(Some(pid), WaitOptions::empty()).ok();
        }
    }
}

/// What annotations ask for.
pub fn annotated(spec: &oci_spec::runtime::Spec) -> isopod_systemd::Result<Vec<Property>> {
    annotation::properties(spec.annotations().iter().flatten())
}

fn stand_in() -> io::Result<Pid> {
    process::fork(|| {
        rustix::thread::set_name(c"isopod-scope").ok();
        set_parent_process_death_signal(Some(Signal::KILL)).ok();
        // Nobody waits for the end of what it has inherited.
        process::close_descriptors_from(0).ok();
        std::thread::sleep(LONGEST);
        0
    })
}
