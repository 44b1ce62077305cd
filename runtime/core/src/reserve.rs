//! A little room on the disk that is given back when the disk is full, for removing takes room too:
//! the database writes before it forgets. Without it, a container whose log filled the disk could
//! not be removed.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use crate::layout::Layout;

/// Several times what a removal writes.
const SIZE: u64 = 1 << 20;

/// With less left there is nothing to put aside: it is needed.
const SCARCE: u64 = 16 << 20;

fn path(layout: &Layout) -> PathBuf {
    layout.root().join("reserve")
}

/// Puts room aside, if there is none yet. That it can't be is no failure of anything.
pub fn ensure(layout: &Layout) {
    let path = path(layout);
    if path.exists()
        || statvfs(layout.root()).is_ok_and(|disk| disk.f_bavail * disk.f_frsize < SCARCE)
    {
        return;
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    if file.is_ok_and(|file| fallocate(&file, FallocateFlags::empty(), 0, SIZE).is_err()) {
        fs::remove_file(&path).ok();
    }
}

/// Gives it back; whether there was any.
pub fn release(layout: &Layout) -> bool {
    match fs::remove_file(path(layout)) {
        Ok(()) => true,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "cannot give back the reserve");
            }
            false
        }
    }
}
