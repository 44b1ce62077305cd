//! A machine for tests: everything on, cgroups in the hybrid layout.

use crate::capabilities::CapabilitySet;
use crate::host::{CgroupLayout, Host};
use crate::seccomp::Machine;
use crate::ulimit::HardLimits;

pub(crate) fn host() -> Host {
    let places = ["cpu,cpuacct", "memory", "systemd"];
    Host {
        capabilities: CapabilitySet::up_to(40),
        cgroups: CgroupLayout::V1(
            places.map(|name| format!("/sys/fs/cgroup/{name}").into()).to_vec(),
        ),
        swap_accounting: true,
        seccomp: true,
        apparmor: true,
        default_apparmor: Some("isopod-default".to_owned()),
        selinux: false,
        machine: Machine::X86_64,
        kernel: (6, 1),
        oom_score_adj: 0,
        limits: HardLimits::NONE,
        processors: Some("0-7".to_owned()),
        memory_nodes: None,
    }
}
