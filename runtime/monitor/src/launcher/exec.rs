//! Starting another process in a running container.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::state;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::Process;
use rustix::fs::{MemfdFlags, memfd_create};

use super::confinement::Confinement;
use super::container::{connect, read_verdict};
use super::executor::{Runner, Wishes};
use super::{Failure, Given, Started, Stdio, fd_path};
use crate::spec::Facts;

/// Folder of the execs that are being started, in the state folder.
pub const EXECS: &str = "execs";

/// Starts `process` in the container of `launch`.
pub(super) fn start(
    launch: &Launch,
    facts: &Facts,
    process: &Process,
    given: Given<'_>,
    stdio: Stdio,
) -> Result<Started, Failure> {
    let mut process = process.clone();
    let (confinement, users) = match given.users {
        None => (Confinement::prepare(launch, facts, &mut process)?, None),
        // libcontainer leaves it out of an exec: until the executor has joined it, the process is root here.
        Some(users) => {
            let users =
                users.try_clone_to_owned().map_err(Failure::at("cannot copy a descriptor"))?;
            let user = process.user().clone();
            let mut root = user.clone();
            root.set_uid(0).set_gid(0).set_additional_gids(None);
            process.set_user(root);
            let confinement = Confinement::prepare_inside_users(launch, facts, &mut process)?;
            (confinement, Some((users, user)))
        }
    };
    let wishes = Wishes { users, ..Wishes::default() };
    let document = document(&process).map_err(Failure::at("cannot pass the process on"))?;

    let workspace = Workspace::make(launch)
        .map_err(Failure::at(format!("cannot prepare for a process in container {}", launch.id)))?;
    let (verdict, verdict_writer) = io::pipe().map_err(Failure::at("cannot make a pipe"))?;
    let at = || format!("cannot start a process in container {}", launch.id);
    let builder = ContainerBuilder::new(launch.id.clone(), SyscallType::default())
        .with_executor(Runner::new(verdict_writer, confinement).wishing(wishes))
        .with_root_path(&workspace.folder)
        .map_err(Failure::at(at()))?;
    let (builder, console) = connect(builder, launch, stdio.streams)?;
    let built = builder
        .as_tenant()
        .with_process(Some(fd_path(document.as_fd())))
        .with_detach(true)
        .as_sibling(true)
        .build();
    let verdict = read_verdict(verdict);
    let pid = match (built, verdict) {
        (_, Some(failure)) => return Err(failure),
        (Err(error), None) => return Err(Failure::at(at())(error)),
        (Ok(pid), None) => pid.as_raw(),
    };
    let terminal = console
        .map(|console| console.receive(stdio.size, stdio.uid))
        .transpose()
        .map_err(Failure::at("cannot get the process's terminal"))?;
    Ok(Started { pid, terminal })
}

/// The process as a file, for that is how libcontainer takes it.
fn document(process: &Process) -> io::Result<File> {
    let mut file = File::from(memfd_create("process.json", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(process)?)?;
    Ok(file)
}

/// A folder of this exec's own in the place of libcontainer's, because it leaves a socket in there
/// that nothing tells from another exec's. Removed when dropped.
struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    fn make(launch: &Launch) -> io::Result<Self> {
        let state = launch.state.join(state::OCI).join(&launch.id).join("state.json");
        let folder = launch.state.join(EXECS).join(std::process::id().to_string());
        let workspace = Self { folder };
        let inner = workspace.folder.join(&launch.id);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&inner)?;
        fs::hard_link(state, inner.join("state.json"))?;
        Ok(workspace)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What stays here goes when the container has ended.
        fs::remove_dir_all(&self.folder).ok();
    }
}
