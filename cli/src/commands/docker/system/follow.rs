//! Waiting for a file to change, whether it is there or not, and up to a point in time.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

use crate::error::Error;

/// Watches the folder of a file, so that a file that is replaced is seen too.
#[derive(Debug)]
pub struct Follower {
    watch: OwnedFd,
}

impl Follower {
    /// Watches from now on.
    ///
    /// # Errors
    /// The folder can't be made or watched.
    pub fn new(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let failed = |source: io::Error| Error::file("watch", folder)(source);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
            .map_err(|errno| failed(errno.into()))?;
        let changes = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVE;
        inotify::add_watch(&watch, folder, changes).map_err(|errno| failed(errno.into()))?;
        Ok(Self { watch })
    }

    /// Waits for a change; false once it is `until`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn wait(&mut self, until: Option<DateTime<Utc>>) -> Result<bool, Error> {
        let left = until.map(|until| (until - Utc::now()).to_std().unwrap_or_default());
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(false);
        }
        let timeout = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        match poll(&mut [PollFd::new(&self.watch, PollFlags::IN)], timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(Error::Output(errno.into())),
        }
        // What changed does not matter.
        let mut buffer = [0; 4096];
        while rustix::io::read(&self.watch, &mut buffer).is_ok_and(|length| length > 0) {}
        Ok(true)
    }
}
