//! Options of netlink sockets, which neither the standard library nor rustix sets.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// What a netlink socket is asked for once: errors in words, short acknowledgements (without a copy of
/// the request), and dumps that heed what they are asked for.
///
/// # Errors
///
/// What the kernel says: no netlink socket, or a kernel before 4.20.
pub fn ask_for_words(socket: BorrowedFd<'_>) -> io::Result<()> {
    for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK, libc::NETLINK_GET_STRICT_CHK] {
        let on: libc::c_int = 1;
        // SAFETY: the descriptor is borrowed and open; the value is a c_int that outlives the call, and
        // its size is given.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_NETLINK,
                option,
                (&raw const on).cast(),
                size_of_val(&on) as libc::socklen_t,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
