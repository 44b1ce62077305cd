//! Starting another process in a running container.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::message::ErrorKind;
use isopod_monitor_protocol::{data, state};
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::{Process, Spec};
use rustix::fs::{MemfdFlags, memfd_create};

use super::container::{connect, read_verdict};
use super::executor::{Confinement, Runner};
use super::{Failure, Started, Stdio, fd_path};

/// Folder of the execs that are being started, in the state folder.
pub const EXECS: &str = "execs";

/// Starts `process` in the container of `launch`.
pub(super) fn start(launch: &Launch, process: &Process, stdio: Stdio) -> Result<Started, Failure> {
    let mut process = process.clone();
    let confinement = confinement(launch, &mut process)?;
    let document = document(&process).map_err(Failure::at("cannot pass the process on"))?;

    let workspace = Workspace::make(launch)
        .map_err(Failure::at(format!("cannot prepare for a process in container {}", launch.id)))?;
    let (verdict, verdict_writer) = io::pipe().map_err(Failure::at("cannot make a pipe"))?;
    let at = || format!("cannot start a process in container {}", launch.id);
    let builder = ContainerBuilder::new(launch.id.clone(), SyscallType::default())
        .with_executor(Runner::new(verdict_writer, confinement))
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

/// Prepares for the container's seccomp filter, which libcontainer would leave out.
fn confinement(launch: &Launch, process: &mut Process) -> Result<Option<Confinement>, Failure> {
    let path = launch.data.join(data::SPEC);
    let spec = Spec::load(&path).map_err(Failure::at(format!("cannot read {}", path.display())))?;
    let seccomp = spec.linux().as_ref().and_then(|linux| linux.seccomp().clone());
    let Some(seccomp) = seccomp else { return Ok(None) };
    let capabilities = process
        .capabilities()
        .clone()
        .ok_or_else(|| Failure::new(ErrorKind::Invalid, "process.capabilities must be given"))?;
    process.set_capabilities(Some(Confinement::provisional(&capabilities)));
    Ok(Some(Confinement { seccomp, capabilities }))
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
