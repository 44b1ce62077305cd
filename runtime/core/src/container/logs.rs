//! Reading a container's log: json-file lines from the oldest rotated file to the current one, compressed or
//! not, and on from there while it runs.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flate2::bufread::GzDecoder;
use isopod_monitor_protocol::launch::{Origin, PACKED};
use serde::Deserialize;

use super::{Container, LogConfig};
use crate::{Error, Result};

/// How often a followed log is looked at. The monitor writes to a plain file, and looking is one
/// `read` that returns nothing.
const POLL: Duration = Duration::from_millis(50);

/// Which lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on until the container ends.
    pub follow: bool,
    /// Only the last so many.
    pub tail: Option<u64>,
    /// Not older.
    pub since: Option<DateTime<Utc>>,
    /// Not newer.
    pub until: Option<DateTime<Utc>>,
}

/// Which of the process's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line, or a part of one that was too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub time: DateTime<Utc>,
    /// Where.
    pub stream: Stream,
    /// Its text, with its newline if it has one.
    pub text: String,
    /// What the log says of the container beside it.
    pub attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct JsonLine {
    log: String,
    stream: Stream,
    time: DateTime<Utc>,
    #[serde(default)]
    attrs: BTreeMap<String, String>,
}

impl Container<'_> {
    /// Hands lines to `sink` until it breaks, the log ends, or for a followed one the container does.
    ///
    /// # Errors
    /// It keeps no log; the files can't be read. A damaged line is handed over as it is, so that the
    /// others can still be read.
    pub fn logs(
        &self,
        options: LogOptions,
        sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>,
    ) -> Result<()> {
        let (
            Some(path),
            LogConfig::JsonFile { max_files, .. } | LogConfig::Local { max_files, .. },
        ) = (self.log_path(), &self.record.log)
        else {
            return Err(Error::Unsupported(format!(
                "container {} keeps no log (its log driver is \"none\")",
                self.name()
            )));
        };
        let mut follower = Follower::open(&path, *max_files)?;
        // Before the lines are read, so that none of a container that ends meanwhile is missed.
        let mut alive = options.follow && self.status()?.phase.is_alive();
        let wanted = |line: &LogLine| {
            options.since.is_none_or(|since| line.time >= since)
                && options.until.is_none_or(|until| line.time <= until)
        };
        if let Some(tail) = options.tail {
            let mut last = VecDeque::new();
            let drained = follower.drain(&mut |line| {
                if wanted(&line) {
                    last.push_back(line);
                    if last.len() as u64 > tail {
                        last.pop_front();
                    }
                }
                ControlFlow::Continue(())
            })?;
            debug_assert!(drained.is_continue(), "the sink above never breaks");
            for line in last {
                if sink(line).is_break() {
                    return Ok(());
                }
            }
        }
        let mut pass = |line: LogLine| match wanted(&line) {
            true => sink(line),
            false => ControlFlow::Continue(()),
        };
        loop {
            if follower.drain(&mut pass)?.is_break() || !alive {
                return Ok(());
            }
            if options.until.is_some_and(|until| until < Utc::now()) {
                return Ok(());
            }
            std::thread::sleep(POLL);
            alive = self.status()?.phase.is_alive();
        }
    }
}

/// Reads the files of a log in order, across rotations.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    max_files: u32,
    /// Files still to be read before the current one, oldest first.
    older: VecDeque<Rotated>,
    current: Option<BufReader<File>>,
    /// A line whose end has not been written yet.
    unfinished: Vec<u8>,
}

impl Follower {
    /// The log whose current file is at `path`, with at most `max_files` files in all.
    ///
    /// # Errors
    /// A file is there and can't be opened.
    pub fn open(path: &Path, max_files: u32) -> Result<Self> {
        let mut follower = Self {
            path: path.to_owned(),
            max_files,
            older: VecDeque::new(),
            current: None,
            unfinished: Vec::new(),
        };
        follower.go_on_after(None)?;
        Ok(follower)
    }

