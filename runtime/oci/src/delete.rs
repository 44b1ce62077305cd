//! `delete`: removing what is left of a container.

use std::thread::sleep;
use std::time::{Duration, Instant};

use isopod_sys::cgroup::Hierarchies;
use isopod_sys::step::step;
use rustix::process::Signal;

use crate::error::{Error, Result};
use crate::hooks::{self, HookError};
use crate::status::Status;
use crate::store::{Container, Store};

/// For a container to end after SIGKILL, and its cgroup to become empty.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deletes the container `id`; with `force` it is killed first if it runs, and need not exist. Failures of its
/// `poststop` hooks are returned: it is gone all the same.
///
/// # Errors
/// It doesn't exist or runs; something of it can't be removed, and then it stays, to be deleted again.
pub fn delete(store: &Store, id: &str, force: bool) -> Result<Vec<HookError>> {
    let folder = store.folder(id)?;
    let lock = match folder.lock() {
        Ok(lock) => lock,
        Err(Error::NotFound) if force => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let container = match folder.clone().load() {
        Ok(container) => container,
        Err(Error::NotFound) => {
            // Whoever was creating it was killed before there was anything else.
            folder.remove()?;
            return if force { Ok(Vec::new()) } else { Err(Error::NotFound) };
        }
        Err(error) => return Err(error),
    };
    let failures = container.delete(force)?;
    drop(lock);
    Ok(failures)
}

impl Container {
    fn delete(&self, force: bool) -> Result<Vec<HookError>> {
        let status = self.status();
        match status {
            Status::Stopped => {}
            Status::Created => self.end()?,
            Status::Running | Status::Paused if force => self.end()?,
            Status::Creating if force => {
                if let Some(pid) = rustix::process::Pid::from_raw(self.record.creator.pid) {
                    rustix::process::kill_process(pid, Signal::KILL).ok();
                }
            }
            _ => return Err(Error::NotStopped(self.record.id.clone(), status)),
        }
        self.destroy()
    }

    /// Kills the container and waits for its end.
    fn end(&self) -> Result<()> {
        match self.kill(Signal::KILL, false) {
            Ok(()) | Err(Error::NotRunning) => {}
            Err(error) => return Err(error),
        }
        let end = Instant::now() + PATIENCE;
        while self.record.init.is_some_and(super::record::Pid::is_alive) {
            if Instant::now() > end {
                return Err(Error::StillRunning);
            }
            sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Removes all of a container whose first process has ended.
    ///
    /// # Errors
    /// The first failure; what can be removed is.
    pub fn destroy(&self) -> Result<Vec<HookError>> {
        let spec = self.folder.spec();
        let path = &self.record.cgroup;
        let hierarchies = Hierarchies::find().map_err(Error::io("find", path))?;
        // In a pid namespace of its own the others have ended with the first, or are about to; elsewhere nobody
        // else ends them.
        hierarchies.kill(path, PATIENCE).map_err(Error::io("kill all in", path))?;
        step("oci.ended");
        hierarchies.remove_alone(path).map_err(Error::io("remove cgroup", path))?;
        step("oci.ungrouped");
        self.folder.remove()?;
        step("oci.deleted");
        let hooks = spec.ok().and_then(|spec| spec.hooks().as_ref()?.poststop().clone());
        let state = self.record.for_hooks(Status::Stopped, None);
        Ok(hooks::run_all("poststop", &hooks.unwrap_or_default(), &state))
    }
}
