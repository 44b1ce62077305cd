//! `exec`: another process in a container.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;

use isopod_monitor_protocol::filter::Filter;
use isopod_oci::Error;
use isopod_oci::request::Exec;
use isopod_oci::store::{Container, Store};
use isopod_sys::cgroup::Hierarchies;
use isopod_sys::process::join_new_session_keyring;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType, Spec};

use super::create::{start, variables, why};
use super::ends::{self, Console};
use super::spec::adapt_process;
use super::{Caller, OciError, Result, foreground, system};
use crate::launcher::confinement::Confinement;
use crate::launcher::executor::{Runner, Wishes};
use crate::launcher::fd_path;
use crate::launcher::tenant::{Workspace, document};

/// Starts the process, and waits for its end unless it is to be detached. Returns this process's status.
pub fn run(caller: &Caller, job: Exec) -> Result<i32> {
    let container = Store::new(caller.root.clone()).load(&caller.id)?;
    let init = container.record.init.ok_or(Error::Stopped)?;
    let spec = container.folder.spec()?;
    let linux = spec.linux().clone().unwrap_or_default();
    let namespaces = linux.namespaces().clone().unwrap_or_default();
    let mut process = job.process;
    let env = variables(process.env().clone().unwrap_or_default(), job.ends.listen_fds);
    adapt_process(&mut process)?;
    let mapped = linux.uid_mappings().clone().unwrap_or_default();
    let streams = process.clone();
    let filter = filter(&container, linux.seccomp().is_some())?;
    let has_users = namespaces.iter().any(|one| one.typ() == LinuxNamespaceType::User);
    let (confinement, users) = if has_users {
        let namespace = File::open(format!("/proc/{}/ns/user", init.pid))
            .map_err(system("open the container's user namespace"))?;
        let user = process.user().clone();
        // Until then it is nobody in there, and root here.
        let mut root = user.clone();
        root.set_uid(0).set_gid(0).set_additional_gids(None);
        process.set_user(root);
        (Confinement::inside_users(filter, &mut process), Some((namespace.into(), user)))
    } else {
        (Confinement::around(filter, &mut process), None)
    };

    let workspace = workspace(&container, init.pid, &namespaces, &spec)
        .map_err(system("prepare for a process"))?;
    let console = Console::prepare(workspace.folder(), &streams, &job.ends, &mapped)?;
    ends::own_streams(&streams, &mapped)?;
    join_new_session_keyring().map_err(system("join a new session keyring"))?;
    let document = document(&process).map_err(system("pass the process on"))?;
    let (verdict, verdict_writer) = io::pipe().map_err(system("make a pipe"))?;
    let wishes = Wishes { env: Some(env), inheritable: true, users, ..Wishes::default() };
    let inherited = i32::try_from(job.ends.inherited()).unwrap_or(i32::MAX);
    let mut builder = ContainerBuilder::new(caller.id.clone(), SyscallType::default())
        .with_executor(Runner::new(verdict_writer, confinement).wishing(wishes))
        .with_preserved_fds(inherited)
        .with_root_path(workspace.folder())
        .map_err(start)?;
    if let Some(console) = &console {
        builder = builder.with_console_socket(Some(console.path()));
    }
    if job.ends.detach && job.cgroup.is_none() {
        // One that waits for the process's end is not to be the container's meanwhile.
        Hierarchies::find()
            .and_then(|hierarchies| workspace.join(&hierarchies, &container.record.cgroup))
            .map_err(system("join the container's control groups"))?;
    }
    let built = builder
        .as_tenant()
        .with_process(Some(fd_path(document.as_fd())))
        .with_sub_cgroup(job.cgroup)
        .with_detach(true)
        .with_ignore_paused(true)
        .build();
    let pid = match built {
        Ok(pid) => pid.as_raw(),
        Err(error) => {
            return Err(why(error, verdict, streams.rlimits().as_deref().unwrap_or_default()));
        }
    };
    if let Some(failure) = crate::launcher::read_verdict(verdict) {
        ends::end_children();
        return Err(OciError::Start(failure.to_string()));
    }
    let terminal = console.map(|console| console.receive(&job.ends)).transpose()?.flatten();
    drop(workspace);
    caller.debug(&format!("started process {pid} in container {}", caller.id));
    ends::write_pid(&job.ends, pid)?;
    if job.ends.detach {
        return Ok(0);
    }
    foreground::wait(pid, terminal)
}

/// The container's filter, which it must have if its specification says so.
fn filter(container: &Container, wanted: bool) -> Result<Option<Filter>> {
    let path = container.folder.filter();
    if !wanted {
        return Ok(None);
    }
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    let filter = Filter::from_bytes(&bytes);
    filter.map(Some).map_err(|error| OciError::Spec(format!("{}: {error}", path.display())))
}

/// What libcontainer reads: of the specification no more than a new process needs to know.
fn workspace(
    container: &Container,
    pid: i32,
    namespaces: &[LinuxNamespace],
    spec: &Spec,
) -> io::Result<Workspace> {
    let id = &container.record.id;
    let folder = container.folder.path().join(format!("exec-{}", std::process::id()));
    let workspace = Workspace::make(folder, id)?;
    let bundle = workspace.folder().join("bundle");
    DirBuilder::new().mode(0o700).create(&bundle)?;
    let state = serde_json::json!({
        "ociVersion": container.record.oci_version, "id": id, "status": "running", "pid": pid,
        "bundle": bundle, "useSystemd": false,
    });
    fs::write(workspace.container().join("state.json"), state.to_string())?;
    // The user namespace is joined by the executor: libcontainer would make a new one.
    let joined = namespaces
        .iter()
        .filter(|namespace| namespace.typ() != LinuxNamespaceType::User)
        .map(|namespace| LinuxNamespaceBuilder::default().typ(namespace.typ()).build())
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(io::Error::other)?;
    let personality = spec.linux().as_ref().and_then(|linux| linux.personality().clone());
    let mut config = serde_json::json!({
        "ociVersion": container.record.oci_version,
        "root": {"path": "/"},
        "linux": {"namespaces": joined, "cgroupsPath": container.record.cgroup},
    });
    if let Some(personality) = personality {
        config["linux"]["personality"] = serde_json::to_value(personality)?;
    }
    fs::write(bundle.join("config.json"), config.to_string())?;
    Ok(workspace)
}
