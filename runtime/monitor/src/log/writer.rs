//! A log that no container waits for (docker's mode `non-blocking`).
//!
//! Writing to a file waits for the disk, and may wait for long (a frozen file system, a server that is away); the
//! monitor has one thread. So a forked child has the file, and gets entries through a pipe. What the pipe doesn't
//! take waits here, up to a limit; beyond that new entries are dropped whole, as docker drops them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use isopod_sys::process;
use isopod_sys::step::step;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, set_parent_process_death_signal, wait,
};

use super::file::LogFile;
use super::packer::wait_for;
use crate::poll::{Interest, Poller, Token, Watched};

/// How long the end of a container waits for its log.
const PATIENCE: Duration = Duration::from_secs(2);

/// What stands for an entry's length where the file is to be opened anew.
const REOPEN: u32 = u32::MAX;

/// The monitor's side.
#[derive(Debug)]
pub struct Writer {
    /// Never opened on this side.
    file: LogFile,
    child: Option<Child>,
    waiting: Waiting,
    poller: Rc<Poller>,
}

/// The process that has the file.
#[derive(Debug)]
struct Child {
    pid: Pid,
    pipe: Watched,
}

/// Entries with their lengths before them, in a row.
#[derive(Debug)]
struct Waiting {
    entries: VecDeque<Vec<u8>>,
    /// How much of the first has gone.
    gone: usize,
    /// Bytes of all of them.
    size: u64,
    limit: u64,
}

impl Waiting {
    fn new(limit: u64) -> Self {
        Self { entries: VecDeque::new(), gone: 0, size: 0, limit }
    }

    /// Takes an entry unless there is no room. One alone always has room, however large it is.
    fn push(&mut self, entry: Vec<u8>) {
        let size = self.size + entry.len() as u64;
        if self.entries.is_empty() || size <= self.limit {
            self.size = size;
            self.entries.push_back(entry);
        }
    }

    /// Writes until `write` takes no more.
    fn write(&mut self, mut write: impl FnMut(&[u8]) -> Result<usize, Errno>) -> Result<(), Errno> {
        while let Some(entry) = self.entries.front() {
            self.gone += match write(&entry[self.gone..]) {
                Err(Errno::INTR) => 0,
                written => written?,
            };
            if self.gone == entry.len() {
                self.size -= entry.len() as u64;
                self.entries.pop_front();
                self.gone = 0;
            }
        }
        // Nothing is held by a container that is quiet.
        self.entries.shrink_to(0);
        Ok(())
    }
}

impl Writer {
    /// Forks a child that writes to `file`; `limit` bytes may wait for it.
    pub fn fork(file: LogFile, limit: u64, poller: &Rc<Poller>) -> Self {
        let waiting = Waiting::new(limit);
        let mut writer = Self { file, child: None, waiting, poller: Rc::clone(poller) };
        writer.have_child().ok();
        writer
    }

