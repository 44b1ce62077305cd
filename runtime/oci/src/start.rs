//! `start`: letting a created container's process go on to its program.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use isopod_sys::step::step;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, fcntl_setfl, openat};
use rustix::process::{PidfdFlags, pidfd_open};

use crate::error::{Error, Result};
use crate::hooks::{self, HookError};
use crate::record::Pid;
use crate::status::Status;
use crate::store::Container;

/// What is read of why a program was not executed, in bytes: its process never says more.
const REASON: u64 = 64 * 1024;

/// How long a process that has said why it ends may take for that.
const PATIENCE: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

impl Container {
    /// Starts it, waits until its program was executed, and runs its `poststart` hooks, whose failures are
    /// returned: the container runs on (runtime-spec, runtime.md, "Lifecycle", steps 7 to 9).
    ///
    /// # Errors
    /// It is in another state than `created`, or can't be reached; its process says why its program can't be
    /// executed, and has ended then. One that is killed before it comes to that says nothing.
    pub fn start(&self) -> Result<Vec<HookError>> {
        let lock = self.folder.lock()?;
        match self.status() {
            Status::Created => {}
            Status::Stopped => return Err(Error::HasStopped),
            Status::Creating => return Err(Error::NotFound),
            Status::Paused => return Err(Error::IsPaused),
            Status::Running => return Err(Error::AlreadyRunning),
        }
        // Whatever else can fail does so while it is still only created.
        let spec = self.folder.spec()?;
        let path = self.folder.verdict();
        let verdict = listen(&path).map_err(Error::io("open", &path))?;
        let socket = self.folder.start_socket();
        notify(&socket).map_err(Error::io("reach", &socket))?;
        // Hooks take as long as they want, and somebody may want to kill it meanwhile.
        drop(lock);
        let reason = read_reason(verdict).map_err(Error::io("read", &path))?;
        step("oci.executed");
        if !reason.is_empty() {
            if let Some(init) = self.record.init {
                await_end(init);
            }
            return Err(Error::NotExecuted(reason));
        }
        let hooks = spec.hooks().as_ref().and_then(|hooks| hooks.poststart().clone());
        let pid = self.record.init.map(|init| init.pid);
        let state = self.record.for_hooks(Status::Running, pid);
        Ok(hooks::run_all("poststart", &hooks.unwrap_or_default(), &state))
    }
}

/// Opens the FIFO without waiting for its writer, which may have died; reading from it waits.
fn listen(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fifo = openat(CWD, path, flags, Mode::empty())?;
    fcntl_setfl(&fifo, OFlags::empty())?;
    Ok(fifo.into())
}

/// Reads until the container's process, the only writer, executes its program or ends.
fn read_reason(verdict: File) -> io::Result<String> {
    let mut words = Vec::new();
    verdict.take(REASON).read_to_end(&mut words)?;
    Ok(String::from_utf8_lossy(&words).into_owned())
}

/// Who looks next is to find it stopped.
fn await_end(init: Pid) {
    let Some(handle) = rustix::process::Pid::from_raw(init.pid)
        .and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok())
    else {
        return;
    };
    if init.is_alive() {
        poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&PATIENCE)).ok();
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
