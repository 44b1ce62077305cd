//! `update`: other limits for a container.

use std::io;

use isopod_oci::Error;
use isopod_oci::store::Store;
use isopod_sys::cgroup::Hierarchies;
use isopod_systemd::{Manager, limits};
use libcgroups::common::{
    AnyCgroupManager, CgroupConfig, CgroupManager, ControllerOpt, create_cgroup_manager,
};
use oci_spec::runtime::LinuxResources;

use super::spec::disables_oom_killer;
use super::{Caller, OciError, Result, system};
use crate::launcher::{Failure, unified};

/// Sets what `resources` names, and leaves the rest.
pub fn run(caller: &Caller, resources: &LinuxResources) -> Result<i32> {
    let container = Store::new(caller.root.clone()).load(&caller.id)?;
    let _lock = container.folder.lock()?;
    if !container.status().has_process() {
        return Err(Error::NotRunning.into());
    }
    let hierarchies = Hierarchies::find().map_err(system("find the cgroups"))?;
    if let Some(unit) = &container.record.scope {
        // First: systemd rounds what it writes to the files, and they are exact afterwards.
        limits::properties(resources)
            .and_then(|properties| Manager::connect()?.set_properties(unit, &properties))
            .map_err(|error| OciError::Spec(Failure::at("cannot set limits")(error).to_string()))?;
    }
    let mut resources = resources.clone();
    unified::set_all(&mut resources, &hierarchies, &container.record.cgroup)
        .map_err(|failure| OciError::Spec(failure.to_string()))?;
    let config = CgroupConfig {
        cgroup_path: container.record.cgroup.clone(),
        systemd_cgroup: false,
        container_name: caller.id.clone(),
    };
    // It is written anew with any limit of memory.
    let spec = container.folder.spec()?;
    let was = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref());
    let disable_oom_killer = disables_oom_killer(was);
    let options = ControllerOpt {
        resources: &resources,
        disable_oom_killer,
        oom_score_adj: None,
        freezer_state: None,
    };
    create_cgroup_manager(config)
        .map_err(|error| OciError::System("find the cgroup", io::Error::other(error)))
        .and_then(|manager: AnyCgroupManager| {
            manager.apply(&options).map_err(|error| {
                OciError::Spec(Failure::at("cannot set limits")(error).to_string())
            })
        })?;
    caller.debug(&format!("set limits of cgroup {}", container.record.cgroup.display()));
    Ok(0)
}
