//! A blob on its way into the store.
//!
//! One process at a time brings a blob in: it holds the lock beside the partial file for as long as it
//! works, and the others wait and then find the blob there. What arrived stays when a transfer ends
//! early, and the next one goes on behind it; whether the whole is right is only known at its end.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use isopod_image::digest::Digest;
use isopod_sys::lock::Lock;
use isopod_sys::step::step;

use super::Content;
use crate::{Error, Result};

/// The right to bring one blob in.
#[derive(Debug)]
pub struct Ingest {
    content: Content,
    digest: Digest,
    partial: PathBuf,
    lock_path: PathBuf,
    file: File,
    offset: u64,
    /// Committed or discarded: its files are not ours any more.
    ended: bool,
    _lock: Lock,
}

/// What a transfer of another time or process left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partial {
    /// The blob it is part of.
    pub digest: Digest,
    /// Bytes so far.
    pub size: u64,
    /// When the last of them arrived.
    pub updated: DateTime<Utc>,
}

/// What came of asking for the right.
#[derive(Debug)]
pub enum Begin {
    /// The blob is in the store.
    Exists,
    /// It is ours to bring in.
    Ours(Box<Ingest>),
    /// Another process is at it.
    Busy,
}

impl Content {
    /// Asks for the right to bring `digest` in. With `wait`, blocks while another process has it.
    ///
    /// # Errors
    /// Files in the ingest folder can't be opened or locked.
    pub fn begin(&self, digest: &Digest, wait: bool) -> Result<Begin> {
        if self.size(digest)?.is_some() {
            return Ok(Begin::Exists);
        }
        let name = format!("{}-{}", digest.algorithm().as_str(), digest.hex());
        let partial = self.ingest_folder().join(&name);
        let lock_path = self.ingest_folder().join(format!("{name}.lock"));
        let lock = if wait {
            Some(Lock::exclusive(&lock_path))
        } else {
            Lock::try_exclusive(&lock_path).transpose()
        };
        let Some(lock) = lock else { return Ok(Begin::Busy) };
        let lock = lock.map_err(Error::io("cannot lock", &lock_path))?;
        if self.size(digest)?.is_some() {
            fs::remove_file(&lock_path).map_err(Error::io("cannot remove", &lock_path))?;
            return Ok(Begin::Exists);
        }
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&partial)
            .map_err(Error::io("cannot open", &partial))?;
        let offset = file.metadata().map_err(Error::io("cannot look at", &partial))?.len();
        Ok(Begin::Ours(Box::new(Ingest {
            content: self.clone(),
            digest: digest.clone(),
            partial,
            lock_path,
            file,
            offset,
            ended: false,
            _lock: lock,
        })))
    }

    /// Transfers that ended early or are under way.
    ///
    /// # Errors
    /// The ingest folder can't be read.
    pub fn partials(&self) -> Result<Vec<Partial>> {
        let folder = self.ingest_folder();
        let mut partials = Vec::new();
        for entry in fs::read_dir(&folder).map_err(Error::io("cannot list", &folder))? {
            let entry = entry.map_err(Error::io("cannot list", &folder))?;
            let name = entry.file_name().to_string_lossy().replacen('-', ":", 1);
            let (Ok(digest), Ok(metadata)) = (name.parse::<Digest>(), entry.metadata()) else {
                continue;
            };
            let updated = metadata.modified().map_or(DateTime::UNIX_EPOCH, DateTime::from);
            partials.push(Partial { digest, size: metadata.len(), updated });
        }
        partials.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(partials)
    }

    /// Removes what ended transfers left before `before`; those under way are kept. The caller holds the
    /// collection's lock alone.
    ///
    /// # Errors
    /// The ingest folder can't be read or a file can't be removed.
    pub(crate) fn remove_partials(&self, before: DateTime<Utc>) -> Result<Vec<(Digest, u64)>> {
        let mut removed = Vec::new();
        for partial in self.partials()? {
            if partial.updated >= before {
                continue;
            }
            if let Begin::Ours(ingest) = self.begin(&partial.digest, false)? {
                ingest.discard()?;
                removed.push((partial.digest, partial.size));
            }
        }
        self.remove_spools()?;
        self.remove_locks()?;
        Ok(removed)
    }
}

impl Content {
    /// Removes what imports and commits left that were killed: nobody could go on with it. Those that live
    /// keep the collector away.
    fn remove_spools(&self) -> Result<()> {
        let folder = self.ingest_folder();
        for entry in fs::read_dir(&folder).map_err(Error::io("cannot list", &folder))? {
            let entry = entry.map_err(Error::io("cannot list", &folder))?;
            if entry.file_name().to_string_lossy().starts_with(SPOOL) {
                let path = entry.path();
                fs::remove_file(&path).map_err(Error::io("cannot remove", &path))?;
            }
        }
        Ok(())
    }
}

impl Content {
    /// Removes locks that nobody holds: of transfers that were killed just after their end.
    fn remove_locks(&self) -> Result<()> {
        let folder = self.ingest_folder();
        for entry in fs::read_dir(&folder).map_err(Error::io("cannot list", &folder))? {
            let path = entry.map_err(Error::io("cannot list", &folder))?.path();
            if path.extension().is_none_or(|extension| extension != "lock") {
                continue;
            }
            let lock = Lock::try_exclusive(&path).map_err(Error::io("cannot lock", &path))?;
            if lock.is_some() {
                fs::remove_file(&path).map_err(Error::io("cannot remove", &path))?;
            }
        }
        Ok(())
    }
}

const SPOOL: &str = "spool-";

/// Bytes whose digest is known only when all of them are there.
#[derive(Debug)]
pub struct Spool {
    content: Content,
    path: PathBuf,
    file: File,
}

