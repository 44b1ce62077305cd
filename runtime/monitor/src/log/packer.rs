//! Packing of rotated files: `.1` becomes `.1.gz`, as docker's option `compress` has it.
//!
//! A forked child reads the file and writes a new one; it has these two descriptors and nothing else. Only
//! the monitor renames, as it alone rotates: what is packed when the child ends takes the place that its
//! original has by then. A file stays as it is until its packed form lies beside it, so that a kill at any
//! moment loses nothing, and readers prefer the original. Whatever is left is packed after the next rotation.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::{Compression, GzBuilder};
use isopod_monitor_protocol::launch::{Origin, PACKED};
use isopod_sys::process;
use isopod_sys::step::step;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, kill_process, nice, pidfd_open,
    set_parent_process_death_signal, waitpid,
};

use super::file::numbered;

/// How much less than a container's the work is worth.
const NICENESS: i32 = 10;

/// What packs one log's rotated files, one at a time.
#[derive(Debug)]
pub struct Packer {
    path: PathBuf,
    max_files: u32,
    work: Option<Work>,
}

/// A child at work.
#[derive(Debug)]
struct Work {
    pid: Pid,
    /// What it reads, which may be renamed meanwhile. As long as it is open no other file has its inode number.
    original: File,
}

impl Packer {
    /// For the log whose current file is at `path`; see [`isopod_monitor_protocol::launch::Log`].
    pub fn new(path: PathBuf, max_files: u32) -> Self {
        Self { path, max_files, work: None }
    }

    /// Begins with the newest rotated file that is not packed, unless a child is at work. What can't be packed stays as it is.
    pub fn begin(&mut self) {
        if self.work.is_none() {
            let plain = (1..self.max_files).find_map(|number| {
                File::open(numbered(&self.path, number)).ok().filter(is_regular)
            });
            self.work = plain.and_then(|file| self.fork(file).ok());
        }
    }

    fn fork(&self, original: File) -> io::Result<Work> {
        let origin = Origin::of(&original.metadata()?);
        let path = self.unfinished();
        // One that a killed monitor left, to which its child may still write.
        fs::remove_file(&path).ok();
        let packed = OpenOptions::new().write(true).create_new(true).mode(0o640).open(&path)?;
        let pid = process::fork(|| {
            rustix::thread::set_name(c"isopod-packer").ok();
            let isolated = process::close_descriptors_except(&[original.as_fd(), packed.as_fd()]);
            process::reset_signals();
            set_parent_process_death_signal(Some(Signal::KILL)).ok();
            nice(NICENESS).ok();
            step("packer.forked");
            i32::from(isolated.and_then(|()| pack(&original, &packed, origin)).is_err())
        });
        if pid.is_err() {
            fs::remove_file(&path).ok();
        }
        Ok(Work { pid: pid?, original })
    }

    /// Whether the child that ended was ours; then its work is put in its place, and the next one begun.
    pub fn ended(&mut self, pid: Pid, status: WaitStatus) -> bool {
        let Some(work) = self.work.take_if(|work| work.pid == pid) else { return false };
        // After a failure (a full disk) not at once again, but after the next rotation.
        if status.exit_status() == Some(0) && self.place(&work.original).is_ok() {
            self.begin();
        } else {
            fs::remove_file(self.unfinished()).ok();
        }
        true
    }

    /// Gives what is packed the place of its original, which goes.
    fn place(&self, original: &File) -> io::Result<()> {
        let inode = original.metadata()?.ino();
        let is_original = |path: &PathBuf| fs::metadata(path).is_ok_and(|file| file.ino() == inode);
        let mut places = (1..self.max_files).map(|number| numbered(&self.path, number));
        let Some(original) = places.find(is_original) else {
            // Rotated away meanwhile.
            return fs::remove_file(self.unfinished());
        };
        fs::rename(self.unfinished(), packed(&original))?;
        step("packer.placed");
        fs::remove_file(original)
    }

    /// Packs what is left, for at most `limit`.
    pub fn finish(mut self, limit: Duration) {
        let end = Instant::now() + limit;
        self.begin();
        while let Some(pid) = self.work.as_ref().map(|work| work.pid) {
            let left = end.saturating_duration_since(Instant::now());
            match wait_for(pid, left) {
                Some(status) => self.ended(pid, status),
                None => return,
            };
        }
    }

    fn unfinished(&self) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".packing");
        name.into()
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            kill_process(work.pid, Signal::KILL).ok();
            waitpid(Some(work.pid), WaitOptions::empty()).ok();
            fs::remove_file(self.unfinished()).ok();
        }
    }
}

/// Waits for a child's end, for at most `limit`.
pub(super) fn wait_for(pid: Pid, limit: Duration) -> Option<WaitStatus> {
    let handle = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    let end = Instant::now() + limit;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timeout)) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) | Err(_) => return None,
            Ok(_) => {
                return waitpid(Some(pid), WaitOptions::empty()).ok()?.map(|(_, status)| status);
            }
        }
    }
}

/// Where a rotated file lies when it is packed.
pub(super) fn packed(original: &Path) -> PathBuf {
    let mut name = original.as_os_str().to_owned();
    name.push(PACKED);
    name.into()
}

fn is_regular(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file())
}

/// Writes what `original` holds, and on the disk, so that the original may go.
fn pack(mut original: &File, packed: &File, origin: Origin) -> io::Result<()> {
    let mut encoder = GzBuilder::new().extra(origin.field()).write(packed, Compression::fast());
    io::copy(&mut original, &mut encoder)?;
    encoder.finish()?.sync_data()
}
