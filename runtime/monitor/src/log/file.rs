//! The log's file: whole entries or none of them, rotation, and what to do when the disk fails.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, WaitStatus};

use super::packer::{Packer, packed};

/// Entries are collected up to about this many bytes before they are written.
const BATCH: usize = 16 * 1024;

/// A log's current file, opened when the first entry comes.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    max_size: Option<u64>,
    max_files: u32,
    file: Option<File>,
    size: u64,
    buffer: Vec<u8>,
    /// Where rotated files are packed.
    packer: Option<Packer>,
}

impl LogFile {
    /// A log at `path`; see [`isopod_monitor_protocol::launch::Log`] for the limits.
    pub fn new(path: PathBuf, max_size: Option<u64>, max_files: u32) -> Self {
        Self { path, max_size, max_files, file: None, size: 0, buffer: Vec::new(), packer: None }
    }

    /// Has rotated files packed.
    pub fn packing(mut self) -> Self {
        self.packer = Some(Packer::new(self.path.clone(), self.max_files));
        self
    }

    /// Whether the child that ended was this log's.
    pub fn child_ended(&mut self, pid: Pid, status: WaitStatus) -> bool {
        self.packer.as_mut().is_some_and(|packer| packer.ended(pid, status))
    }

    /// Adds one entry, which `write` appends to the buffer it is given.
    pub fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let before = self.buffer.len();
        write(&mut self.buffer);
        let (buffered, entry) = (before as u64, (self.buffer.len() - before) as u64);
        let Some(max_size) = self.max_size else {
            return if self.buffer.len() >= BATCH {
                self.flush()
            };
        };
        // An entry that alone is larger than a file may be gets a file of its own.
        self.open();
        if self.size + buffered > 0 && self.size + buffered + entry > max_size {
            let entry = self.buffer.split_off(before);
            self.flush();
            self.rotate();
            self.buffer = entry;
        } else if self.buffer.len() >= BATCH {
            self.flush();
        }
    }

    /// Writes what is collected. What the disk doesn't take is dropped whole, so that no half
    /// entry stays in the file; the next entry tries again.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        self.open();
        if let Some(file) = &mut self.file {
            match file.write_all(&self.buffer) {
                Ok(()) => self.size += self.buffer.len() as u64,
                Err(_) => self.give_up(),
            }
        }
        self.buffer.clear();
        // Nothing is held by a container that is quiet.
        self.buffer.shrink_to(1024);
    }

    /// Takes back a write that came through in part, and opens the file anew next time: it
    /// may be on a disk that went away.
    fn give_up(&mut self) {
        if let Some(file) = self.file.take() {
            file.set_len(self.size).ok();
        }
    }

    fn open(&mut self) {
        if self.file.is_none() {
            self.reopen().ok();
        }
    }

    /// Opens the file anew, after somebody renamed it.
    ///
    /// # Errors
    /// Opening failed; the old file stays in use.
    pub fn reopen(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(&self.path)?;
        self.size = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Renames `.1` to `.2` and so on, the last one falling away, and begins an empty file. With
    /// one file allowed, that is emptied.
    fn rotate(&mut self) {
        if self.max_files < 2 {
            if let Some(file) = &self.file
                && file.set_len(0).is_ok()
            {
                self.size = 0;
            }
            return;
        }
        let last = numbered(&self.path, self.max_files - 1);
        if self.packer.is_some() {
            // Of the two forms of a file only one may be there to be replaced.
            fs::remove_file(&last).ok();
            fs::remove_file(packed(&last)).ok();
        }
        for number in (1..self.max_files - 1).rev() {
            let (from, to) = (numbered(&self.path, number), numbered(&self.path, number + 1));
            rename(&from, &to);
            if self.packer.is_some() {
                rename(&packed(&from), &packed(&to));
            }
        }
        rename(&self.path, &numbered(&self.path, 1));
        self.file = None;
        self.open();
        if let Some(packer) = &mut self.packer {
            packer.begin();
        }
    }
}

/// A file that is not there, or a disk that refuses, must not stop the log.
fn rename(from: &Path, to: &Path) {
    fs::rename(from, to).ok();
}

pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(log: &mut LogFile, text: &str) {
        log.append(|buffer| buffer.extend_from_slice(text.as_bytes()));
        log.flush();
    }

    #[test]
    fn a_file_never_grows_beyond_its_size_and_only_the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogFile::new(path.clone(), Some(20), 3);
        for number in 0..9 {
            entry(&mut log, &format!("entry {number}\n"));
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(read("log"), "entry 8\n");
        assert_eq!(read("log.1"), "entry 6\nentry 7\n");
        assert_eq!(read("log.2"), "entry 4\nentry 5\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn one_file_is_emptied_and_an_entry_larger_than_it_is_kept_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogFile::new(path.clone(), Some(10), 1);
        entry(&mut log, "short\n");
        entry(&mut log, "longer than ten\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "longer than ten\n");
    }

    #[test]
    fn a_log_goes_on_in_a_new_file_after_a_rename() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = LogFile::new(path.clone(), None, 1);
        entry(&mut log, "one\n");
        fs::rename(&path, folder.path().join("old")).unwrap();
        entry(&mut log, "two\n");
        log.reopen().unwrap();
        entry(&mut log, "three\n");
        assert_eq!(fs::read_to_string(folder.path().join("old")).unwrap(), "one\ntwo\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn a_disk_that_fails_loses_entries_and_nothing_else() {
        let mut full = LogFile::new("/dev/full".into(), None, 1);
        entry(&mut full, "lost\n");
        assert!(full.buffer.is_empty());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not-there/log");
        let mut log = LogFile::new(path.clone(), Some(100), 2);
        entry(&mut log, "lost\n");
        fs::create_dir(folder.path().join("not-there")).unwrap();
        entry(&mut log, "kept\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "kept\n");
    }
}
