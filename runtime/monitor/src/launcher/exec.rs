//! Starting another process in a running container.

use std::fs;
use std::io;
use std::os::fd::AsFd;

use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::state;
use isopod_sys::cgroup::Hierarchies;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::Process;

use super::confinement::Confinement;
use super::container::{connect, read_verdict};
use super::executor::{Runner, Wishes};
use super::tenant::{Workspace, document};
use super::{Failure, Given, Started, Stdio, fd_path};
use crate::spec::Facts;

/// Folder of the execs that are being started, in the state folder.
pub const EXECS: &str = "execs";

/// Starts `process` in the container of `launch`.
pub(super) fn start(
    launch: &Launch,
    hierarchies: &Hierarchies,
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

    let at = || format!("cannot prepare for a process in container {}", launch.id);
    let workspace = workspace(launch).map_err(Failure::at(at()))?;
    let (verdict, verdict_writer) = io::pipe().map_err(Failure::at("cannot make a pipe"))?;
    let at = || format!("cannot start a process in container {}", launch.id);
    let builder = ContainerBuilder::new(launch.id.clone(), SyscallType::default())
        .with_executor(Runner::new(verdict_writer, confinement).wishing(wishes))
        .with_root_path(workspace.folder())
        .map_err(Failure::at(at()))?;
    let (builder, console) = connect(builder, launch, stdio.streams)?;
    // Late: until here nothing is counted as the container's, or slowed down with it.
    workspace
        .join(hierarchies, &facts.cgroup)
        .map_err(Failure::at(format!("cannot join cgroup {}", facts.cgroup.display())))?;
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

/// What libcontainer reads is the container's own.
fn workspace(launch: &Launch) -> io::Result<Workspace> {
    let state = launch.state.join(state::OCI).join(&launch.id).join("state.json");
    let folder = launch.state.join(EXECS).join(std::process::id().to_string());
    let workspace = Workspace::make(folder, &launch.id)?;
    fs::hard_link(state, workspace.container().join("state.json"))?;
    Ok(workspace)
}
