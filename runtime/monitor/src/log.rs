//! The log of a container's output: lines, their format, their file.
//!
//! - [`lines`]: cutting streams into lines;
//! - [`json_file`], [`cri`]: how a line is written;
//! - [`file`]: the file, its rotation, and a disk that fails;
//! - [`packer`]: compressing what was rotated;
//! - [`writer`]: the file in a child's hands, where no disk may hold the container up.

mod cri;
mod file;
mod json_file;
mod lines;
mod packer;
mod writer;

use std::rc::Rc;
use std::time::Duration;

use isopod_monitor_protocol::launch;
use isopod_monitor_protocol::time::Timestamp;

use rustix::process::{Pid, WaitStatus};

use crate::poll::Poller;
use file::LogFile;
use lines::{Line, Lines};
use packer::Packer;
use writer::Writer;

/// How long the end of a monitor waits for what is still to be packed: the next one goes on with it.
const LAST_PACKING: Duration = Duration::from_secs(1);

/// Which of a process's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, or all output of a terminal.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// Its name in both formats.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

type Format = fn(&mut Vec<u8>, &Line<'_>, Stream, Timestamp, &[u8]);

/// Who has the file.
#[derive(Debug)]
enum Keeper {
    Us(LogFile),
    Child(Writer),
}

impl Keeper {
    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        match self {
            Self::Us(file) => file.append(write),
            Self::Child(writer) => writer.append(write),
        }
    }

    fn flush(&mut self) {
        match self {
            Self::Us(file) => file.flush(),
            Self::Child(writer) => writer.pump(),
        }
    }
}

/// A container's log.
///
/// Nothing here fails: what a full or broken disk doesn't take is lost, whole lines of it, and
/// the container runs on.
#[derive(Debug)]
pub struct Log {
    keeper: Keeper,
    format: Format,
    /// What every line has besides, as it is written.
    attributes: Box<[u8]>,
    streams: [Lines; 2],
}

impl Log {
    /// The log that a launch asks for; `None` for none.
    pub fn open(config: &launch::Log, poller: &Rc<Poller>) -> Option<Self> {
        let mut attributes = Vec::new();
        let (keeper, format): (_, Format) = match config {
            launch::Log::None => return None,
            launch::Log::JsonFile {
                path,
                max_size,
                max_files,
                attributes: given,
                compress,
                max_buffer,
            } => {
                attributes = json_file::attributes(given);
                let mut file = LogFile::new(path.clone(), *max_size, *max_files);
                if *compress {
                    file = file.packing();
                }
                let keeper = match max_buffer {
                    None => Keeper::Us(file),
                    Some(limit) => Keeper::Child(Writer::fork(file, *limit, poller)),
                };
                (keeper, json_file::write)
            }
            launch::Log::Cri { path } => {
                (Keeper::Us(LogFile::new(path.clone(), None, 1)), cri::write)
            }
        };
        Some(Self { keeper, format, attributes: attributes.into(), streams: Default::default() })
    }

    /// Logs what a stream brought.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let now = Timestamp::now();
        let (keeper, format, attributes) = (&mut self.keeper, self.format, &self.attributes);
        self.streams[stream as usize].feed(bytes, |line| {
            keeper.append(|buffer| format(buffer, &line, stream, now, attributes));
        });
        keeper.flush();
    }

    /// Logs what a stream that has ended left without a line's end.
    pub fn end(&mut self, stream: Stream) {
        let now = Timestamp::now();
        let (keeper, format, attributes) = (&mut self.keeper, self.format, &self.attributes);
        self.streams[stream as usize].end(|line| {
            keeper.append(|buffer| format(buffer, &line, stream, now, attributes));
        });
        keeper.flush();
    }

    /// Hands on what a child didn't take before.
    pub fn pump(&mut self) {
        self.keeper.flush();
    }

    /// Whether the child that ended was this log's.
    pub fn child_ended(&mut self, pid: Pid, status: WaitStatus) -> bool {
        match &mut self.keeper {
            Keeper::Us(file) => file.child_ended(pid, status),
            Keeper::Child(writer) => writer.child_ended(pid),
        }
    }

    /// Opens the file anew, after somebody renamed it.
    pub fn reopen(&mut self) -> std::io::Result<()> {
        match &mut self.keeper {
            Keeper::Us(file) => file.reopen(),
            Keeper::Child(writer) => {
                writer.reopen();
                Ok(())
            }
        }
    }
}

/// Packs what the log of a container that has ended still has to be packed, if that is soon done.
pub fn pack_rest(config: &launch::Log) {
    if let launch::Log::JsonFile { path, max_files, compress: true, .. } = config {
        Packer::new(path.clone(), *max_files).finish(LAST_PACKING);
    }
}
