//! `start`: letting a created container's process go on to its program.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use isopod_sys::step::step;
use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::error::{Error, Result};
use crate::hooks::{self, HookError};
use crate::status::Status;
use crate::store::Container;

impl Container {
    /// Starts it, and runs its `poststart` hooks, whose failures are returned: the container runs on.
    ///
    /// # Errors
    /// It is in another state than `created`, or can't be reached.
    pub fn start(&self) -> Result<Vec<HookError>> {
        let lock = self.folder.lock()?;
        match self.status() {
            Status::Created => {}
            Status::Stopped => return Err(Error::HasStopped),
            Status::Creating => return Err(Error::NotFound),
            Status::Paused => return Err(Error::IsPaused),
            Status::Running => return Err(Error::AlreadyRunning),
        }
        let socket = self.folder.start_socket();
        notify(&socket).map_err(Error::io("reach", &socket))?;
        drop(lock);
        let spec = self.folder.spec()?;
        let hooks = spec.hooks().as_ref().and_then(|hooks| hooks.poststart().clone());
        let pid = self.record.init.map(|init| init.pid);
        let state = self.record.for_hooks(Status::Running, pid);
        Ok(hooks::run_all("poststart", &hooks.unwrap_or_default(), &state))
    }
}

/// Whether the socket is there says whether the container was started: removed before the process goes on.
fn notify(socket: &Path) -> std::io::Result<()> {
    let (Some(folder), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    // A socket's path has 108 bytes at most; this is always short enough.
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(CWD, folder, flags, Mode::empty())?;
    let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    let mut stream = UnixStream::connect(path)?;
    fs::remove_file(socket)?;
    step("oci.released");
    stream.write_all(b"start container")?;
    step("oci.started");
    Ok(())
}
