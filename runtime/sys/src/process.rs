//! Processes without `exec`: forking, and giving back what a caller's process handed down
//! (environment, signal settings, groups, keyring, descriptors).

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::io::Errno;
use rustix::process::{Pid, Signal};

/// Forks and runs `body` in the child, which ends with the status that `body` returns.
///
/// No destructor, buffer or exit handler of the caller runs in the child; a panic in `body`
/// ends the child with status 101.
///
/// # Errors
/// `fork(2)` failed, or the caller has a second thread (whose locks the child would inherit locked).
pub fn fork(body: impl FnOnce() -> i32) -> io::Result<Pid> {
    single_threaded()?;
    // SAFETY: there is no other thread, so the child may use all of libc and of Rust's runtime;
    // it never returns from here.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => run_child(body),
        pid => Ok(positive(pid)),
    }
}

/// As [`fork`], the child being in the v2 cgroup whose folder `cgroup` is from its first instant:
/// no migration, so no wait for an RCU grace period (about 10 ms where it was measured).
///
/// # Errors
/// As [`fork`]; also where the kernel or the cgroup refuses: nothing has happened then.
pub fn fork_into_cgroup(cgroup: BorrowedFd<'_>, body: impl FnOnce() -> i32) -> io::Result<Pid> {
    single_threaded()?;
    // SAFETY: an all-zero clone_args is valid; without CLONE_VM and a stack, clone3 acts as fork.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.cgroup = cgroup.as_raw_fd() as u64;
    // SAFETY: `arguments` outlives the call and its size is passed; see also `fork`. glibc's cached
    // thread id stays the parent's in the child; nothing here uses it (abort asks the kernel).
    let pid =
        unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of_val(&arguments)) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => run_child(body),
        pid => Ok(positive(i32::try_from(pid).expect("a process id fits in 32 bits"))),
    }
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

fn run_child(body: impl FnOnce() -> i32) -> ! {
    let status = catch_unwind(AssertUnwindSafe(body)).unwrap_or(101);
    exit_now(status)
}

fn positive(pid: i32) -> Pid {
    Pid::from_raw(pid).expect("a child's process id is positive")
}

fn single_threaded() -> io::Result<()> {
    // A folder has one link from each subfolder, one from its parent and its own.
    if std::fs::metadata("/proc/self/task")?.nlink() > 3 {
        return Err(io::Error::other("refusing to fork a process that has threads"));
    }
    Ok(())
}

/// Ends the process at once.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Empties the environment, so that nothing below reads what the caller set (`LISTEN_FDS`, …).
///
/// # Errors
/// The process has threads, which could be reading it.
pub fn clear_environment() -> io::Result<()> {
    single_threaded()?;
    // SAFETY: no other thread can hold a pointer into the environment.
    unsafe { libc::clearenv() };
    Ok(())
}

/// Gives every signal its default action and empties the mask: the state a new program expects,
/// whatever our caller (`nohup`, Rust's own ignored SIGPIPE) left.
pub fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: setting a default action installs no handler; numbers that may not be set fail.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: the set is initialised by sigemptyset before it is used.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
    }
}

/// The signal of that number, real-time ones included, which a stop signal may well be.
#[must_use]
pub fn signal(number: i32) -> Option<Signal> {
    if !(1..=64).contains(&number) {
        return None;
    }
    // SAFETY: the number is one that the kernel knows; this process doesn't handle any of the
    // two that libc reserves (32, 33), it only sends them.
    Some(unsafe { Signal::from_raw_unchecked(number) })
}