    /// Goes on after a file that was rotated away, perhaps several rotations ago: with those that came
    /// between it and the current one, and then that. With none, begins with the oldest.
    fn go_on_after(&mut self, read: Option<&File>) -> Result<()> {
        let failed = |error| Error::io("cannot look at", &self.path)(error);
        let inode = |file: &File| file.metadata().map(|metadata| metadata.ino());
        let read = read.map(File::metadata).transpose().map_err(failed)?;
        let read = read.as_ref().map(Origin::of);
        loop {
            let mut between: VecDeque<Rotated> = VecDeque::new();
            let current = open(&self.path)?;
            for number in 1..self.max_files {
                // Where there is none, one has just moved on.
                let Some(file) = Rotated::open(&self.path, number)? else { continue };
                if Some(file.origin) == read {
                    break;
                }
                if !between.iter().any(|seen| seen.origin == file.origin) {
                    between.push_front(file);
                }
            }
            // Had another rotation come meanwhile, a file might be missed or read twice.
            let again = open(&self.path)?;
            let of = |file: &Option<File>| file.as_ref().map(inode).transpose().map_err(failed);
            if of(&current)? == of(&again)? {
                self.older = between;
                self.current = current.map(BufReader::new);
                return Ok(());
            }
        }
    }

    /// Hands all lines that are there now to `sink`; the next call goes on behind them.
    ///
    /// # Errors
    /// A file can't be read.
    pub fn drain(
        &mut self,
        sink: &mut dyn FnMut(LogLine) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        loop {
            while let Some(file) = self.older.pop_front() {
                let mut reader = file.reader();
                while let Some(line) = self.next_line(&mut *reader)? {
                    if sink(line).is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                self.unfinished.clear();
            }
            let Some(mut reader) = self.current.take() else {
                match open(&self.path)? {
                    Some(file) => self.current = Some(BufReader::new(file)),
                    None => return Ok(ControlFlow::Continue(())),
                }
                continue;
            };
            while let Some(line) = self.next_line(&mut reader)? {
                if sink(line).is_break() {
                    self.current = Some(reader);
                    return Ok(ControlFlow::Break(()));
                }
            }
            let rotated = self.was_rotated(reader.get_mut())?;
            if !rotated {
                self.current = Some(reader);
                return Ok(ControlFlow::Continue(()));
            }
            // What was written between our last read and the rotation.
            while let Some(line) = self.next_line(&mut reader)? {
                if sink(line).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            self.unfinished.clear();
            self.go_on_after(Some(reader.get_ref()))?;
        }
    }

    fn next_line(&mut self, reader: &mut dyn BufRead) -> Result<Option<LogLine>> {
        reader
            .read_until(b'\n', &mut self.unfinished)
            .map_err(Error::io("cannot read", &self.path))?;
        if self.unfinished.last() != Some(&b'\n') {
            return Ok(None);
        }
        let bytes = std::mem::take(&mut self.unfinished);
        Ok(Some(match serde_json::from_slice::<JsonLine>(&bytes) {
            Ok(line) => LogLine {
                time: line.time,
                stream: line.stream,
                text: line.log,
                attributes: line.attrs,
            },
            Err(_) => LogLine {
                time: DateTime::UNIX_EPOCH,
                stream: Stream::Stderr,
                text: String::from_utf8_lossy(&bytes).into_owned(),
                attributes: BTreeMap::new(),
            },
        }))
    }

    /// Whether another file, or an emptied one, is at the path now.
    fn was_rotated(&self, file: &mut File) -> Result<bool> {
        let failed = |error| Error::io("cannot look at", &self.path)(error);
        let ours = file.metadata().map_err(failed)?;
        match std::fs::metadata(&self.path) {
            Ok(theirs) => {
                let position = file.stream_position().map_err(failed)?;
                if theirs.ino() == ours.ino() && theirs.len() < position {
                    file.seek(SeekFrom::Start(0)).map_err(failed)?;
                }
                Ok(theirs.ino() != ours.ino() || theirs.dev() != ours.dev())
            }
            // Between the two renames of a rotation.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

/// A file that was rotated away.
#[derive(Debug)]
struct Rotated {
    file: File,
    is_packed: bool,
    /// A packed one says which one it was.
    origin: Origin,
}

impl Rotated {
    /// The file that was current `number` rotations ago. As long as both are there, the one that was packed is the
    /// one to be read.
    fn open(path: &Path, number: u32) -> Result<Option<Self>> {
        let plain = rotated(path, number, "");
        let packed = rotated(path, number, PACKED);
        let (file, at, is_packed) = match open(&plain)? {
            Some(file) => (file, plain, false),
            None => match open(&packed)? {
                Some(file) => (file, packed, true),
                None => return Ok(None),
            },
        };
        let failed = |error| Error::io("cannot read", &at)(error);
        let own = Origin::of(&file.metadata().map_err(failed)?);
        let mut head = [0; 64];
        let said = match is_packed {
            false => None,
            true => {
                let length = file.read_at(&mut head, 0).map_err(failed)?;
                GzDecoder::new(&head[..length]).header().and_then(|of| Origin::parse(of.extra()?))
            }
        };
        Ok(Some(Self { file, is_packed, origin: said.unwrap_or(own) }))
    }

    fn reader(self) -> Box<dyn BufRead> {
        let file = BufReader::new(self.file);
        match self.is_packed {
            true => Box::new(BufReader::new(GzDecoder::new(file))),
            false => Box::new(file),
        }
    }
}

/// Where the file that was current `number` rotations ago lies, packed or not.
fn rotated(path: &Path, number: u32, packed: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}{packed}"));
    name.into()
}

fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("cannot open", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, GzBuilder};

    use super::*;

    fn line(number: u32) -> String {
        format!(
            "{{\"log\":\"{number}\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:00Z\"}}\n"
        )
    }

    fn read(follower: &mut Follower) -> Vec<u32> {
        let mut numbers = Vec::new();
        let end = follower.drain(&mut |line| {
            numbers.push(line.text.parse().unwrap());
            ControlFlow::Continue(())
        });
        assert!(end.unwrap().is_continue());
        numbers
    }

    /// As the monitor packs a file, up to the removal of the original.
    fn pack(path: &Path) {
        let origin = Origin::of(&std::fs::metadata(path).unwrap());
        let mut packed = path.as_os_str().to_owned();
        packed.push(PACKED);
        let file = File::create(packed).unwrap();
        let mut encoder = GzBuilder::new().extra(origin.field()).write(file, Compression::fast());
        encoder.write_all(&std::fs::read(path).unwrap()).unwrap();
        encoder.finish().unwrap();
    }

    /// A monitor may be killed when a file's packed form lies beside it, and who follows a log finds the
    /// file that it was reading packed.
    #[test]
    fn every_file_is_read_once_in_whatever_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let at = |number: u32| rotated(&path, number, "");
        for number in 1..=3 {
            std::fs::write(at(number), line(4 - number)).unwrap();
        }
        std::fs::write(&path, line(4)).unwrap();
        let mut follower = Follower::open(&path, 5).unwrap();
        assert_eq!(read(&mut follower), [1, 2, 3, 4]);
        // The one that was read is packed, and three rotations go by of which one is packed.
        for number in (1..=3).rev() {
            std::fs::remove_file(at(number)).unwrap();
        }
        std::fs::rename(&path, at(3)).unwrap();
        pack(&at(3));
        std::fs::remove_file(at(3)).unwrap();
        std::fs::write(at(2), line(5)).unwrap();
        pack(&at(2));
        std::fs::write(at(1), line(6)).unwrap();
        std::fs::write(&path, line(7)).unwrap();
        assert_eq!(read(&mut follower), [5, 6, 7]);
        std::fs::remove_file(at(2)).unwrap();
        assert_eq!(read(&mut Follower::open(&path, 5).unwrap()), [4, 5, 6, 7]);
    }
}
