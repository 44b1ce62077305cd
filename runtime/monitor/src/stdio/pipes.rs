//! Pipes made for one process or one session, and nothing else: no descriptor that anybody
//! else uses ever reaches a container (security.md, row 25).

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Uid, fchown};
use rustix::io::ioctl_fionbio;
use rustix::pipe::fcntl_setpipe_size;

/// Bytes in a session's pipe: the most that the kernel gives without privilege.
const SESSION: usize = 1 << 20;

/// The process's standard input, and the end that feeds it unless it is `/dev/null`.
pub fn input(wanted: bool, uid: u32) -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    if !wanted {
        return Ok((File::open("/dev/null")?.into(), None));
    }
    let (process, ours) = io::pipe()?;
    own(&process, uid)?;
    ioctl_fionbio(&ours, true)?;
    Ok((process.into(), Some(ours.into())))
}

/// A standard output of the process, and the end that reads it unless it is `/dev/null`.
pub fn output(wanted: bool, uid: u32) -> io::Result<(OwnedFd, Option<OwnedFd>)> {
    if !wanted {
        return Ok((OpenOptions::new().write(true).open("/dev/null")?.into(), None));
    }
    let (ours, process) = io::pipe()?;
    own(&process, uid)?;
    ioctl_fionbio(&ours, true)?;
    Ok((process.into(), Some(ours.into())))
}

/// The monitor's reading and a client's writing end.
pub fn to_monitor() -> io::Result<(OwnedFd, OwnedFd)> {
    let (ours, client) = io::pipe()?;
    ioctl_fionbio(&ours, true)?;
    Ok((ours.into(), client.into()))
}

/// A client's reading and the monitor's writing end.
pub fn from_monitor() -> io::Result<(OwnedFd, OwnedFd)> {
    let (client, ours) = io::pipe()?;
    ioctl_fionbio(&ours, true)?;
    // What a session may fall behind before it is ended. The kernel takes memory for it only when
    // it is used, and refuses beyond a user's share: then it is less.
    fcntl_setpipe_size(&ours, SESSION).ok();
    Ok((client.into(), ours.into()))
}

/// A process that isn't root opens `/dev/stdout` again only if the pipe is its own.
fn own(pipe: impl AsFd, uid: u32) -> io::Result<()> {
    if uid == 0 {
        return Ok(());
    }
    match fchown(pipe, Some(Uid::from_raw(uid)), None) {
        // Rootless: there the process is who we are.
        Ok(()) | Err(rustix::io::Errno::PERM) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
