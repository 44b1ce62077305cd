//! From a program that a client executed to a monitor: a process of its own, which its client can
//! neither lose nor keep waiting for.

use std::fs::{DirBuilder, File};
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::{VERSION, data, state};
use isopod_sys::cgroup::{self, Hierarchies};
use isopod_sys::lock::Lock;
use isopod_sys::process;
use isopod_sys::step::step;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::monitor::{Monitor, MonitorError};
use crate::spec::{self, Facts, SpecError};

/// Why a monitor didn't come to be.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `launch.json` can't be used.
    #[error("cannot use {0}: {1}")]
    Launch(PathBuf, io::Error),
    /// Written for another version.
    #[error("{0} is of version {1}, this monitor speaks {VERSION}")]
    Version(PathBuf, u32),
    /// Standard input is no connection.
    #[error("standard input is no control connection: {0}")]
    Control(io::Error),
    /// Something that only a broken system refuses.
    #[error("cannot {0}: {1}")]
    System(&'static str, io::Error),
}

/// For `map_err`: what was attempted.
pub fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::System(what, error)
}

/// Reads `launch.json` in the data folder.
pub fn read_launch(folder: &Path) -> Result<Launch, StartError> {
    let path = folder.join(data::LAUNCH);
    let parsed = std::fs::read(&path).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
    let launch: Launch = parsed.map_err(|error| StartError::Launch(path.clone(), error))?;
    if launch.version != VERSION {
        return Err(StartError::Version(path, launch.version));
    }
    #[cfg(feature = "steps")]
    plan_steps(folder);
    Ok(launch)
}

/// Takes over what a test has planned for the command that started us.
#[cfg(feature = "steps")]
fn plan_steps(folder: &Path) {
    if let Ok(text) = std::fs::read_to_string(folder.join(data::STEPS)) {
        install_steps(&text);
    }
}

/// Installs a plan's text, whose words were checked by the command that wrote it.
#[cfg(feature = "steps")]
pub(crate) fn install_steps(text: &str) {
    use isopod_sys::step::{self, Plan};
    let mut lines = text.lines();
    let (deed, log) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    if let Ok(plan) = Plan::parse(deed, log) {
        let _is_possible = step::install(plan);
    }
}

/// How often, and for how long at most, the kernel is kept from forgetting its grace period.
const REPRIME: Duration = Duration::from_millis(8);
const PRIMED: Duration = Duration::from_millis(60);

/// Forks the monitor of the container whose data folder this is, and returns.
pub fn start(folder: &Path) -> Result<(), StartError> {
    process::close_descriptors_except(&[]).map_err(system("close inherited descriptors"))?;
    process::clear_environment().map_err(system("clear the environment"))?;
    let launch = read_launch(folder)?;
    let facts = spec::read(&launch.data);
    let hierarchies = Hierarchies::find().map_err(system("find control groups"))?;
    // Control groups are made and joined before `prime`, which holds all that up. What fails here
    // (rootless, nothing may be delegated) is tried again, and reported, by those who need it.
    hierarchies.leave_session(&launch.monitor_cgroup).ok();
    if let Some(facts) = facts.as_ref().ok().filter(|facts| facts.scope.is_none()) {
        hierarchies.create(&facts.cgroup).ok();
    }
    let (starting, started) = io::pipe().map_err(system("make a pipe"))?;
    step("monitor.starter");
    let waits = hierarchies.is_unified();
    fork(Body { hierarchies, launch, facts, started })?;
    // On version 1 nothing is moved in a way that has to wait (`launcher::groups`).
    if waits {
        keep_primed(&starting);
    }
    Ok(())
}

/// What the monitor is made of.
struct Body {
    hierarchies: Hierarchies,
    launch: Launch,
    facts: Result<Facts, SpecError>,
    /// Closed when the container has started.
    started: PipeWriter,
}

/// The monitor is at work; meanwhile this process waits, in its place, for the grace period that the
/// first migration between control groups takes.
fn keep_primed(starting: &PipeReader) {
    let end = Instant::now() + PRIMED;
    let pause = Timespec { tv_sec: 0, tv_nsec: REPRIME.subsec_nanos().into() };
    while Instant::now() < end {
        cgroup::prime();
        let mut ended = [PollFd::new(starting, PollFlags::IN)];
        if poll(&mut ended, Some(&pause)).is_ok_and(|ready| ready > 0) {
            return;
        }
    }
}

/// Forks the monitor, into its own v2 cgroup where that can be.
fn fork(body: Body) -> Result<(), StartError> {
    const ATTEMPTS: usize = 8;
    let (hierarchies, path) = (body.hierarchies.clone(), body.launch.monitor_cgroup.clone());
    let mut body = Some(body);
    for _ in 0..ATTEMPTS {
        let Ok(Some(group)) = hierarchies.v2_group(&path) else { break };
        let run = || body.take().map_or(1, become_monitor);
        match process::fork_into_cgroup(group.as_fd(), run) {
            Ok(_) => return Ok(()),
            // Whoever removed the last container has just removed the group too.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
            Err(_) => break,
        }
    }
    // Without v2, or rootless without delegation: it stays in our group.
    let run = || body.take().map_or(1, become_monitor);
    process::fork(run).map(drop).map_err(system("fork"))
}

fn become_monitor(body: Body) -> i32 {
    let id = body.launch.id.clone();
    step("monitor.forked");
    let monitor = detach().and_then(|control| {
        Ok(Monitor::new(body.hierarchies, body.launch, body.facts, control, body.started)?)
    });
    match monitor.and_then(|monitor| Ok(monitor.run()?)) {
        Ok(()) => 0,
        Err(error) => {
            // Standard error is the log that the client gave us, or nothing.
            #[allow(clippy::print_stderr)]
            {
                eprintln!("isopod-monitor: container {id}: {error}");
            }
            1
        }
    }
}

impl From<MonitorError> for StartError {
    fn from(error: MonitorError) -> Self {
        let MonitorError(what, error) = error;
        Self::System(what, error)
    }
}

/// Leaves the caller's session, folder and standard input, which is returned.
fn detach() -> Result<UnixStream, StartError> {
    process::tune_allocator();
    // Executed through a descriptor, it would be called by its number.
    rustix::thread::set_name(c"isopod-monitor").ok();
    process::reset_signals();
    process::ignore_broken_pipes();
    rustix::process::setsid().map_err(|error| system("leave the session")(error.into()))?;
    std::env::set_current_dir("/").map_err(system("leave the folder"))?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let control = process::take_stdin().map_err(StartError::Control)?;
    let null = File::open("/dev/null").map_err(system("open /dev/null"))?;
    process::replace_stdio(&null, 0).map_err(system("replace standard input"))?;
    rustix::net::sockopt::socket_domain(&control)
        .map_err(|error| StartError::Control(error.into()))?;
    Ok(control.into())
}

/// Makes the state folder and takes its lock; `None` where another monitor has it.
pub fn take_state(folder: &Path) -> io::Result<Option<Lock>> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    Lock::try_exclusive(&folder.join(state::LOCK))
}

/// Binds the control socket, for this user alone.
pub fn bind(folder: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(folder.join(state::SOCKET)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(CWD, folder, flags, Mode::empty())?;
    // The socket gets its mode from the mask; there is no moment at which others could connect.
    let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let path = format!("/proc/self/fd/{}/{}", opened.as_raw_fd(), state::SOCKET);
    let listener = UnixListener::bind(path);
    rustix::process::umask(mask);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
