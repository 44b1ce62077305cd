//! What the kernel must have, asked before anything depends on it: a call that does not exist says
//! so whatever its arguments, and these are arguments that every kernel refuses.
#![allow(unsafe_code)]

use std::io;

/// Calls without which no container starts, and the Linux that brought them.
const NEEDED: [(&str, libc::c_long, &str); 7] = [
    ("open_tree", libc::SYS_open_tree, "5.2"),
    ("move_mount", libc::SYS_move_mount, "5.2"),
    ("fsmount", libc::SYS_fsmount, "5.2"),
    ("pidfd_open", libc::SYS_pidfd_open, "5.3"),
    ("openat2", libc::SYS_openat2, "5.6"),
    ("close_range", libc::SYS_close_range, "5.9"),
    ("mount_setattr", libc::SYS_mount_setattr, "5.12"),
];

/// The first call that this kernel (or a filter that we run under) lacks, with the Linux that has it.
#[must_use]
pub fn lacks() -> Option<(&'static str, &'static str)> {
    NEEDED.into_iter().find(|(_, call, _)| !exists(*call)).map(|(name, _, since)| (name, since))
}

fn exists(call: libc::c_long) -> bool {
    const NONE: libc::c_long = -1;
    // SAFETY: no descriptor, process or range is -1, and a null pointer with a size of -1 is read by
    // none of these calls: each refuses its arguments and changes nothing (close_range: the first is
    // above the last).
    let result = unsafe { libc::syscall(call, NONE, 0, NONE, NONE, NONE, NONE) };
    result >= 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ENOSYS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_has_what_is_needed_and_no_call_of_that_number() {
        assert_eq!(lacks(), None);
        assert!(!exists(9_999));
    }
}
