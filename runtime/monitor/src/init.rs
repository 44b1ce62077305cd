//! docker's `--init`: the first process of a container, which reaps whatever is left to it and passes
//! signals on to the one process that it starts. It ends as that one ends.
//!
//! The program is the monitor's own, but none of the monitor's code runs in this mode: no descriptor, file
//! or setting of a monitor's is ever here.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use isopod_sys::process::{self, reset_signals};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, execvp, setpgid, tcsetpgrp};
use rustix::process::{kill_process, set_child_subreaper};

/// The file's name by which the program knows that it is to be this.
const NAME: &str = "docker-init";

/// Statuses of a shell that can't execute something.
const NOT_FOUND: i32 = 127;
const NOT_EXECUTABLE: i32 = 126;

/// Whether the program was started as an init: its name says so.
pub fn is_meant(program: Option<&OsStr>) -> bool {
    program.and_then(|program| Path::new(program).file_name()).is_some_and(|name| name == NAME)
}

/// Runs what `arguments` (after a `--`) name until it ends, and returns its status.
///
/// # Errors
/// It could not be started at all.
pub fn run(arguments: &[OsString]) -> Result<i32, String> {
    let command = match arguments {
        [dashes, command @ ..] if dashes == "--" => command,
        command => command,
    };
    let words = command.iter().map(|word| CString::new(word.as_bytes())).collect::<Vec<_>>();
    let words = words.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    if words.is_empty() {
        return Err(format!("usage: {NAME} -- PROGRAM [ARGUMENT...]"));
    }
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("cannot {what}: {error}");
    // In a shared pid namespace orphans would be somebody else's. It is no loss where it is not allowed.
    set_child_subreaper(rustix::process::Pid::from_raw(1)).ok();
    // Before there is a child, so that no word of it is lost.
    let signals = SigSet::all();
    signals.thread_block().map_err(|error| failed("block signals", &error))?;
    let signals = SignalFd::new(&signals).map_err(|error| failed("wait for signals", &error))?;
    let child = process::fork(|| execute(&words)).map_err(|error| failed("fork", &error))?;
    loop {
        let signal = match signals.read_signal() {
            Ok(Some(about)) => i32::try_from(about.ssi_signo).unwrap_or(0),
            Ok(None) | Err(Errno::EINTR) => continue,
            Err(error) => return Err(failed("wait for signals", &error)),
        };
        if signal == Signal::SIGCHLD as i32 {
            if let Some(status) = reap(Pid::from_raw(child.as_raw_nonzero().get())) {
                return Ok(status);
            }
        } else if let Some(signal) = process::signal(signal) {
            // It may have ended; then the next signal is that of its end.
            kill_process(child, signal).ok();
        }
    }
}

/// In the child: a process group of its own, in the terminal's foreground if there is one.
fn execute(words: &[CString]) -> i32 {
    let own = Pid::from_raw(0);
    setpgid(own, own).ok();
    // Stopping for it is blocked still; without a terminal it fails.
    tcsetpgrp(std::io::stdin(), nix::unistd::getpid()).ok();
    reset_signals();
    let Err(error) = execvp(&words[0], words);
    let name = words[0].to_string_lossy();
    tell(&format!("cannot execute {name}: {}", error.desc()));
    match error {
        Errno::ENOENT | Errno::ENOTDIR => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    }
}

/// Reaps everyone who has ended, and returns the status of `child` if it is among them.
fn reap(child: Pid) -> Option<i32> {
    let mut status = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => status = Some(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                status = Some(128 + signal as i32);
            }
            Ok(WaitStatus::StillAlive) => return status,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return status,
        }
    }
}

/// Its standard error is the container's.
#[allow(clippy::print_stderr)]
pub fn tell(message: &str) {
    eprintln!("{NAME}: {message}");
}
