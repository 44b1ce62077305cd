//! Terminals, streams and pid files: what connects a new process with the command's caller.

use std::fs;
use std::io;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use isopod_monitor_protocol::message::Size;
use isopod_oci::request::Ends;
use isopod_sys::atomic::{self, Durability};
use oci_spec::runtime::{LinuxIdMapping, Process};
use rustix::fs::{CWD, FileType, Mode, OFlags, Uid, fchown, fstat, openat};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::termios::tcgetwinsize;

use super::foreground::Terminal;
use super::{OciError, Result, system};
use crate::launcher::console::ConsoleSocket;
use crate::spec::on_host;

/// A terminal's way from the container to the caller, or to this process.
pub struct Console {
    socket: ConsoleSocket,
    size: Option<Size>,
    owner: u32,
}

impl Console {
    /// Prepares for the terminal of `process`, if it has one; its socket lies in `folder` meanwhile.
    /// `users` are the container's user ids, where they aren't the host's.
    ///
    /// # Errors
    /// Terminal and console socket don't go together.
    pub fn prepare(
        folder: &Path,
        process: &Process,
        ends: &Ends,
        users: &[LinuxIdMapping],
    ) -> Result<Option<Self>> {
        let wants = process.terminal().unwrap_or(false);
        let refuse = |why: &str| Err(OciError::Spec(why.to_owned()));
        match (wants, ends.detach, &ends.console_socket) {
            (true, true, None) => {
                return refuse(
                    "cannot allocate tty if runc will detach without setting console socket",
                );
            }
            (_, false, Some(_)) | (false, _, Some(_)) => {
                return refuse("cannot use console socket if runc will not detach or allocate tty");
            }
            (false, _, None) => return Ok(None),
            (true, ..) => {}
        }
        let socket =
            ConsoleSocket::bind(folder).map_err(system("make a socket for the terminal"))?;
        let size = match process.console_size() {
            Some(size) => Some(Size {
                rows: size.height().try_into().unwrap_or(u16::MAX),
                columns: size.width().try_into().unwrap_or(u16::MAX),
            }),
            None => tcgetwinsize(stdin())
                .ok()
                .filter(|_| !ends.detach)
                .map(|size| Size { rows: size.ws_row, columns: size.ws_col }),
        };
        Ok(Some(Self { socket, size, owner: on_host(process.user().uid(), users) }))
    }

    /// Where libcontainer is to send the terminal's master.
    pub fn path(&self) -> &Path {
        self.socket.path()
    }

    /// Takes the master, and hands it on to the console socket or returns it.
    pub fn receive(self, ends: &Ends) -> Result<Option<Terminal>> {
        let master = self
            .socket
            .receive(self.size, self.owner)
            .map_err(system("get the container's terminal"))?;
        match &ends.console_socket {
            None => Ok(Some(Terminal::new(master))),
            Some(path) => {
                send(path, &master).map_err(|error| {
                    OciError::Start(format!("console socket {}: {error}", path.display()))
                })?;
                Ok(None)
            }
        }
    }
}

/// Sends the master as runc does: its name as the message's only words.
fn send(path: &Path, master: &OwnedFd) -> io::Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // Engines' paths may be longer than a socket's may be.
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(CWD, folder, flags, Mode::empty())?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    let stream = UnixStream::connect(short)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    let fds = [master.as_fd()];
    rights.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(&stream, &[IoSlice::new(b"/dev/ptmx")], &mut rights, SendFlags::empty())?;
    Ok(())
}

/// Gives the standard streams to the container's user, so that it can open them again by name (`/dev/stdout`).
pub fn own_streams(process: &Process, users: &[LinuxIdMapping]) -> Result<()> {
    let uid = on_host(process.user().uid(), users);
    for stream in [stdin(), stdout(), stderr()] {
        match give(stream, uid) {
            // File systems and sockets that know no owner, closed streams, and what isn't ours to give.
            Ok(()) | Err(Errno::INVAL | Errno::PERM | Errno::ROFS | Errno::BADF) => {}
            Err(error) => return Err(OciError::System("give a stream to the user", error.into())),
        }
    }
    Ok(())
}

fn give(stream: BorrowedFd<'_>, uid: u32) -> std::result::Result<(), Errno> {
    let about = fstat(stream)?;
    let is_device = FileType::from_raw_mode(about.st_mode) == FileType::CharacterDevice;
    let null = rustix::fs::makedev(1, 3);
    if about.st_uid == uid || (is_device && about.st_rdev == null) {
        return Ok(());
    }
    fchown(stream, Some(Uid::from_raw(uid)), None)
}

/// Writes the pid file, whole or not at all.
pub fn write_pid(ends: &Ends, pid: i32) -> Result<()> {
    let Some(path) = &ends.pid_file else { return Ok(()) };
    let text = pid.to_string();
    atomic::write(path, text.as_bytes(), 0o666 & !mask(), Durability::Process).map_err(|error| {
        OciError::Start(format!("cannot write pid file {}: {error}", path.display()))
    })
}

fn mask() -> u32 {
    0o022
}

/// Ends and reaps every child of this process: what a failed start has left.
pub fn end_children() {
    use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
    let own = std::process::id();
    let path = format!("/proc/{own}/task/{own}/children");
    for _ in 0..100 {
        let children = fs::read_to_string(&path).unwrap_or_default();
        for pid in
            children.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        {
            kill_process(pid, Signal::KILL).ok();
        }
        if !matches!(wait(WaitOptions::empty()), Ok(Some(_))) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use oci_spec::runtime::LinuxIdMappingBuilder;

    #[test]
    fn a_user_of_the_container_is_another_one_of_the_host() {
        let map = LinuxIdMappingBuilder::default().container_id(10u32).host_id(1000u32).size(5u32);
        let map = [map.build().unwrap()];
        assert_eq!(on_host(12, &map), 1002);
        assert_eq!((on_host(15, &map), on_host(9, &map)), (15, 9));
        assert_eq!(on_host(7, &[]), 7);
    }
}
