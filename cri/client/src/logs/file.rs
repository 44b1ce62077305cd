//! A log file from some place on, and its successor when it is rotated.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::LogError;

/// How much is read at once on the way from the end to the beginning of a tail, in bytes.
const BLOCK: u64 = 8 * 1024;
/// How much of a line that can't be read is shown, in bytes.
const SHOWN: usize = 80;

/// A file that is read line by line.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    reader: BufReader<File>,
    inode: u64,
    /// Bytes that have been handed out, or were skipped.
    position: u64,
    /// The beginning of a line whose end is not written yet.
    begun: Vec<u8>,
}

impl LogFile {
    /// Opens a log; with `tail`, at that number of lines before its end.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(path: &Path, tail: Option<u64>) -> Result<Self, LogError> {
        let fail = |source| LogError::File { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(fail)?;
        let inode = file.metadata().map_err(fail)?.ino();
        let position = match tail {
            Some(lines) => start_of_tail(&mut file, lines).map_err(fail)?,
            None => 0,
        };
        file.seek(SeekFrom::Start(position)).map_err(fail)?;
        let reader = BufReader::new(file);
        Ok(Self { path: path.to_owned(), reader, inode, position, begun: Vec::new() })
    }

    /// The next whole line, its line feed included; nothing where none has been written yet.
    ///
    /// # Errors
    /// The file system's.
    pub fn line(&mut self) -> Result<Option<Vec<u8>>, LogError> {
        let read = self.reader.read_until(b'\n', &mut self.begun);
        self.position += read.map_err(|source| self.error(source))? as u64;
        if self.begun.last() != Some(&b'\n') {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.begun)))
    }

    /// What stands at the end without a line feed: of interest once nobody writes any more.
    pub fn rest(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.begun);
        (!rest.is_empty()).then_some(rest)
    }

    /// Goes on with the file that has the log's name now, if that is another one, or from its beginning if it was cut
    /// short; says whether there is something new to read for that reason.
    ///
    /// To be called after the end of this one was seen, and [`LogFile::line`] once more before: what is
    /// rotated away was written to until then.
    ///
    /// # Errors
    /// The file system's. That the name is missing for a moment is none.
    pub fn follow_rotation(&mut self) -> Result<bool, LogError> {
        let now = match std::fs::metadata(&self.path) {
            Ok(now) => now,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(source) => return Err(self.error(source)),
        };
        if now.ino() != self.inode {
            match Self::open(&self.path, None) {
                Ok(successor) => *self = successor,
                Err(LogError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
            return Ok(true);
        }
        if now.len() < self.position {
            self.reader.rewind().map_err(|source| self.error(source))?;
            self.position = 0;
            self.begun.clear();
            return Ok(true);
        }
        Ok(false)
    }

    /// That a line of this file is of another format.
    #[must_use]
    pub fn malformed(&self, line: &[u8]) -> LogError {
        let line = String::from_utf8_lossy(&line[..line.len().min(SHOWN)]).trim_end().to_owned();
        LogError::Format { path: self.path.clone(), line }
    }

    fn error(&self, source: io::Error) -> LogError {
        LogError::File { path: self.path.clone(), source }
    }
}

/// Where the last `lines` lines begin; a line without its line feed at the end counts as one.
fn start_of_tail(file: &mut File, lines: u64) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if lines == 0 {
        return Ok(length);
    }
    let mut end = length;
    let mut feeds = 0;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut block = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        for (index, byte) in block.iter().enumerate().rev() {
            let position = start + index as u64;
            if *byte != b'\n' || position + 1 == length {
                continue;
            }
            feeds += 1;
            if feeds == lines {
                return Ok(position + 1);
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    struct Log {
        folder: tempfile::TempDir,
    }

    impl Log {
        fn new(text: &str) -> Self {
            let log = Self { folder: tempfile::tempdir().unwrap() };
            fs::write(log.path(), text).unwrap();
            log
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("0.log")
        }

        fn append(&self, text: &str) {
            let mut file = File::options().append(true).create(true).open(self.path()).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn rotate(&self) {
            fs::rename(self.path(), self.folder.path().join("0.log.20260101")).unwrap();
        }
    }

    fn lines(file: &mut LogFile) -> String {
        let mut text = Vec::new();
        while let Some(line) = file.line().unwrap() {
            text.extend(line);
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn a_tail_begins_that_many_lines_before_the_end() {
        let long = "x".repeat(20_000);
        let log = Log::new(&format!("1\n{long}\n3\n4\n"));
        let tail = |count| lines(&mut LogFile::open(&log.path(), Some(count)).unwrap());
        assert_eq!(tail(0), "");
        assert_eq!(tail(1), "4\n");
        assert_eq!(tail(2), "3\n4\n");
        assert_eq!(tail(3), format!("{long}\n3\n4\n"));
        assert_eq!(tail(4), format!("1\n{long}\n3\n4\n"));
        assert_eq!(tail(9), format!("1\n{long}\n3\n4\n"));
        let mut empty = LogFile::open(&Log::new("").path(), Some(3)).unwrap();
        assert_eq!(empty.line().unwrap(), None);
    }

    #[test]
    fn a_line_is_handed_out_when_it_is_whole() {
        let log = Log::new("1\n2");
        let mut file = LogFile::open(&log.path(), None).unwrap();
        assert_eq!(lines(&mut file), "1\n");
        log.append("3\n4");
        assert_eq!(lines(&mut file), "23\n");
        assert_eq!(file.rest().unwrap(), b"4");
        assert_eq!(file.rest(), None);
    }

    #[test]
    fn reading_goes_on_in_the_successor_and_in_what_was_cut_short() {
        let log = Log::new("1\n");
        let mut file = LogFile::open(&log.path(), None).unwrap();
        assert_eq!(lines(&mut file), "1\n");
        assert!(!file.follow_rotation().unwrap());
        log.append("2\n");
        log.rotate();
        assert!(!file.follow_rotation().unwrap(), "the name is missing for a moment");
        assert_eq!(lines(&mut file), "2\n");
        log.append("3\n");
        assert!(file.follow_rotation().unwrap());
        assert_eq!(lines(&mut file), "3\n");
        fs::write(log.path(), "").unwrap();
        assert!(file.follow_rotation().unwrap());
        log.append("4\n");
        assert_eq!(lines(&mut file), "4\n");
    }

    #[test]
    fn a_log_that_is_not_there_is_named() {
        let error = LogFile::open(Path::new("/nowhere/0.log"), None).unwrap_err();
        assert_eq!(error.to_string(), "cannot read log \"/nowhere/0.log\"");
    }
}
