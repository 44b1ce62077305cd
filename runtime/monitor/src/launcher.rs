//! Launchers: forked, short-lived children of the monitor, the only ones that call libcontainer.
//!
//! What libcontainer changes in its caller (working directory, oom score, dumpable flag, a
//! heap full of specification) dies with them. What they start is the monitor's own child from
//! its first instant (`CLONE_PARENT`).
//!
//! - [`container`]: creates and starts the container;
//! - [`exec`]: starts another process in it;
//! - [`cgroup_mounts`]: control groups of version 1 where another container's processes are seen;
//! - [`groups`]: being in the container's control groups;
//! - [`home`]: the variable that every program has;
//! - [`loopback`]: the one network interface that a new network namespace has;
//! - [`confinement`]: what both give up just before their program;
//! - [`executor`]: the last steps before either's program;
//! - [`null`]: the streams that nobody asked for;
//! - [`program`]: finding that program;
//! - [`scope`]: the cgroup, where systemd is to make it;
//! - [`shelf`]: where a container with a user namespace finds what it is shown;
//! - [`tenant`]: what another process in a container takes;
//! - [`unified`]: limits that libcontainer leaves out on cgroup v2.

mod cgroup_mounts;
pub mod confinement;
pub mod console;
mod container;
mod exec;
pub mod executor;
mod groups;
mod home;
pub mod loopback;
mod null;
pub mod program;
mod rootfs;
pub mod scope;
pub mod shelf;
pub mod tenant;
pub mod unified;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

pub use console::resize;
pub use container::read_verdict;
pub use exec::EXECS;
use isopod_monitor_protocol::frame::{encode, send};
use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::message::{ErrorKind, Size};
use isopod_sys::cgroup::Hierarchies;
use isopod_sys::process;
use isopod_sys::step::step;
use oci_spec::runtime::Process;
use rustix::process::{Pid, Signal, set_parent_process_death_signal};
use serde::{Deserialize, Serialize};

use crate::network::restore_limit;
use crate::spec::Facts;

/// What launchers are called, at most 15 bytes as for every process.
pub const NAME: &str = "isopod-launcher";

/// The container's ends of its standard streams; with a terminal there are none yet.
#[derive(Debug)]
pub struct Stdio {
    /// Standard input, output and error.
    pub streams: Option<[OwnedFd; 3]>,
    /// The terminal's first size.
    pub size: Option<Size>,
    /// Who is to own the terminal.
    pub uid: u32,
}

/// Namespaces that others made: those that the container is to be in, and a mount namespace to look into.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// Its own or another container's.
    pub network: Option<BorrowedFd<'a>>,
    /// The user namespace that it is to live in, by which all that it is shown is mapped.
    pub users: Option<BorrowedFd<'a>>,
    /// Another container's, like the others.
    pub pid: Option<BorrowedFd<'a>>,
    /// See [`Given::pid`].
    pub ipc: Option<BorrowedFd<'a>>,
    /// See [`Given::pid`].
    pub uts: Option<BorrowedFd<'a>>,
    /// See [`Given::pid`].
    pub mount: Option<BorrowedFd<'a>>,
}

impl<'a> Given<'a> {
    fn all(&self) -> impl Iterator<Item = BorrowedFd<'a>> {
        [self.network, self.users, self.pid, self.ipc, self.uts, self.mount].into_iter().flatten()
    }
}

/// What a launcher is to start.
#[derive(Debug, Clone, Copy)]
pub enum Job<'a> {
    /// The container.
    Container,
    /// This process in it.
    Exec(&'a Process),
}

/// What a launcher says before it ends; a terminal's master comes with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The program was executed.
    Started {
        /// Its process id in the monitor's pid namespace.
        pid: i32,
    },
    /// It was not, and nothing of the attempt runs.
    Failed {
        /// What kind of failure.
        kind: ErrorKind,
        /// What, and with which object.
        message: String,
    },
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    kind: ErrorKind,
    message: String,
}

impl Failure {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// For `map_err`: what was attempted, and what came of it.
    pub fn at<E: std::error::Error>(what: impl std::fmt::Display) -> impl FnOnce(E) -> Self {
        move |error| {
            let mut message = format!("{what}: {error}");
            let mut source = error.source();
            while let Some(error) = source {
                let text = error.to_string();
                // Some of libcontainer's errors repeat what they were caused by.
                if !message.contains(&text) {
                    message.push_str(": ");
                    message.push_str(&text);
                }
                source = error.source();
            }
            Self::new(ErrorKind::Failed, message)
        }
    }
}

/// What a successful launcher hands to the monitor.
#[derive(Debug)]
struct Started {
    pid: i32,
    terminal: Option<OwnedFd>,
}

/// A launcher at work.
#[derive(Debug)]
pub struct Launcher {
    /// Its process id.
    pub pid: Pid,
    /// Where its [`Report`] arrives.
    pub report: UnixStream,
}

/// Forks a launcher. It takes its place in whatever pid namespace the monitor's next child gets.
pub fn fork(
    launch: &Launch,
    hierarchies: &Hierarchies,
    facts: &Facts,
    job: Job<'_>,
    given: Given<'_>,
    stdio: Stdio,
) -> io::Result<Launcher> {
    let (ours, theirs) = UnixStream::pair()?;
    let pid = process::fork(|| {
        let result = isolate(&theirs, given, &stdio).and_then(|()| match job {
            Job::Container => {
                step("launcher.isolated");
                let mapped = rootfs::make(launch, facts, given)?;
                step("launcher.rooted");
                container::start(launch, hierarchies, facts, given, mapped, stdio)
            }
            Job::Exec(process) => exec::start(launch, hierarchies, facts, process, given, stdio),
        });
        let (report, terminal) = match result {
            Ok(started) => (Report::Started { pid: started.pid }, started.terminal),
            Err(failure) => (Report::Failed { kind: failure.kind, message: failure.message }, None),
        };
        step("launcher.started");
        // If the monitor doesn't get this, it sees the status.
        let terminal: Vec<BorrowedFd<'_>> = terminal.iter().map(AsFd::as_fd).collect();
        match encode(&report).map(|bytes| send(&theirs, &bytes, &terminal)) {
            Ok(Ok(_)) => 0,
            _ => 1,
        }
    })?;
    Ok(Launcher { pid, report: ours })
}

/// Gives up all that is the monitor's and all that came from the monitor's caller.
fn isolate(report: &UnixStream, given: Given<'_>, stdio: &Stdio) -> Result<(), Failure> {
    let name = CString::new(NAME).expect("there is no NUL in it");
    rustix::thread::set_name(&name).ok();
    let mut keep = vec![report.as_fd()];
    keep.extend(stdio.streams.iter().flatten().map(AsFd::as_fd));
    keep.extend(given.all());
    process::close_descriptors_except(&keep).map_err(Failure::at("cannot close descriptors"))?;
    process::reset_signals();
    restore_limit();
    // A launcher that is killed must be noticed by what it started, not by SIGPIPE.
    process::ignore_broken_pipes();
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(Failure::at("cannot tie the launcher to its monitor"))?;
    process::drop_groups().map_err(Failure::at("cannot drop supplementary groups"))?;
    process::join_new_session_keyring().map_err(Failure::at("cannot join a new session keyring"))
}

/// An existing descriptor in `/proc`, to be opened or used as a path by this process and its clones.
pub fn fd_path(fd: impl AsFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}
