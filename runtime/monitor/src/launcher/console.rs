//! Receiving a terminal's master from libcontainer, which makes it inside the container.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use isopod_monitor_protocol::frame::Decoder;
use isopod_monitor_protocol::message::Size;
use rustix::fs::{CWD, Mode, OFlags, Uid, fchown, openat};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};
use rustix::termios::{Winsize, tcsetwinsize};

/// A path socket to which libcontainer connects; removed when dropped.
#[derive(Debug)]
pub struct ConsoleSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ConsoleSocket {
    /// Makes the socket in the state folder, under a name of this launcher's own.
    pub fn bind(state: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = openat(CWD, state, flags, Mode::empty())?;
        // The launcher may be in a pid namespace of its own, where ids are small: the time tells
        // two of them apart.
        let now = isopod_monitor_protocol::time::Timestamp::now().0;
        let name = format!("console-{}-{now:x}.sock", std::process::id());
        let listener = UnixListener::bind(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))?;
        Ok(Self { listener, path: state.join(name) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the master that was sent, gives the terminal its size and its owner.
    pub fn receive(self, size: Option<Size>, uid: u32) -> io::Result<OwnedFd> {
        self.listener.set_nonblocking(true)?;
        let (connection, _) = self.listener.accept()?;
        let mut decoder = Decoder::default();
        decoder.receive(&connection)?;
        let master = decoder.take_descriptors().pop().ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Some(size) = size {
            resize(&master, size)?;
        }
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = ioctl_tiocgptpeer(&master, flags)?;
        fchown(&terminal, Some(Uid::from_raw(uid)), None)?;
        Ok(master)
    }
}

impl Drop for ConsoleSocket {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).ok();
    }
}

/// Sets the size of the terminal whose master this is.
pub fn resize(master: impl AsFd, size: Size) -> io::Result<()> {
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(tcsetwinsize(master, size)?)
}
