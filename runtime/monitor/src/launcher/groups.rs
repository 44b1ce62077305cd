//! Being in a container's control groups before libcontainer moves a process there.
//!
//! It moves one by its number, which has the kernel take a lock over all forks of the machine: 10 ms for an RCU
//! grace period, as much as all the rest of an exec. Its caller can move itself for nothing, and what it forks is
//! in the groups from its first instant. So that is done here, and libcontainer's own move is led to a file that
//! nobody reads. Only on version 1: on version 2 it moves its process.

use std::fs::File;
use std::io;
use std::path::Path;

use isopod_sys::cgroup::Hierarchies;
use isopod_sys::tree;

/// The controllers whose hierarchies of version 1 libcontainer moves processes in (`CONTROLLERS` in its
/// libcgroups): a container's first process is in its groups there, and in those of its caller elsewhere.
const CONTROLLERS: [&str; 12] = [
    "blkio",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
];

fn is_moved_in(hierarchy: &str) -> bool {
    hierarchy.split(',').any(|part| CONTROLLERS.contains(&part))
}

/// Moves this process, which must have one thread and a mount namespace of its own, into the groups at `cgroup`,
/// and puts `decoy`, which is made, where libcontainer would do that: in this mount namespace, and in those that
/// are copied from it.
///
/// Where a group isn't there, libcontainer makes it and moves its process as ever.
pub fn join(hierarchies: &Hierarchies, cgroup: &Path, decoy: &Path) -> io::Result<()> {
    let joined = hierarchies.enter(cgroup, is_moved_in)?;
    if joined.is_empty() {
        return Ok(());
    }
    File::create(decoy)?;
    for group in joined {
        tree::make_holder_private(&group)?;
        tree::cover(decoy, &group.join("cgroup.procs"))?;
    }
    Ok(())
}

/// Moves this process out again, to the top: it is to end soon, and neither to be counted as the container's
/// while that runs, nor to be slowed down or refused anything with it.
pub fn leave(hierarchies: &Hierarchies) -> io::Result<()> {
    hierarchies.leave(is_moved_in)
}
