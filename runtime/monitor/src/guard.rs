//! What makes a container die with its monitor, however the monitor dies.
//!
//! A parent-death signal on the container's own process is not enough: the kernel forgets it when
//! that process changes its user, and the process may forget it at will. So the monitor forks a
//! **guard**, which does nothing but wait for the monitor's death: a pipe whose other end only
//! the monitor holds.
//!
//! - Where the container has a pid namespace of its own, the guard is the first process of a pid
//!   namespace around it. When the guard ends, the kernel kills everything in there.
//! - Elsewhere (the host's or another container's pid namespace) the guard kills the
//!   members of the container's cgroup until there are none.

use std::fs::File;
use std::io::{self, PipeWriter, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::Duration;

use isopod_sys::cgroup::Hierarchies;
use isopod_sys::process;
use nix::sched::{CloneFlags, setns, unshare};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait, waitpid};

/// A running guard; to be ended by [`Guard::dismiss`] once the container is gone.
#[derive(Debug)]
pub struct Guard {
    pid: Pid,
    /// The guard ends when the last copy of this is closed: only the monitor has one.
    _lifeline: PipeWriter,
    /// Our own pid namespace, to come back to; `None` where the guard works by cgroup.
    own_pids: Option<File>,
}

impl Guard {
    /// Forks a guard that makes everything in a new pid namespace die with it. Children that are
    /// forked from now on are in there, until [`Guard::leave_nest`].
    pub fn nest() -> io::Result<Self> {
        let own_pids = File::open("/proc/self/ns/pid")?;
        unshare(CloneFlags::CLONE_NEWPID)?;
        let (pid, lifeline) = fork(|| ())?;
        Ok(Self { pid, _lifeline: lifeline, own_pids: Some(own_pids) })
    }

    /// Forks a guard that kills the members of `cgroup`.
    pub fn watch(hierarchies: Hierarchies, cgroup: PathBuf) -> io::Result<Self> {
        let (pid, lifeline) = fork(move || {
            // Nobody is left to report a failure to; the next command cleans up.
            hierarchies.kill(&cgroup, Duration::from_secs(10)).ok();
        })?;
        Ok(Self { pid, _lifeline: lifeline, own_pids: None })
    }

    /// Has further children forked into the monitor's own pid namespace.
    pub fn leave_nest(&self) -> io::Result<()> {
        if let Some(own) = &self.own_pids {
            setns(own.as_fd(), CloneFlags::CLONE_NEWPID)?;
        }
        Ok(())
    }

    /// Whether `pid` is the guard.
    pub fn is(&self, pid: Pid) -> bool {
        self.pid == pid
    }

    /// Kills the guard, and with it whatever is left in its pid namespace; all children that have
    /// ended are reaped.
    pub fn dismiss(self) {
        // Killed by somebody else, it may have been reaped: its id is another's then, and what is left of
        // our children (the keeper) has no reason to end.
        while let Ok(None) = waitpid(Some(self.pid), WaitOptions::NOHANG) {
            kill_process(self.pid, Signal::KILL).ok();
            // Its own end waits for those in its namespace to be reaped, which are our children too.
            if wait(WaitOptions::empty())
                .is_ok_and(|ended| ended.is_some_and(|(pid, _)| pid == self.pid))
            {
                break;
            }
        }
    }
}

fn fork(last_act: impl FnOnce()) -> io::Result<(Pid, PipeWriter)> {
    let (mut reader, writer) = io::pipe()?;
    let pid = process::fork(|| {
        rustix::thread::set_name(c"isopod-guard").ok();
        if process::close_descriptors_except(&[reader.as_fd()]).is_err() {
            return 1;
        }
        // As the first process of its namespace it adopts orphans.
        process::ignore_children();
        // Nothing is ever written: this returns at end of file.
        while matches!(reader.read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::Interrupted)
        {
        }
        last_act();
        0
    })?;
    Ok((pid, writer))
}
