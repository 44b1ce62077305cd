//! Files that others replace: read again when there is another one under the name.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes; the names of some 50,000 containers.
const MOST: u64 = 4 << 20;

/// What tells one version of a file from the next: device, inode, time of change in seconds and
/// nanoseconds, size.
type Stamp = (u64, u64, i64, i64, u64);

/// What a file says.
#[derive(Debug)]
pub struct Replaced<T> {
    path: PathBuf,
    stamp: Option<Stamp>,
    value: T,
}

impl<T: Default> Replaced<T> {
    /// The file at `path`, not read yet.
    pub fn new(path: PathBuf) -> Self {
        Self { path, stamp: None, value: T::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says now, by `parse`. Nothing where there is no file; the same as before where `parse`
    /// makes nothing of it.
    pub fn read(&mut self, parse: impl FnOnce(Vec<u8>) -> Option<T>) -> &T {
        let Ok(now) = std::fs::metadata(&self.path) else {
            self.stamp = None;
            self.value = T::default();
            return &self.value;
        };
        if self.stamp != Some(stamp(&now))
            && let Some((stamp, bytes)) = open(&self.path)
        {
            self.stamp = Some(stamp);
            if let Some(value) = parse(bytes) {
                self.value = value;
            }
        }
        &self.value
    }

    /// What it said when it was last read.
    pub fn value(&self) -> &T {
        &self.value
    }
}

fn stamp(of: &Metadata) -> Stamp {
    (of.dev(), of.ino(), of.ctime(), of.ctime_nsec(), of.size())
}

fn open(path: &Path) -> Option<(Stamp, Vec<u8>)> {
    let file = File::open(path).ok()?;
    let about = file.metadata().ok().filter(|about| about.is_file() && about.len() <= MOST)?;
    let mut bytes = Vec::with_capacity(about.len().try_into().ok()?);
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    Some((stamp(&about), bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_and_only_when_it_was_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let write = |text: &str| {
            std::fs::write(folder.path().join("new"), text).unwrap();
            std::fs::rename(folder.path().join("new"), &path).unwrap();
        };
        let mut file = Replaced::<String>::new(path.clone());
        let parse = |bytes| String::from_utf8(bytes).ok();
        assert_eq!(file.read(parse), "");
        write("one");
        assert_eq!(file.read(parse), "one");
        assert_eq!(file.read(|_| panic!("it is the same file")), "one");
        write("two");
        assert_eq!(file.read(parse), "two");
        write("bad");
        assert_eq!(file.read(|_| None), "two");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.read(parse), "");
    }
}
