//! Creating and starting the container itself.

use std::fs::{self, DirBuilder};
use std::io::{self, PipeReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::message::ErrorKind;
use isopod_monitor_protocol::{data, state};
use isopod_sys::cgroup::Hierarchies;
use isopod_systemd::{Property, Value};
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::{Linux, LinuxNamespaceType, Spec};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::confinement::Confinement;
use super::console::ConsoleSocket;
use super::executor::Runner;
use super::program::ProgramError;
use super::rootfs::Mapped;
use super::scope::{Asked, Held, annotated};
use super::{Failure, Given, Started, Stdio, cgroup_mounts, fd_path, groups, loopback, unified};
use crate::spec::Facts;

/// The unit that `isopod system enable` writes.
const STOPPER: &str = "isopod.service";

/// libcontainer's two, of which one is the container's first.
const FEW: i64 = 2;

/// Runs `launch` up to the execution of its program.
pub(super) fn start(
    launch: &Launch,
    hierarchies: &Hierarchies,
    facts: &Facts,
    given: Given<'_>,
    mapped: Option<Mapped>,
    stdio: Stdio,
) -> Result<Started, Failure> {
    let Bundle { folder, confinement, disables_oom_killer, held, afterwards, counts_us } =
        bundle(launch, hierarchies, facts, given, mapped)?;
    let oci = launch.state.join(state::OCI);
    fs::create_dir_all(&oci).map_err(Failure::at(format!("cannot make {}", oci.display())))?;

    let (verdict, verdict_writer) = io::pipe().map_err(Failure::at("cannot make a pipe"))?;
    let at = || format!("cannot create container {}", launch.id);
    let builder = ContainerBuilder::new(launch.id.clone(), SyscallType::default())
        .with_executor(Runner::new(verdict_writer, confinement))
        .with_root_path(&oci)
        .map_err(Failure::at(at()))?;
    let (builder, console) = connect(builder, launch, stdio.streams)?;
    let joins = !hierarchies.is_unified() && !counts_us;
    if joins {
        let decoy = launch.state.join(state::BUNDLE).join("cgroup.procs");
        groups::join(hierarchies, &facts.cgroup, &decoy)
            .map_err(Failure::at(format!("cannot join cgroup {}", facts.cgroup.display())))?;
    }
    let built =
        builder.as_init(&folder).with_systemd(false).with_detach(true).as_sibling(true).build();
    let mut container = match built {
        Ok(container) => container,
        Err(error) => return Err(read_verdict(verdict).unwrap_or_else(|| Failure::at(at())(error))),
    };
    if joins {
        groups::leave(hierarchies).map_err(Failure::at("cannot leave the container's cgroup"))?;
    }
    if let Some(bytes) = afterwards {
        let path = folder.join(data::SPEC);
        fs::write(&path, bytes).map_err(Failure::at(format!("cannot write {}", path.display())))?;
    }
    let pid = container.pid().map_or(0, |pid| pid.as_raw());
    let pid = host_pid(pid).map_err(Failure::at("cannot tell the container's process id"))?;
    container.set_pid(pid);
    if let Some(held) = held {
        held.release(hierarchies, &facts.cgroup)?;
    }
    if disables_oom_killer {
        // Version 1 only: libcontainer always switches it on there.
        hierarchies
            .set("memory", &facts.cgroup, "memory.oom_control", "1")
            .map_err(Failure::at("cannot disable the out-of-memory killer"))?;
    }
    if facts.owns_network {
        loopback::bring_up(pid).map_err(Failure::at("cannot bring up the loopback interface"))?;
    }
    let terminal = console
        .map(|console| console.receive(stdio.size, stdio.uid))
        .transpose()
        .map_err(Failure::at("cannot get the container's terminal"))?;
    container.start().map_err(Failure::at(format!("cannot start container {}", launch.id)))?;
    // It has done its work, and others may write to it.
    fs::remove_file(oci.join(&launch.id).join("notify.sock")).ok();
    match read_verdict(verdict) {
        Some(failure) => Err(failure),
        None => Ok(Started { pid, terminal }),
    }
}

/// The specification as libcontainer reads it, and what of it is done here.
struct Bundle {
    folder: PathBuf,
    confinement: Option<Confinement>,
    disables_oom_killer: bool,
    /// The cgroup, where systemd has made it.
    held: Option<Held>,
    /// What its `config.json` says once the container is there, where that differs.
    afterwards: Option<Vec<u8>>,
    /// So few processes are allowed that one more, which makes them, would be too many.
    counts_us: bool,
}

/// Writes the specification as libcontainer is to have it: without the filter that we load, and with
/// the namespaces that the monitor was handed. The container's own `config.json` stays as it is, for people and for the hooks that read it.
fn bundle(
    launch: &Launch,
    hierarchies: &Hierarchies,
    facts: &Facts,
    given: Given<'_>,
    mapped: Option<Mapped>,
) -> Result<Bundle, Failure> {
    let path = launch.data.join(data::SPEC);
    let at = || format!("cannot use {}", path.display());
    let mut spec = Spec::load(&path).map_err(Failure::at(at()))?;
    spec.canonicalize_rootfs(&launch.data).map_err(Failure::at(at()))?;
    let annotated = match facts.scope {
        Some(_) => {
            let mut properties = annotated(&spec).map_err(Failure::at(at()))?;
            // At a shutdown that unit stops first, and every container in its own way; then slices go.
            let unit = Value::Texts(vec![STOPPER.to_owned()]);
            properties.push(("Before".to_owned(), unit));
            properties
        }
        None => Vec::new(),
    };
    let (mut confinement, mut held) = (None, None);
    if let Some(mut process) = spec.process().clone() {
        confinement = Confinement::prepare(launch, facts, &mut process)?;
        spec.set_process(Some(process));
    }
    if let Some(mut linux) = spec.linux().clone() {
        linux.set_seccomp(None);
        held = group(launch, hierarchies, facts, &annotated, &mut linux)?;
        linux.set_cgroups_path(Some(facts.cgroup.clone()));
        join(launch, &mut linux, given)?;
        unified::limit(&mut linux, hierarchies, &facts.cgroup)?;
        spec.set_linux(Some(linux));
    }
    let mut afterwards = None;
    if let (Some(mapped), Some(users)) = (mapped, given.users) {
        let root = spec.root().clone();
        mapped.tell(launch, &mut spec, users)?;
        // Execs look for it, and where it is now only this launcher can.
        let mut known = spec.clone();
        known.set_root(root);
        afterwards = Some(serde_json::to_vec(&known).map_err(Failure::at(at()))?);
    }
    cgroup_mounts::replace(&mut spec, hierarchies, &facts.cgroup).map_err(Failure::at(at()))?;
    let memory =
        spec.linux().as_ref().and_then(|linux| linux.resources().as_ref()?.memory().as_ref());
    let disables_oom_killer = memory.and_then(|memory| memory.disable_oom_killer()) == Some(true);
    let pids = spec.linux().as_ref().and_then(|linux| linux.resources().as_ref()?.pids().as_ref());
    let counts_us = pids.is_some_and(|pids| (1..=FEW).contains(&pids.limit()));
    let folder = launch.state.join(state::BUNDLE);
    let path = folder.join(data::SPEC);
    let bytes = serde_json::to_vec(&spec).map_err(Failure::at(at()))?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .and_then(|()| fs::write(&path, bytes))
        .map_err(Failure::at(format!("cannot write {}", path.display())))?;
    Ok(Bundle { folder, confinement, disables_oom_killer, held, afterwards, counts_us })
}

/// Makes the container's cgroup, or has systemd make it.
fn group(
    launch: &Launch,
    hierarchies: &Hierarchies,
    facts: &Facts,
    properties: &[Property],
    linux: &mut Linux,
) -> Result<Option<Held>, Failure> {
    let cgroup = &facts.cgroup;
    if let Some(scope) = &facts.scope {
        let asked = Asked { scope, cgroup, id: &launch.id, properties };
        return Held::make(asked, hierarchies, linux).map(Some);
    }
    let at = || format!("cannot make cgroup {}", cgroup.display());
    hierarchies.create(cgroup).map_err(Failure::at(at()))?;
    Ok(None)
}

/// Puts the descriptors of namespaces, which all processes on the way to the container inherit, in the place of
/// the paths by which `config.json` names them.
fn join(launch: &Launch, linux: &mut Linux, given: Given<'_>) -> Result<(), Failure> {
    let mut namespaces = linux.namespaces().clone().unwrap_or_default();
    for (kind, name, what, given) in [
        (
            LinuxNamespaceType::Network,
            state::NETWORK_NAMESPACE,
            "a network namespace",
            given.network,
        ),
        (LinuxNamespaceType::User, state::USER_NAMESPACE, "a user namespace", given.users),
        (LinuxNamespaceType::Pid, state::PID_NAMESPACE, "a pid namespace", given.pid),
        (LinuxNamespaceType::Ipc, state::IPC_NAMESPACE, "an IPC namespace", given.ipc),
        (LinuxNamespaceType::Uts, state::UTS_NAMESPACE, "a UTS namespace", given.uts),
    ] {
        let path = launch.state.join(name);
        let mut named = namespaces.iter_mut().filter(|namespace| {
            namespace.typ() == kind && namespace.path().as_ref() == Some(&path)
        });
        let message = match (named.next(), given) {
            (None, None) => continue,
            (Some(namespace), Some(given)) => {
                namespace.set_path(Some(fd_path(given).into()));
                continue;
            }
            (Some(_), None) => format!("config.json names {what} that was not handed over"),
            (None, Some(_)) => {
                format!("{what} was handed over, but config.json doesn't name {}", path.display())
            }
        };
        return Err(Failure::new(ErrorKind::Invalid, message));
    }
    linux.set_namespaces(Some(namespaces));
    Ok(())
}

/// Gives the process its standard streams, or a socket for its terminal.
pub(super) fn connect(
    builder: ContainerBuilder,
    launch: &Launch,
    streams: Option<[std::os::fd::OwnedFd; 3]>,
) -> Result<(ContainerBuilder, Option<ConsoleSocket>), Failure> {
    if let Some([stdin, stdout, stderr]) = streams {
        let builder = builder.with_stdin(stdin).with_stdout(stdout).with_stderr(stderr);
        return Ok((builder, None));
    }
    let console = ConsoleSocket::bind(&launch.state)
        .map_err(Failure::at("cannot make a socket for the terminal"))?;
    Ok((builder.with_console_socket(Some(console.path())), Some(console)))
}

/// What the new process says about its program; nothing once the program runs, or when the process
/// ended before it came so far.
pub fn read_verdict(mut verdict: PipeReader) -> Option<Failure> {
    let mut words = Vec::new();
    verdict.read_to_end(&mut words).ok()?;
    let error: ProgramError = serde_json::from_slice(&words).ok()?;
    Some(Failure::new(error.kind, error.to_string()))
}

/// The process that this launcher, in its own pid namespace, calls `pid`, as `/proc` calls
/// it, which is mounted for the host's pid namespace.
pub(super) fn host_pid(pid: i32) -> io::Result<i32> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?;
    let handle = pidfd_open(pid, PidfdFlags::empty())?;
    let about = fs::read_to_string(fd_path(&handle).replace("/fd/", "/fdinfo/"))?;
    let field = about.lines().find_map(|line| line.strip_prefix("Pid:"));
    let pid = field.and_then(|pid| pid.trim().parse().ok()).filter(|pid| *pid > 0);
    pid.ok_or_else(|| io::ErrorKind::NotFound.into())
}
