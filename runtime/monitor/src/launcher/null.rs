//! Standard streams that nobody asked for: the container's own `/dev/null`.
//!
//! The launcher has only the host's to give. Kept, it would be a way to that very file: root in the
//! container could change its mode and owner for everybody (security.md, row 25).

use std::io;
use std::os::fd::BorrowedFd;

use isopod_sys::process::replace_stdio;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, major, minor, openat};
use rustix::stdio::{stderr, stdin, stdout};

/// The null device, by its numbers (Linux, Documentation/admin-guide/devices.txt).
const NULL: (u32, u32) = (1, 3);

/// Opens `/dev/null` anew, in this root, for each standard stream that is one.
///
/// # Errors
/// What is there by that name can't be opened or is another file: the container changed it.
pub fn reopen() -> io::Result<()> {
    let streams = [stdin(), stdout(), stderr()];
    for (number, stream) in (0u8..).zip(streams) {
        // A stream that is closed is no way to anything.
        if is_null(stream).unwrap_or(false) {
            let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let own = openat(CWD, "/dev/null", flags, Mode::empty())?;
            if !is_null(std::os::fd::AsFd::as_fd(&own))? {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "not the null device"));
            }
            replace_stdio(&own, number)?;
        }
    }
    Ok(())
}

fn is_null(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let about = fstat(fd)?;
    let is_device = FileType::from_raw_mode(about.st_mode) == FileType::CharacterDevice;
    Ok(is_device && (major(about.st_rdev), minor(about.st_rdev)) == NULL)
}