    /// Has a child, a new one if it was killed.
    fn have_child(&mut self) -> io::Result<()> {
        if self.child.is_some() {
            return Ok(());
        }
        let (reader, pipe) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&pipe, true)?;
        let file = &mut self.file;
        let pid = process::fork(|| {
            rustix::thread::set_name(c"isopod-logger").ok();
            let isolated = process::close_descriptors_except(&[reader.as_fd()]);
            process::reset_signals();
            set_parent_process_death_signal(Some(Signal::KILL)).ok();
            step("logger.forked");
            if isolated.is_err() {
                return 1;
            }
            serve(reader, file);
            0
        })?;
        // The child that was killed has perhaps written the beginning of an entry; it gets none of it twice.
        self.waiting.gone = 0;
        let pipe = Watched::new(&self.poller, pipe, Token::Log);
        self.child = Some(Child { pid, pipe });
        Ok(())
    }

    /// Adds one entry, which `write` appends to the buffer it is given.
    pub fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut entry = vec![0; size_of::<u32>()];
        write(&mut entry);
        let length = u32::try_from(entry.len() - size_of::<u32>()).unwrap_or(REOPEN);
        entry[..size_of::<u32>()].copy_from_slice(&length.to_le_bytes());
        self.waiting.push(entry);
    }

    /// Hands on as much as the child takes now, and waits for it to take more.
    pub fn pump(&mut self) {
        if self.waiting.entries.is_empty() {
            return self.watch(Interest::None);
        }
        if self.have_child().is_err() {
            // What waits is tried again with the next entry.
            return;
        }
        let Some(child) = &self.child else { return };
        match self.waiting.write(|bytes| rustix::io::write(&child.pipe, bytes)) {
            Ok(()) => self.watch(Interest::None),
            Err(Errno::AGAIN) => self.watch(Interest::Write),
            // Killed: the next entry has a new one.
            Err(_) => self.child = None,
        }
    }

    fn watch(&mut self, interest: Interest) {
        if let Some(child) = &mut self.child
            && child.pipe.set(interest).is_err()
        {
            self.child = None;
        }
    }

    /// Whether the child that ended was this log's.
    pub fn child_ended(&mut self, pid: Pid) -> bool {
        self.child.take_if(|child| child.pid == pid).is_some()
    }

    /// Has the file opened anew. That it can't be is not told.
    pub fn reopen(&mut self) {
        self.waiting.push(REOPEN.to_le_bytes().to_vec());
        self.pump();
    }

    /// Hands everything on and waits until it is written, but not for long.
    fn finish(&mut self, limit: Duration) {
        let end = Instant::now() + limit;
        loop {
            self.pump();
            let Some(child) = &self.child else { return };
            if self.waiting.entries.is_empty() {
                break;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let timeout = Timespec { tv_sec: 0, tv_nsec: left.subsec_nanos().max(1).into() };
            poll(&mut [PollFd::new(&child.pipe, PollFlags::OUT)], Some(&timeout)).ok();
        }
        let Some(child) = self.child.take() else { return };
        let pid = child.pid;
        drop(child);
        wait_for(pid, end.saturating_duration_since(Instant::now()));
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish(PATIENCE);
    }
}

/// The child: writes what comes through the pipe, up to its end.
fn serve(pipe: OwnedFd, file: &mut LogFile) {
    let mut pipe = BufReader::new(File::from(pipe));
    let mut length = [0; size_of::<u32>()];
    let mut entry = Vec::new();
    while pipe.read_exact(&mut length).is_ok() {
        let length = u32::from_le_bytes(length);
        if length == REOPEN {
            file.flush();
            file.reopen().ok();
            continue;
        }
        entry.resize(length as usize, 0);
        if pipe.read_exact(&mut entry).is_err() {
            break;
        }
        file.append(|buffer| buffer.extend_from_slice(&entry));
        // The rest of what is there in part comes at once.
        if pipe.buffer().is_empty() {
            file.flush();
            reap(file);
        }
    }
    file.flush();
}

/// What packs rotated files is a child of this child.
fn reap(file: &mut LogFile) {
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        let _status: WaitStatus = status;
        file.child_ended(pid, status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// moby's ring: an entry that doesn't fit is the one that is dropped; one that comes first always fits.
    #[test]
    fn what_does_not_fit_is_dropped_and_what_waits_is_kept_in_order() {
        let mut waiting = Waiting::new(10);
        for entry in ["first, and far too long", "a"] {
            waiting.push(entry.into());
        }
        assert_eq!(waiting.entries.len(), 1);
        let mut written = Vec::new();
        // Three bytes at a time, and none once the first entry is gone.
        let taken = waiting.write(|bytes| {
            let some = &bytes[..bytes.len().min(3)];
            written.extend_from_slice(some);
            Ok(some.len())
        });
        assert_eq!((taken, written.as_slice()), (Ok(()), &b"first, and far too long"[..]));
        for entry in ["one", "two", "three", "four", "5"] {
            waiting.push(entry.into());
        }
        // 3 + 3 + 5 would be 11; 3 + 3 + 4 is 10, and 5 finds no room any more.
        let kept: Vec<_> = waiting.entries.iter().map(Vec::as_slice).collect();
        assert_eq!(kept, [&b"one"[..], b"two", b"four"]);
        let mut written = Vec::new();
        let taken = waiting.write(|bytes| match written.len() {
            0..4 => {
                written.push(bytes[0]);
                Ok(1)
            }
            _ => Err(Errno::AGAIN),
        });
        assert_eq!((taken, written.as_slice()), (Err(Errno::AGAIN), &b"onet"[..]));
        assert_eq!((waiting.size, waiting.gone), (7, 1));
    }
}
