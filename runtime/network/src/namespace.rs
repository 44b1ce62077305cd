//! Network namespaces without a mount: descriptors keep them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use crate::error::{Error, Result};
use crate::link::{self, Links};

/// A new network namespace with `lo` up, kept by the descriptor (and by whoever joins it).
///
/// # Errors
///
/// What the kernel refuses: without privilege all of it.
pub fn create() -> Result<OwnedFd> {
    // A thread of its own is the only part of this process that ever changes its namespace.
    on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| failed("make", errno.into()))?;
        up()?;
        let netns = File::open("/proc/thread-self/ns/net").map_err(|e| failed("open", e))?;
        Ok(OwnedFd::from(netns))
    })?
}

/// Puts `lo` up in a network namespace that somebody else made.
///
/// # Errors
///
/// What the kernel refuses.
pub fn adopt(netns: OwnedFd) -> Result<OwnedFd> {
    within(netns.as_fd(), up)??;
    Ok(netns)
}

fn up() -> Result<()> {
    let mut links = Links::open().map_err(|e| failed("open a socket in", e.into()))?;
    links.change(&[link::set_up("lo")], &[]).map_err(|e| failed("put lo up in", e.into()))
}

/// What `work` returns, done inside `netns` on a thread of its own: sockets it opens stay there.
///
/// # Errors
///
/// A descriptor that is no network namespace, or one that can't be joined.
pub fn within<T: Send>(netns: BorrowedFd<'_>, work: impl FnOnce() -> T + Send) -> Result<T> {
    on_a_thread(|| {
        setns(netns, CloneFlags::CLONE_NEWNET).map_err(|errno| failed("join", errno.into()))?;
        Ok(work())
    })?
}

/// Panics of `work` go on here.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)
            .map_err(|e| failed("start a thread for", e))?;
        thread.join().map_err(|panic| std::panic::resume_unwind(panic))
    })
}

fn failed(action: &'static str, source: io::Error) -> Error {
    Error::Kernel { action, object: "a network namespace".to_owned(), source }
}
