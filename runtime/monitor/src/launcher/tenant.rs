//! What libcontainer needs for another process in a running container, whoever asks for it: the process as a
//! file, a folder to work in, and a caller that is in the container's control groups already.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use isopod_sys::cgroup::Hierarchies;
use nix::sched::{CloneFlags, unshare};
use oci_spec::runtime::Process;
use rustix::fs::{MemfdFlags, memfd_create};

use super::groups;

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

    /// Moves this process, which must have one thread and end soon, into the control groups at `cgroup` ([`groups`]),
    /// and into a mount namespace of its own.
    pub fn join(&self, hierarchies: &Hierarchies, cgroup: &Path) -> io::Result<()> {
        if hierarchies.is_unified() {
            return Ok(());
        }
        unshare(CloneFlags::CLONE_NEWNS)?;
        groups::join(hierarchies, cgroup, &self.folder.join("cgroup.procs"))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What stays here goes with the container.
        std::fs::remove_dir_all(&self.folder).ok();
    }
}
