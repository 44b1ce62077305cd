//! Which limit was refused: libcontainer reports the kernel's number alone.

use isopod_sys::process::fork;
use libcontainer::syscall::syscall::create_syscall;
use oci_spec::runtime::PosixRlimit;
use rustix::process::{WaitOptions, waitpid};

/// The first of `limits` that the kernel refuses, in words, found out by a process that does nothing else. For
/// after a failure; `None` where all of them are taken.
pub fn refused(limits: &[PosixRlimit]) -> Option<String> {
    let child = fork(|| {
        let syscall = create_syscall();
        let refused = limits.iter().position(|limit| syscall.set_rlimit(limit).is_err());
        refused.map_or(0, |number| i32::try_from(number + 1).unwrap_or_default())
    });
    let status = waitpid(Some(child.ok()?), WaitOptions::empty()).ok()??.1.exit_status()?;
    let limit = limits.get(usize::try_from(status).ok()?.checked_sub(1)?)?;
    Some(format!("rlimit {} cannot be {}:{}", limit.typ(), limit.soft(), limit.hard()))
}
