//! Becoming the program that calls libcontainer.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use isopod_oci::request::{Job, Request};
use isopod_runtime::MonitorProgram;
use isopod_sys::step::{self, Plan};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};

use super::{Failure, Globals};
use crate::{env, monitor_binary};

/// Where the embedded program is written if `ISOPOD_ROOT` doesn't say.
const ROOT: &str = "/var/lib/isopod";

/// Executes it for `job`, above the `inherited` descriptors from 3 on. Returns only if that failed.
pub fn execute(globals: &Globals, id: String, job: Job, inherited: u32) -> Failure {
    let steps = step::installed().map(Plan::to_text);
    let request = Request { log: globals.log.clone(), root: globals.root.clone(), id, steps, job };
    match prepare(&request, inherited) {
        Ok((program, request)) => {
            // It reads nothing of the environment; what of it concerns it is in the request.
            let error = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()))
                .arg0("isopod-monitor")
                .args(["--oci", &request.as_raw_fd().to_string()])
                .env_clear()
                .exec();
            Failure::new(format!("cannot execute the monitor's program: {error}"))
        }
        Err(failure) => failure,
    }
}

/// The program and the request, both where nothing is handed over.
fn prepare(request: &Request, inherited: u32) -> Result<(OwnedFd, OwnedFd), Failure> {
    let program = match env::path(env::MONITOR) {
        Some(path) => MonitorProgram::File(path),
        None => monitor_binary::MONITOR,
    };
    let root = env::path(env::ROOT).unwrap_or_else(|| PathBuf::from(ROOT));
    let above = |fd: OwnedFd| {
        let first = i32::try_from(inherited.saturating_add(3)).unwrap_or(i32::MAX);
        fcntl_dupfd_cloexec(fd.as_fd(), first)
    };
    let program = above(program.open(&std::path::absolute(root)?)?)?;
    let request = above(request.write()?)?;
    fcntl_setfd(&request, FdFlags::empty())?;
    Ok((program, request))
}
