//! `kill`: signals to a container's first process, or to all of them.

use isopod_sys::cgroup::Hierarchies;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::error::{Error, Result};
use crate::record;
use crate::status::Status;
use crate::store::Container;

impl Container {
    /// Sends `signal` to its first process; to all its processes with `all`, or where SIGKILL to the first one
    /// would leave the others.
    ///
    /// # Errors
    /// It has ended, or the kernel refuses.
    pub fn kill(&self, signal: Signal, all: bool) -> Result<()> {
        let path = &self.record.cgroup;
        let hierarchies = Hierarchies::find().map_err(Error::io("find", path))?;
        if all {
            return hierarchies.signal(path, signal).map_err(Error::io("signal", path));
        }
        let status = self.status();
        let Some(init) = self.record.init.filter(|_| status.has_process()) else {
            return Err(Error::NotRunning);
        };
        if signal == Signal::KILL && !self.record.owns_pids {
            hierarchies.signal(path, signal).map_err(Error::io("signal", path))?;
        }
        if !send(init, signal)? {
            return Err(Error::NotRunning);
        }
        if status == Status::Paused && signal == Signal::KILL {
            // On v1 even this signal waits until the process is thawed.
            hierarchies.set_frozen(path, false).ok();
        }
        Ok(())
    }
}

/// Sends a signal to that very process; `false` if it is gone.
fn send(process: record::Pid, signal: Signal) -> Result<bool> {
    let failed =
        |errno: Errno| Error::Io("signal", format!("/proc/{}", process.pid).into(), errno.into());
    let Some(pid) = Pid::from_raw(process.pid) else { return Ok(false) };
    match pidfd_open(pid, PidfdFlags::empty()) {
        // The handle is of whoever has the id now.
        Ok(handle) if process.is_alive() => match pidfd_send_signal(&handle, signal) {
            Ok(()) => Ok(true),
            Err(Errno::SRCH) => Ok(false),
            Err(errno) => Err(failed(errno)),
        },
        Ok(_) | Err(Errno::SRCH) => Ok(false),
        Err(errno) => Err(failed(errno)),
    }
}
