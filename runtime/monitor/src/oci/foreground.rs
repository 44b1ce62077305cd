//! Waiting for a process: signals go on to it, and its terminal is this one's.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use isopod_monitor_protocol::message::Size;
use isopod_sys::process;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, write};
use rustix::process::{Pid, kill_process};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

use super::{OciError, Result, system};
use crate::launcher::resize;

/// A process's terminal, by its master, and what this process's own was set to.
pub struct Terminal {
    master: OwnedFd,
    before: Option<Termios>,
}

impl Terminal {
    /// Makes standard input raw, if it is a terminal.
    pub fn new(master: OwnedFd) -> Self {
        let before = tcgetattr(stdin()).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            tcsetattr(stdin(), OptionalActions::Now, &raw).ok();
        }
        Self { master, before }
    }

    fn follow_size(&self) {
        if let Ok(size) = tcgetwinsize(stdin()) {
            let size = Size { rows: size.ws_row, columns: size.ws_col };
            resize(&self.master, size).ok();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            tcsetattr(stdin(), OptionalActions::Now, before).ok();
        }
    }
}

/// Waits for the child `pid`, and returns its status as a shell has it.
pub fn wait(pid: i32, terminal: Option<Terminal>) -> Result<i32> {
    let child =
        Pid::from_raw(pid).ok_or(OciError::System("wait", io::ErrorKind::NotFound.into()))?;
    let all = SigSet::all();
    all.thread_block().map_err(system("block signals"))?;
    let signals = SignalFd::with_flags(&all, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(system("wait for signals"))?;
    let mut input = true;
    // It may have ended before its signal could be waited for.
    let mut status = reap(pid);
    while status.is_none() {
        let mut ready = vec![PollFd::new(&signals, PollFlags::IN)];
        if let Some(terminal) = &terminal {
            ready.push(PollFd::new(&terminal.master, PollFlags::IN));
            if input {
                ready.push(PollFd::from_borrowed_fd(stdin(), PollFlags::IN));
            }
        }
        match poll(&mut ready, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(OciError::System("wait", error.into())),
        }
        let has = |index: usize| ready.get(index).is_some_and(|one| !one.revents().is_empty());
        let (output, typed) = (has(1), has(2));
        if let Some(terminal) = &terminal {
            if output && !copy(terminal.master.as_fd(), stdout()) {
                // Nobody holds the other end: the end is near.
                status = Some(wait_for(pid)?);
                break;
            }
            if typed {
                input = copy(stdin(), terminal.master.as_fd());
                if !input {
                    // What a terminal's driver takes for the end of what is typed.
                    write(&terminal.master, &[4]).ok();
                }
            }
        }
        while let Ok(Some(about)) = signals.read_signal() {
            let number = i32::try_from(about.ssi_signo).unwrap_or(0);
            match (number, &terminal) {
                (libc::SIGCHLD, _) => {}
                (libc::SIGWINCH, Some(terminal)) => terminal.follow_size(),
                _ => {
                    if let Some(signal) = process::signal(number) {
                        kill_process(child, signal).ok();
                    }
                }
            }
        }
        status = reap(pid);
    }
    if let Some(terminal) = &terminal {
        drain(terminal);
    }
    Ok(status.unwrap_or(255))
}

/// What the process has written before its end.
fn drain(terminal: &Terminal) {
    if let Ok(flags) = fcntl_getfl(&terminal.master) {
        fcntl_setfl(&terminal.master, flags | OFlags::NONBLOCK).ok();
    }
    while copy(terminal.master.as_fd(), stdout()) {}
}

/// Copies what there is, once; `false` at the end.
fn copy(from: std::os::fd::BorrowedFd<'_>, to: std::os::fd::BorrowedFd<'_>) -> bool {
    let mut bytes = [0; 8192];
    let count = match read(from, &mut bytes) {
        Ok(0) => return false,
        Ok(count) => count,
        Err(Errno::INTR) => return true,
        Err(_) => return false,
    };
    let mut rest = &bytes[..count];
    while !rest.is_empty() {
        match write(to, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], None).ok();
            }
            Err(_) => return true,
        }
    }
    true
}

/// Reaps all that have ended, orphans too; the status of `pid` if it is among them.
fn reap(pid: i32) -> Option<i32> {
    let mut found = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(ended) => match status_of(ended, pid) {
                Some(status) => found = Some(status),
                None if ended == WaitStatus::StillAlive => return found,
                None => {}
            },
            Err(nix::errno::Errno::EINTR) => {}
            Err(_) => return found,
        }
    }
}

fn wait_for(pid: i32) -> Result<i32> {
    loop {
        match waitpid(nix::unistd::Pid::from_raw(pid), None) {
            Ok(ended) => {
                if let Some(status) = status_of(ended, pid) {
                    return Ok(status);
                }
            }
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(OciError::System("wait", error.into())),
        }
    }
}

fn status_of(ended: WaitStatus, pid: i32) -> Option<i32> {
    match ended {
        WaitStatus::Exited(of, code) if of.as_raw() == pid => Some(code),
        WaitStatus::Signaled(of, signal, _) if of.as_raw() == pid => Some(128 + signal as i32),
        _ => None,
    }
}