impl Content {
    /// A place for bytes of unknown digest. The caller keeps the collector away.
    ///
    /// # Errors
    /// Its file can't be made.
    pub(crate) fn spool(&self) -> Result<Spool> {
        let path = self.ingest_folder().join(format!("{SPOOL}{}", &crate::id::random()[..16]));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("cannot make", &path))?;
        Ok(Spool { content: self.clone(), path, file })
    }
}

impl Spool {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// They can't be written.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io("cannot write", &self.path))?;
        step("spool.grown");
        Ok(())
    }

    /// Puts them in their place, now that the caller knows it.
    ///
    /// # Errors
    /// Syncing or renaming failed.
    pub(crate) fn commit(self, digest: &Digest) -> Result<()> {
        if self.content.size(digest)?.is_some() {
            return Ok(());
        }
        self.file.sync_data().map_err(Error::io("cannot sync", &self.path))?;
        step("blob.synced");
        place(&self.path, &self.content.path(digest))
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // After a commit it is not there any more.
        fs::remove_file(&self.path).ok();
    }
}

/// Renames a synced file into the blobs' folder, durably.
fn place(from: &std::path::Path, target: &std::path::Path) -> Result<()> {
    fs::rename(from, target).map_err(Error::io("cannot commit", target))?;
    step("blob.renamed");
    let folder = target.parent().expect("a blob lies in its algorithm's folder");
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("cannot sync", folder))?;
    step("blob.committed");
    Ok(())
}

impl Ingest {
    /// How many bytes an earlier transfer left, to be gone over before new ones are added.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// A second descriptor, for reading what is there from its beginning.
    ///
    /// # Errors
    /// The partial file can't be opened.
    pub fn reader(&self) -> Result<File> {
        File::open(&self.partial).map_err(Error::io("cannot open", &self.partial))
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    /// They can't be written (a full disk, say); what was there stays.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io("cannot write", &self.partial))?;
        self.offset += bytes.len() as u64;
        step("blob.partial");
        Ok(())
    }

    /// Syncs the blob and puts it in its place. The caller has verified its digest.
    ///
    /// # Errors
    /// Syncing or renaming failed.
    pub fn commit(mut self) -> Result<()> {
        self.file.sync_data().map_err(Error::io("cannot sync", &self.partial))?;
        step("blob.synced");
        place(&self.partial, &self.content.path(&self.digest))?;
        self.ended = true;
        fs::remove_file(&self.lock_path).map_err(Error::io("cannot remove", &self.lock_path))
    }

    /// Removes what arrived: it turned out to be wrong.
    ///
    /// # Errors
    /// The files can't be removed.
    pub fn discard(mut self) -> Result<()> {
        self.ended = true;
        for path in [&self.partial, &self.lock_path] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("cannot remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Ingest {
    /// What arrived stays for the next transfer, which makes a lock of its own.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if self.offset == 0 {
            fs::remove_file(&self.partial).ok();
        }
        fs::remove_file(&self.lock_path).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    fn content(folder: &std::path::Path) -> Content {
        let layout = Layout::new(folder.join("root"), folder.join("state"));
        let content = Content::new(&layout);
        content.prepare().unwrap();
        content
    }

    fn ours(content: &Content, digest: &Digest) -> Box<Ingest> {
        match content.begin(digest, false).unwrap() {
            Begin::Ours(ingest) => ingest,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_interrupted_transfer_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let content = content(folder.path());
        let digest = Digest::sha256(b"hello world");
        ours(&content, &digest).append(b"hello ").unwrap();
        let mut ingest = ours(&content, &digest);
        assert_eq!(ingest.offset(), 6);
        assert_eq!(content.partials().unwrap()[0].size, 6);
        ingest.append(b"world").unwrap();
        ingest.commit().unwrap();
        assert_eq!(content.document(&digest, 100, "test").unwrap(), b"hello world");
        assert!(matches!(content.begin(&digest, true).unwrap(), Begin::Exists));
        assert_eq!(fs::read_dir(content.ingest_folder()).unwrap().count(), 0);
    }

    #[test]
    fn only_one_at_a_time_brings_a_blob_in() {
        let folder = tempfile::tempdir().unwrap();
        let content = content(folder.path());
        let digest = Digest::sha256(b"x");
        let held = ours(&content, &digest);
        assert!(matches!(content.begin(&digest, false).unwrap(), Begin::Busy));
        drop(held);
        ours(&content, &digest).discard().unwrap();
        assert_eq!(fs::read_dir(content.ingest_folder()).unwrap().count(), 0);
    }

    #[test]
    fn many_waiters_see_one_transfer() {
        let folder = tempfile::tempdir().unwrap();
        let content = content(folder.path());
        let digest = Digest::sha256(b"once");
        let transfers = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| match content.begin(&digest, true).unwrap() {
                    Begin::Exists => {}
                    Begin::Busy => panic!("asked to wait"),
                    Begin::Ours(mut ingest) => {
                        transfers.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                        ingest.append(b"once").unwrap();
                        ingest.commit().unwrap();
                    }
                });
            }
        });
        assert_eq!(transfers.into_inner(), 1);
    }

    #[test]
    fn a_damaged_document_is_named_and_refused() {
        let folder = tempfile::tempdir().unwrap();
        let content = content(folder.path());
        let digest = Digest::sha256(b"{}");
        content.store(&digest, b"{}").unwrap();
        fs::write(content.path(&digest), b"[]").unwrap();
        let error = content.document(&digest, 100, "image x").unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error}");
        assert!(matches!(
            content.document(&Digest::sha256(b"other"), 100, "image x"),
            Err(Error::MissingBlob { .. })
        ));
    }
}
