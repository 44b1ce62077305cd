//! What libcontainer needs for another process in a running container, whoever asks for it: the process as a
//! file, a folder to work in, and a caller that is in the container's control groups already.
//!
//! libcontainer moves a process of its own into them by its number, which has the kernel take a lock over all
//! forks of the machine: 10 ms for an RCU grace period, more than all the rest of an exec. A process that moves
//! itself by `0` to `tasks` needs no lock, and what it forks is in its groups from the first instant. So the
//! caller does that, and libcontainer's own move goes to a file that nobody reads.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use isopod_sys::cgroup::Hierarchies;
use isopod_sys::tree;
use nix::sched::{CloneFlags, unshare};
use oci_spec::runtime::Process;
use rustix::fs::{MemfdFlags, memfd_create};

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

/// The process as a file, for that is how libcontainer takes it.
pub fn document(process: &Process) -> io::Result<File> {
    let mut file = File::from(memfd_create("process.json", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(process)?)?;
    Ok(file)
}

/// A folder of this exec's own in the place of libcontainer's, because it leaves a socket in there
/// that nothing tells from another exec's. Removed when dropped.
#[derive(Debug)]
pub struct Workspace {
    folder: PathBuf,
    container: PathBuf,
}

impl Workspace {
    /// Makes `folder`, and in it what libcontainer looks for container `id` in.
    pub fn make(folder: PathBuf, id: &str) -> io::Result<Self> {
        let container = folder.join(id);
        let workspace = Self { folder, container };
        DirBuilder::new().recursive(true).mode(0o700).create(&workspace.container)?;
        Ok(workspace)
    }

    /// What libcontainer is to take for the folder of all containers.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where it reads the container's `state.json`.
    pub fn container(&self) -> &Path {
        &self.container
    }

    /// Moves this process, which must have one thread and end soon, into the control groups at `cgroup`, and
    /// into a mount namespace of its own where libcontainer can't move anything into them.
    ///
    /// Only on version 1. Where a group isn't there, and on version 2, libcontainer moves its process.
    pub fn join(&self, hierarchies: &Hierarchies, cgroup: &Path) -> io::Result<()> {
        let joined: Vec<PathBuf> = hierarchies
            .enter(cgroup, |name| name.split(',').any(|part| CONTROLLERS.contains(&part)))?;
        if joined.is_empty() {
            return Ok(());
        }
        let decoy = self.folder.join("cgroup.procs");
        File::create(&decoy)?;
        unshare(CloneFlags::CLONE_NEWNS)?;
        for group in joined {
            tree::make_holder_private(&group)?;
            tree::attach(tree::bind(&decoy)?.as_fd(), &group.join("cgroup.procs"))?;
        }
        Ok(())
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What stays here goes with the container.
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
