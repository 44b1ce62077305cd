//! What a process may do, given up in the right order: system calls by its filter, then the
//! capabilities that loading one takes.
//!
//! libcontainer would have libseccomp assemble the container's filter, which takes longer than
//! all the rest of a start, and leaves it out of an exec. So libcontainer gets a process without
//! one, and [`super::executor`] loads the assembled program just before the execution. That takes
//! no-new-privileges, or CAP_SYS_ADMIN: then libcontainer is told to leave the process that, and
//! what it takes to give it up again, and the process's own capabilities are set after the filter.

use std::fs;
use std::io;

use isopod_monitor_protocol::data;
use isopod_monitor_protocol::filter::{Filter, FilterError};
use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::message::ErrorKind;
use isopod_sys::seccomp::{self, Instruction};
use libcontainer::capabilities::drop_privileges;
use libcontainer::syscall::syscall::create_syscall;
use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, Process};

use super::Failure;
use crate::spec::Facts;

/// What a process has left to give up when libcontainer is done with it.
#[derive(Debug)]
pub struct Confinement {
    filter: Option<(u32, Vec<Instruction>)>,
    /// The process's own, where it still has more.
    capabilities: Option<LinuxCapabilities>,
}

impl Confinement {
    /// That of `process` in the container of `launch`; `None` where its specification has no filter.
    /// Changes `process` to what libcontainer is to be told.
    pub(super) fn prepare(
        launch: &Launch,
        facts: &Facts,
        process: &mut Process,
    ) -> Result<Option<Self>, Failure> {
        if process.capabilities().is_none() {
            return Err(Failure::new(ErrorKind::Invalid, "process.capabilities must be given"));
        }
        Ok(Self::around(read(launch, facts.has_seccomp)?, process))
    }

    /// As [`Self::prepare`], for a process that has to join a user namespace before.
    pub(super) fn prepare_inside_users(
        launch: &Launch,
        facts: &Facts,
        process: &mut Process,
    ) -> Result<Option<Self>, Failure> {
        if process.capabilities().is_none() {
            return Err(Failure::new(ErrorKind::Invalid, "process.capabilities must be given"));
        }
        Ok(Self::inside_users(read(launch, facts.has_seccomp)?, process))
    }

    /// That of `process`, which has capabilities, under `filter`. Changes `process` to what libcontainer is to
    /// be told.
    pub fn around(filter: Option<Filter>, process: &mut Process) -> Option<Self> {
        let capabilities = complete(process.capabilities().clone()?);
        process.set_capabilities(Some(capabilities.clone()));
        let filter = filter?;
        let gains_nothing = process.no_new_privileges() == Some(true);
        if !gains_nothing {
            process.set_capabilities(Some(provisional(&capabilities)));
        }
        let filter = Some(loadable(&filter));
        Some(Self { filter, capabilities: (!gains_nothing).then_some(capabilities) })
    }

    /// As [`Self::around`], for a process that has to join a user namespace before: whatever is given up, it is
    /// after that.
    pub fn inside_users(filter: Option<Filter>, process: &mut Process) -> Option<Self> {
        let capabilities = complete(process.capabilities().clone()?);
        process.set_capabilities(Some(provisional(&capabilities)));
        let filter = filter.as_ref().map(loadable);
        Some(Self { filter, capabilities: Some(capabilities) })
    }

    /// Gives it up. From here on the filter decides about every call of ours.
    pub(super) fn apply(&self) -> Result<(), String> {
        if let Some((flags, program)) = &self.filter {
            seccomp::load(*flags, program)
                .map_err(|error| format!("cannot load the seccomp filter: {error}"))?;
        }
        if let Some(capabilities) = &self.capabilities {
            drop_privileges(capabilities, create_syscall().as_ref())
                .map_err(|error| format!("cannot drop capabilities: {error}"))?;
        }
        Ok(())
    }
}

fn loadable(filter: &Filter) -> (u32, Vec<Instruction>) {
    let instruction = |i: &isopod_monitor_protocol::filter::Instruction| Instruction {
        code: i.code,
        jt: i.jt,
        jf: i.jf,
        k: i.k,
    };
    (filter.flags, filter.instructions.iter().map(instruction).collect())
}

/// The container's filter. What its specification and its program say of there being one must be
/// the same: no process is to run with less than people are shown, or other than they are.
fn read(launch: &Launch, wanted: bool) -> Result<Option<Filter>, Failure> {
    let path = launch.data.join(data::FILTER);
    let invalid = |why: String| {
        Failure::new(ErrorKind::Invalid, format!("cannot use {}: {why}", path.display()))
    };
    let bytes = match (fs::read(&path), wanted) {
        (Ok(bytes), true) => bytes,
        (Ok(_), false) => return Err(invalid("config.json has no seccomp profile".to_owned())),
        (Err(error), false) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        (Err(error), _) => return Err(invalid(error.to_string())),
    };
    Filter::from_bytes(&bytes).map(Some).map_err(|error: FilterError| invalid(error.to_string()))
}

/// With every set given: libcontainer leaves what our caller had where one is not.
fn complete(mut capabilities: LinuxCapabilities) -> LinuxCapabilities {
    let given = |set: &Option<Capabilities>| Some(set.clone().unwrap_or_default());
    let (bounding, effective) = (given(capabilities.bounding()), given(capabilities.effective()));
    let permitted = given(capabilities.permitted());
    let (inheritable, ambient) = (given(capabilities.inheritable()), given(capabilities.ambient()));
    capabilities
        .set_bounding(bounding)
        .set_effective(effective)
        .set_permitted(permitted)
        .set_inheritable(inheritable)
        .set_ambient(ambient);
    capabilities
}

/// With what it takes to load a filter and then to give the rest up.
fn provisional(capabilities: &LinuxCapabilities) -> LinuxCapabilities {
    let with = |set: &Option<Capabilities>| {
        let mut set = set.clone().unwrap_or_default();
        set.extend([Capability::SysAdmin, Capability::Setpcap]);
        Some(set)
    };
    let mut provisional = capabilities.clone();
    provisional
        .set_bounding(with(capabilities.bounding()))
        .set_permitted(with(capabilities.permitted()))
        .set_effective(with(capabilities.effective()));
    provisional
}