/// Has the kernel discard children's exit statuses, so that none becomes a zombie.
pub fn ignore_children() {
    // SAFETY: ignoring a signal installs no handler.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Ignores SIGPIPE: writing to what nobody reads returns an error instead.
pub fn ignore_broken_pipes() {
    // SAFETY: ignoring a signal installs no handler.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Drops supplementary groups, which a container would otherwise inherit from our caller.
///
/// # Errors
/// `setgroups(2)` failed; without the right to do it (rootless) nothing happens.
pub fn drop_groups() -> io::Result<()> {
    // SAFETY: a length of zero reads no memory.
    if unsafe { libc::setgroups(0, std::ptr::null()) } == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::EPERM) { Ok(()) } else { Err(error) }
}

/// Has this thread use files as `uid` and `gid`, with the rights that it has: what it makes is theirs, and what is not
/// theirs stays open to it (credentials(7), capabilities(7)).
///
/// # Errors
/// The ids are nobody's, or the thread may not take them.
pub fn act_as(uid: u32, gid: u32) -> io::Result<()> {
    use rustix::thread::{capabilities, set_capabilities};
    let held = capabilities(None)?;
    // Neither tells of an error but by the id that a second call returns.
    // SAFETY: both calls take a number and change this thread alone.
    let taken = unsafe {
        libc::syscall(libc::SYS_setfsgid, gid);
        libc::syscall(libc::SYS_setfsuid, uid);
        (libc::syscall(libc::SYS_setfsuid, -1), libc::syscall(libc::SYS_setfsgid, -1))
    };
    if taken != (i64::from(uid), i64::from(gid)) {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    // With root's id go the capabilities for files.
    Ok(set_capabilities(None, held)?)
}

/// Joins a new, empty session keyring, so that a container doesn't share our caller's keys.
///
/// # Errors
/// `keyctl(2)` failed; a kernel without keyrings has nothing to share.
pub fn join_new_session_keyring() -> io::Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    let anonymous: libc::c_long = 0;
    // SAFETY: a null name asks for an anonymous keyring; no memory is read.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, anonymous) };
    if result != -1 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == Some(libc::ENOSYS) { Ok(()) } else { Err(error) }
}

/// Closes every descriptor from 3 up but those in `keep`.
///
/// # Errors
/// `close_range(2)` failed.
pub fn close_descriptors_except(keep: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut kept: Vec<RawFd> = keep.iter().map(AsRawFd::as_raw_fd).filter(|fd| *fd > 2).collect();
    kept.sort_unstable();
    let mut first: u32 = 3;
    for fd in kept {
        let fd = fd as u32;
        if fd > first {
            close_range(first, fd - 1)?;
        }
        first = first.max(fd + 1);
    }
    close_range(first, u32::MAX)
}

/// Closes every descriptor from `first` (at least 3) up.
///
/// # Errors
/// `close_range(2)` failed.
pub fn close_descriptors_from(first: u32) -> io::Result<()> {
    close_range(first.max(3), u32::MAX)
}

/// Takes the descriptor that whoever executed this program left under `number`, close-on-exec.
///
/// # Errors
/// It is a standard stream, or isn't open.
pub fn take_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    if number < 3 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: F_GETFD reads the flags of a descriptor, or fails where there is none.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and the caller says by its number that it was handed over: nothing else in
    // this process owns it.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
    Ok(fd)
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: callers of `close_descriptors_except` give up every descriptor that they don't name;
    // it is called first thing in a process of its own, before anything there uses one.
    match unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Puts `fd` in the place of standard input, output or error (`number` 0, 1 or 2).
///
/// # Errors
/// `dup2(2)` failed.
pub fn replace_stdio(fd: impl AsFd, number: u8) -> io::Result<()> {
    let fd = fd.as_fd();
    Ok(match number {
        0 => rustix::stdio::dup2_stdin(fd),
        1 => rustix::stdio::dup2_stdout(fd),
        2 => rustix::stdio::dup2_stderr(fd),
        _ => Err(Errno::INVAL),
    }?)
}

/// Takes ownership of standard input's descriptor under a new number, close-on-exec.
///
/// # Errors
/// There is no standard input.
pub fn take_stdin() -> io::Result<std::os::fd::OwnedFd> {
    let copy = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    Ok(copy)
}

/// Makes the allocator hold little: small thresholds for giving memory back.
pub fn tune_allocator() {
    // SAFETY: mallopt only sets parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, 16 * 1024);
        libc::mallopt(libc::M_TOP_PAD, 0);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 * 1024);
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives freed memory back to the kernel.
pub fn trim_heap() {
    // SAFETY: malloc_trim has no preconditions.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_forked() {
        // The test runner has at least two.
        let error = fork(|| 0).unwrap_err();
        assert!(error.to_string().contains("threads"), "{error}");
    }
}
