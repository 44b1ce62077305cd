//! The log of a container's output: lines, their format, their file.
//!
//! - [`lines`]: cutting streams into lines;
//! - [`json_file`], [`cri`]: how a line is written;
//! - [`file`]: the file, its rotation, and a disk that fails.

mod cri;
mod file;
mod json_file;
mod lines;

use isopod_monitor_protocol::launch;
use isopod_monitor_protocol::time::Timestamp;

use file::LogFile;
use lines::{Line, Lines};

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

/// A container's log.
///
/// Nothing here fails: what a full or broken disk doesn't take is lost, whole lines of it, and
/// the container runs on.
#[derive(Debug)]
pub struct Log {
    file: LogFile,
    format: Format,
    /// What every line has besides, as it is written.
    attributes: Box<[u8]>,
    streams: [Lines; 2],
}

impl Log {
    /// The log that a launch asks for; `None` for none.
    pub fn open(config: &launch::Log) -> Option<Self> {
        let mut attributes = Vec::new();
        let (file, format): (_, Format) = match config {
            launch::Log::None => return None,
            launch::Log::JsonFile { path, max_size, max_files, attributes: given } => {
                attributes = json_file::attributes(given);
                (LogFile::new(path.clone(), *max_size, *max_files), json_file::write)
            }
            launch::Log::Cri { path } => (LogFile::new(path.clone(), None, 1), cri::write),
        };
        Some(Self { file, format, attributes: attributes.into(), streams: Default::default() })
    }

    /// Logs what a stream brought.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        let now = Timestamp::now();
        let (file, format, attributes) = (&mut self.file, self.format, &self.attributes);
        self.streams[stream as usize].feed(bytes, |line| {
            file.append(|buffer| format(buffer, &line, stream, now, attributes));
        });
        file.flush();
    }

    /// Logs what a stream that has ended left without a line's end.
    pub fn end(&mut self, stream: Stream) {
        let now = Timestamp::now();
        let (file, format, attributes) = (&mut self.file, self.format, &self.attributes);
        self.streams[stream as usize].end(|line| {
            file.append(|buffer| format(buffer, &line, stream, now, attributes));
        });
        file.flush();
    }

    /// Opens the file anew, after somebody renamed it.
    pub fn reopen(&mut self) -> std::io::Result<()> {
        self.file.reopen()
    }
}
