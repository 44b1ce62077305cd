//! What has the rest done when the monitor is gone, however it went.
//!
//! What a container leaves in the database (networks, `--rm`, a restart policy after the death of a monitor)
//! is the business of a command, `launch.json`'s `after_exit`. The **keeper** is a fork of the monitor, outside the
//! pid namespace around the container, that waits for the monitor's end and starts that command. If it is
//! killed, the monitor forks another; if both are, the next command notices.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use isopod_sys::cgroup::Hierarchies;
use isopod_sys::process;
use isopod_sys::step::{self, step};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, waitpid,
};

use crate::network;

/// A running keeper.
#[derive(Debug)]
pub struct Keeper {
    pid: Pid,
}

impl Keeper {
    /// Forks one that starts `command` when this process has ended and holds nothing any more.
    pub fn fork(hierarchies: &Hierarchies, command: &[String]) -> io::Result<Self> {
        let monitor = pidfd_open(getpid(), PidfdFlags::empty())?;
        let pid = process::fork(|| {
            rustix::thread::set_name(c"isopod-keeper").ok();
            if process::close_descriptors_except(&[monitor.as_fd()]).is_err() {
                return 1;
            }
            // Whoever kills the monitor's group of processes doesn't mean us.
            rustix::process::setsid().ok();
            // Only the end of the process is readable there: by then its locks are free.
            let mut end = [PollFd::new(&monitor, PollFlags::IN)];
            while matches!(poll(&mut end, None), Err(rustix::io::Errno::INTR)) {}
            step("keeper.woken");
            i32::from(follow(hierarchies, command).is_err())
        })?;
        Ok(Self { pid })
    }

    /// Whether `pid` is the keeper.
    pub fn is(&self, pid: Pid) -> bool {
        self.pid == pid
    }

    /// Whether it lives; one that was killed is reaped.
    pub fn lives(&self) -> bool {
        matches!(waitpid(Some(self.pid), WaitOptions::NOHANG), Ok(None))
    }

    /// Ends it: nothing is to follow.
    pub fn dismiss(self) {
        // It may have been killed and reaped already.
        if self.lives() && kill_process(self.pid, Signal::KILL).is_ok() {
            waitpid(Some(self.pid), WaitOptions::empty()).ok();
        }
    }
}

/// Starts `command`, if there is one, outside the monitors' control groups, which it may be about to remove.
pub fn follow(hierarchies: &Hierarchies, command: &[String]) -> io::Result<()> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let top = Path::new("/");
    let body = || {
        hierarchies.leave_session(top).ok();
        process::reset_signals();
        network::restore_limit();
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        if let Some(plan) = step::installed() {
            command
                .env(step::DEED, plan.deed.as_ref().map(ToString::to_string).unwrap_or_default());
            command.env(step::LOG, plan.log.as_deref().unwrap_or(Path::new("")));
        }
        let _error = command.exec();
        // Nobody is left to tell; the next command does what this one should have done.
        1
    };
    let group = hierarchies.v2_group(top).ok().flatten();
    let forked = group.map(|group| process::fork_into_cgroup(group.as_fd(), body));
    match forked {
        Some(Ok(_)) => Ok(()),
        // Rootless without delegation.
        _ => process::fork(body).map(drop),
    }
}
