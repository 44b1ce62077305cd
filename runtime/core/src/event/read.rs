//! Reading the journal from its beginning and on, over rotations.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use isopod_monitor_protocol::journal::{self, Entry};

use crate::{Error, Result, Runtime};

/// The journal of an instance.
#[derive(Debug, Clone, Copy)]
pub struct Events<'a> {
    runtime: &'a Runtime,
}

impl Runtime {
    /// What has happened and happens.
    #[must_use]
    pub fn events(&self) -> Events<'_> {
        Events { runtime: self }
    }
}

impl Events<'_> {
    /// Where the journal lies; it may not be there yet.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.runtime.layout().journal()
    }

    /// From the oldest entry that is kept.
    ///
    /// # Errors
    /// The journal can't be opened.
    pub fn from_the_first(&self) -> Result<Reader> {
        let path = self.path();
        // In this order: one that is rotated in between is found under its second name.
        let current = open(&path)?;
        let older = open(&journal::rotated(&path))?;
        let mut reader = Reader { path, current: older, rest: String::new() };
        if reader.current.is_none() {
            reader.current = current;
        }
        Ok(reader)
    }

    /// Only what is recorded from now on.
    ///
    /// # Errors
    /// The journal can't be opened.
    pub fn from_now(&self) -> Result<Reader> {
        let path = self.path();
        let mut current = open(&path)?;
        if let Some(file) = &mut current {
            file.seek(SeekFrom::End(0)).map_err(Error::io("cannot read", &path))?;
        }
        Ok(Reader { path, current, rest: String::new() })
    }
}

/// Reads entries one after the other; several may read at once.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    current: Option<BufReader<File>>,
    /// A line whose end was not written yet.
    rest: String,
}

impl Reader {
    /// The next entry; `None` if there is none yet, and a later call may find one. Lines that are no
    /// entries (of a newer release, or cut by a full disk) are passed over.
    ///
    /// # Errors
    /// The journal can't be read.
    pub fn next_entry(&mut self) -> Result<Option<Entry>> {
        loop {
            if self.current.is_none() {
                self.current = open(&self.path)?;
            }
            let Some(file) = &mut self.current else { return Ok(None) };
            let mut line = Vec::new();
            file.read_until(b'\n', &mut line).map_err(Error::io("cannot read", &self.path))?;
            self.rest.push_str(&String::from_utf8_lossy(&line));
            if self.rest.ends_with('\n') {
                let line = std::mem::take(&mut self.rest);
                if let Ok(entry) = serde_json::from_str(&line) {
                    return Ok(Some(entry));
                }
            } else if !self.go_on_in_the_next()? {
                return Ok(None);
            }
        }
    }

    /// Whether the file that was read to its end is no longer the current one, and the next one is open.
    fn go_on_in_the_next(&mut self) -> Result<bool> {
        let failed = |error| Error::io("cannot look at", &self.path)(error);
        let Some(file) = &mut self.current else { return Ok(false) };
        let held = file.get_ref().metadata().map_err(failed)?;
        let is_current = |path: &Path| match fs::metadata(path) {
            Ok(named) => Ok(Some((named.dev(), named.ino()) == (held.dev(), held.ino()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        match is_current(&self.path).map_err(failed)? {
            Some(false) => {}
            // Moved away, or the new one is about to come.
            Some(true) | None => return Ok(false),
        }
        // Whoever had it open appends to it until it opens the new one.
        let at = file.stream_position().map_err(failed)?;
        if at < file.get_ref().metadata().map_err(failed)?.len() {
            return Ok(true);
        }
        self.rest.clear();
        self.current = open(&self.path)?;
        Ok(true)
    }
}

fn open(path: &Path) -> Result<Option<BufReader<File>>> {
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => {
            other.map(|file| Some(BufReader::new(file))).map_err(Error::io("cannot open", path))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(path: &Path) -> Reader {
        Reader { path: path.to_owned(), current: None, rest: String::new() }
    }

    fn entry(id: &str) -> Entry {
        Entry::now("container", "start", id)
    }

    fn rest(reader: &mut Reader) -> Vec<String> {
        std::iter::from_fn(|| reader.next_entry().unwrap()).map(|entry| entry.id).collect()
    }

    #[test]
    fn a_reader_goes_on_over_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut reader = reader(&path);
        assert_eq!(reader.next_entry().unwrap(), None, "there is no journal yet");
        journal::append(&path, &entry("a")).unwrap();
        assert_eq!(rest(&mut reader), ["a"]);
        journal::append(&path, &entry("b")).unwrap();
        fs::rename(&path, journal::rotated(&path)).unwrap();
        journal::append(&path, &entry("c")).unwrap();
        assert_eq!(rest(&mut reader), ["b", "c"]);
    }

    #[test]
    fn a_line_is_read_when_it_is_whole_and_what_is_none_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let line = serde_json::to_string(&entry("a")).unwrap();
        fs::write(&path, format!("rubbish\n{}", &line[..20])).unwrap();
        let mut reader = reader(&path);
        assert_eq!(rest(&mut reader), [""; 0]);
        fs::write(&path, format!("rubbish\n{line}\n")).unwrap();
        assert_eq!(rest(&mut reader), ["a"]);
    }

    #[test]
    fn a_full_journal_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        File::create(&path).unwrap().set_len(journal::LIMIT + 1).unwrap();
        journal::append(&path, &entry("a")).unwrap();
        assert_eq!(rest(&mut reader(&path)), ["a"]);
        assert!(journal::rotated(&path).exists());
    }
}
