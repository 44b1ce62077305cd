//! `create` and `run`.

use std::fs::{self, DirBuilder, File};
use std::io::{self, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use isopod_monitor_protocol::filter::Filter;
use isopod_monitor_protocol::time::Timestamp;
use isopod_oci::SPEC_VERSION;
use isopod_oci::record::{Pid, Record, VERSION};
use isopod_oci::request::Create;
use isopod_oci::store::{Container, Folder, Store};
use isopod_sys::cgroup::Hierarchies;
use isopod_sys::process::join_new_session_keyring;
use isopod_sys::root::Root;
use isopod_sys::step::step;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use oci_spec::runtime::{PosixRlimit, Spec};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::ends::{self, Console};
use super::foreground::{self, Terminal};
use super::spec::{self, Facts};
use super::{Caller, OciError, Result, propagation, rlimits, sources, system};
use crate::launcher::confinement::Confinement;
use crate::launcher::executor::{Runner, Wishes};
use crate::launcher::scope::{Asked, Held, annotated};
use crate::launcher::{Failure, loopback, read_verdict, unified};

/// Creates the container, and for `run` starts it and waits for its end. Returns the process's status.
pub fn run(caller: &Caller, job: Create) -> Result<i32> {
    let spec: Spec = serde_json::from_str(&job.config)
        .map_err(|error| OciError::Spec(format!("malformed config.json: {error}")))?;
    let store = Store::new(caller.root.clone());
    let folder = store.create(&caller.id)?;
    step("oci.folder");
    caller.debug(&format!("made {}", folder.path().display()));
    for mount in spec.mounts().iter().flatten().filter(|mount| mount.destination().is_relative()) {
        let place = mount.destination().display();
        caller
            .warn(&format!("mount destination {place} is not absolute: it is taken from the root"));
    }
    let made = make(&folder, &job, spec);
    let (container, terminal) = match made {
        Ok(made) => made,
        Err(error) => {
            ends::end_children();
            undo(caller, &folder);
            return Err(error);
        }
    };
    let record = &container.record;
    let init = record.init.map_or(0, |init| init.pid);
    caller.debug(&format!("made process {init} in cgroup {}", record.cgroup.display()));
    if !job.run {
        return Ok(0);
    }
    match container.start() {
        Ok(failures) => failures.iter().for_each(|failure| caller.warn(&failure.to_string())),
        Err(error) => {
            ends::end_children();
            undo(caller, &folder);
            return Err(error.into());
        }
    }
    caller.debug(&format!("started process {init}"));
    if job.ends.detach {
        return Ok(0);
    }
    let status = foreground::wait(init, terminal);
    caller.debug(&format!("process {init} has ended"));
    if !job.keep {
        for failure in container.destroy()? {
            caller.warn(&failure.to_string());
        }
    }
    status
}

/// Removes what a failed `create` has made.
fn undo(caller: &Caller, folder: &Folder) {
    let removed = match folder.clone().load() {
        Ok(container) => container.destroy().map(drop),
        Err(_) => folder.remove(),
    };
    if let Err(error) = removed {
        caller.warn(&format!("cannot clean up: {error}"));
    }
}

fn make(folder: &Folder, job: &Create, mut spec: Spec) -> Result<(Container, Option<Terminal>)> {
    let (mut reports, reports_writer) = io::pipe().map_err(system("make a pipe"))?;
    let annotations = spec.annotations().clone().unwrap_or_default();
    let users = spec.linux().as_ref().and_then(|linux| linux.uid_mappings().clone());
    let users = users.unwrap_or_default();
    let oci_version = spec.version().clone();
    let notified =
        job.notify_socket.as_deref().map(|socket| spec::show_notify_socket(&mut spec, socket));
    notified.transpose()?;
    let facts = spec::adapt(&mut spec, folder, job, reports_writer.as_raw_fd())?;
    // Before anything says that the group is the container's, which a clean-up would believe.
    refuse_occupied(&facts)?;
    let creator = i32::try_from(std::process::id()).ok().and_then(Pid::of);
    let record = Record {
        version: VERSION,
        id: folder.id().to_owned(),
        oci_version: if oci_version.is_empty() { SPEC_VERSION.to_owned() } else { oci_version },
        bundle: job.bundle.clone(),
        rootfs: facts.rootfs.clone(),
        created: Timestamp::now().to_string(),
        owner: rustix::process::getuid().as_raw(),
        cgroup: facts.cgroup.clone(),
        scope: facts.scope.as_ref().map(|scope| scope.unit.clone()),
        owns_pids: facts.owns_pids,
        annotations: annotations.into_iter().collect(),
        creator: creator.ok_or(OciError::System("find itself", io::ErrorKind::NotFound.into()))?,
        init: None,
    };
    folder.keep(&job.config, job.filter.as_deref())?;
    folder.save(&record)?;
    step("oci.recorded");
    make_working_folder(&spec, &facts)?;
    if spec.hooks().is_some() {
        // Hooks are programs: the pipe must outlive their execution. The container's program gets nothing.
        fcntl_setfd(&reports_writer, FdFlags::empty()).map_err(system("keep a pipe"))?;
    }
    let mut container = Container { folder: folder.clone(), record };
    let built = build(&container, job, spec, facts, &users);
    drop(reports_writer);
    let (pid, terminal) = match built {
        Ok(built) => built,
        Err(error) => {
            // Whoever may still hold the pipe.
            ends::end_children();
            let mut words = String::new();
            reports.read_to_string(&mut words).ok();
            return Err(if words.is_empty() { error } else { OciError::Start(words) });
        }
    };
    step("oci.built");
    let init = Pid::of(pid);
    container.record.init = Some(init.ok_or_else(|| {
        OciError::Start("the container's first process ended at once".to_owned())
    })?);
    folder.save(&container.record)?;
    ends::write_pid(&job.ends, pid)?;
    step("oci.created");
    Ok((container, terminal))
}

fn refuse_occupied(facts: &Facts) -> Result<()> {
    let members = Hierarchies::find().and_then(|all| all.processes(&facts.cgroup));
    match members.map_err(system("look for processes in the cgroup"))?.len() {
        0 => Ok(()),
        number => Err(OciError::Occupied(number)),
    }
}

/// The folder that the process starts in, as every runtime makes it but libcontainer; one in another mount is
/// that mount's.
fn make_working_folder(spec: &Spec, facts: &Facts) -> Result<()> {
    let cwd = spec.process().as_ref().map(|process| process.cwd().clone()).unwrap_or_default();
    let mounts = spec.mounts().as_deref().unwrap_or_default();
    if cwd == Path::new("/") || mounts.iter().any(|mount| cwd.starts_with(mount.destination())) {
        return Ok(());
    }
    Root::open(&facts.rootfs)
        .and_then(|root| root.make_folders(&cwd))
        .map_err(|error| OciError::Start(format!("mkdir {}: {error}", cwd.display())))
}

/// Has libcontainer make it. Returns its process id.
fn build(
    container: &Container,
    job: &Create,
    mut spec: Spec,
    facts: Facts,
    users: &[oci_spec::runtime::LinuxIdMapping],
) -> Result<(i32, Option<Terminal>)> {
    let folder = &container.folder;
    let mut process = spec.process().clone().unwrap_or_default();
    let console = Console::prepare(folder.path(), &process, &job.ends, users)?;
    ends::own_streams(&process, users)?;
    let filter = job.filter.as_deref().map(Filter::from_bytes).transpose();
    let filter = filter.map_err(|error| OciError::Spec(error.to_string()))?;
    let limits = process.rlimits().clone().unwrap_or_default();
    let confinement = Confinement::around(filter, &mut process);
    spec.set_process(Some(process));
    let hierarchies = Hierarchies::find().map_err(system("find the cgroups"))?;
    let held = group(&hierarchies, folder, &mut spec, &facts)?;
    let needed = [folder.path(), &facts.rootfs, &job.bundle];
    let shown = sources::show(&mut spec, &job.bundle, &needed)?;
    write_bundle(folder, &spec)?;
    if !job.no_new_keyring {
        join_new_session_keyring().map_err(system("join a new session keyring"))?;
    }
    if !job.no_subreaper && !job.ends.detach {
        let own = rustix::process::Pid::from_raw(1);
        rustix::process::set_child_subreaper(own).map_err(system("become a subreaper"))?;
    }
    let (verdict, verdict_writer) = io::pipe().map_err(system("make a pipe"))?;
    let wishes = Wishes {
        env: Some(variables(facts.env, job.ends.listen_fds)),
        inheritable: true,
        start_hooks: facts.start_hooks,
        record: Some(container.record.clone()),
        announcement: Some(folder.make_verdict()?),
        users: None,
    };
    let inherited = i32::try_from(job.ends.inherited()).unwrap_or(i32::MAX);
    let mut builder = ContainerBuilder::new(folder.id().to_owned(), SyscallType::default())
        .with_executor(Runner::new(verdict_writer, confinement).wishing(wishes))
        .with_preserved_fds(inherited)
        .with_root_path(folder.init())
        .map_err(start)?;
    if let Some(console) = &console {
        builder = builder.with_console_socket(Some(console.path()));
    }
    let built = builder
        .as_init(folder.bundle())
        .with_systemd(false)
        .with_detach(true)
        .with_no_pivot(job.no_pivot)
        .build();
    // What follows is the caller's again: sockets, files.
    shown.map(sources::Shown::leave).transpose()?;
    let pid = match built {
        Ok(container) => container.pid().map_or(0, nix_pid),
        Err(error) => return Err(why(error, verdict, &limits)),
    };
    if let Some(held) = held {
        held.release(&hierarchies, &facts.cgroup)
            .map_err(|error| OciError::Start(error.to_string()))?;
    }
    propagation::set(pid, &facts.propagation)?;
    if facts.disables_oom_killer {
        disable_oom_killer(&hierarchies, &facts.cgroup)?;
    }
    if facts.owns_network {
        let own = File::open("/proc/self/ns/net").map_err(system("open a namespace"))?;
        loopback::bring_up(pid).map_err(system("bring up the loopback interface"))?;
        move_into_link_name_space(own.as_fd(), Some(LinkNameSpaceType::Network))
            .map_err(system("leave the container's network namespace"))?;
    }
    let terminal = console.map(|console| console.receive(&job.ends)).transpose()?.flatten();
    Ok((pid, terminal))
}

/// Makes the container's cgroup, or has systemd make it, and sets what libcontainer gets wrong on cgroup v2.
fn group(
    hierarchies: &Hierarchies,
    folder: &Folder,
    spec: &mut Spec,
    facts: &Facts,
) -> Result<Option<Held>> {
    let failed = |failure: Failure| OciError::Start(failure.to_string());
    let Some(mut linux) = spec.linux().clone() else { return Ok(None) };
    let cgroup = &facts.cgroup;
    let held = match &facts.scope {
        Some(scope) => {
            let properties = annotated(spec).map_err(|error| OciError::Spec(error.to_string()))?;
            let asked = Asked { scope, cgroup, id: folder.id(), properties: &properties };
            Some(Held::make(asked, hierarchies, &mut linux).map_err(failed)?)
        }
        None => {
            if hierarchies.is_unified() {
                hierarchies.create(cgroup).map_err(system("make the cgroup"))?;
            }
            None
        }
    };
    unified::limit(&mut linux, hierarchies, cgroup).map_err(failed)?;
    spec.set_linux(Some(linux));
    Ok(held)
}

fn disable_oom_killer(hierarchies: &Hierarchies, cgroup: &Path) -> Result<()> {
    if hierarchies.is_unified() {
        let why = "linux.resources.memory.disableOOMKiller is not supported: cgroup v2 has no such setting";
        return Err(OciError::Spec(why.to_owned()));
    }
    let done = hierarchies.set("memory", cgroup, "memory.oom_control", "1");
    done.map_err(system("disable the out-of-memory killer"))
}

/// The process id of another version of nix.
fn nix_pid(pid: impl Into<i32>) -> i32 {
    pid.into()
}

/// Why nothing was started: the new process may have said it.
pub fn why<E: std::error::Error>(
    error: E,
    verdict: PipeReader,
    limits: &[PosixRlimit],
) -> OciError {
    ends::end_children();
    let failure = read_verdict(verdict);
    if let Some(failure) = failure {
        return OciError::Start(failure.to_string());
    }
    let limit = rlimits::refused(limits).map(|refused| format!("{refused}: "));
    let failure = Failure::at("libcontainer")(error);
    OciError::Start(limit.unwrap_or_default() + &failure.to_string())
}

/// For `map_err` of libcontainer's errors.
pub fn start<E: std::error::Error>(error: E) -> OciError {
    OciError::Start(Failure::at("libcontainer")(error).to_string())
}

/// The program's variables: socket activation adds its own (sd_listen_fds(3)).
pub fn variables(mut env: Vec<String>, listen_fds: u32) -> Vec<String> {
    if listen_fds > 0 {
        env.retain(|one| !one.starts_with("LISTEN_FDS=") && !one.starts_with("LISTEN_PID="));
        env.extend([format!("LISTEN_FDS={listen_fds}"), "LISTEN_PID=1".to_owned()]);
    }
    env
}

fn write_bundle(folder: &Folder, spec: &Spec) -> Result<()> {
    let bundle = folder.bundle();
    let bytes = serde_json::to_vec(spec).map_err(|error| OciError::Spec(error.to_string()))?;
    DirBuilder::new()
        .mode(0o700)
        .create(&bundle)
        .and_then(|()| DirBuilder::new().mode(0o700).create(folder.init()))
        .and_then(|()| fs::write(bundle.join("config.json"), bytes))
        .map_err(system("write the adapted config.json"))
}
