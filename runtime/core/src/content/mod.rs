//! Blobs by digest, in a plain OCI image layout (image-spec, image-layout.md) that any
//! OCI tool can read.
//!
//! A blob is written beside its place, verified, synced and renamed: what lies under
//! `blobs/` is whole. [`ingest`] has the way in, [`index`] keeps `index.json`.

pub mod index;
pub mod ingest;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use isopod_image::digest::{Algorithm, Digest, Digester};
use isopod_sys::atomic::{self, Durability};

use crate::layout::{Layout, private_folder};
use crate::{Error, Result};

/// A blob in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// What it is called and what it hashes to.
    pub digest: Digest,
    /// Bytes.
    pub size: u64,
    /// When it was committed.
    pub created: DateTime<Utc>,
}

/// The blobs of one instance.
#[derive(Debug, Clone)]
pub struct Content {
    folder: PathBuf,
}

impl Content {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self { folder: layout.content() }
    }

    /// Makes the folders and the `oci-layout` marker.
    pub(crate) fn prepare(&self) -> Result<()> {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let folder = self.folder.join("blobs").join(algorithm.as_str());
            private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
        }
        let ingest = self.ingest_folder();
        private_folder(&ingest).map_err(Error::io("cannot make", &ingest))?;
        let marker = self.folder.join("oci-layout");
        if !marker.exists() {
            atomic::write(&marker, br#"{"imageLayoutVersion":"1.0.0"}"#, 0o600, Durability::Power)
                .map_err(Error::io("cannot write", &marker))?;
        }
        Ok(())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn ingest_folder(&self) -> PathBuf {
        self.folder.join("ingest")
    }

    /// Where the blob lies, if it is there.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs").join(digest.algorithm().as_str()).join(digest.hex())
    }

    /// Its size, if it is there.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn size(&self, digest: &Digest) -> Result<Option<u64>> {
        let path = self.path(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("cannot look at", &path)(error)),
        }
    }

    /// Opens it for reading.
    ///
    /// # Errors
    /// [`Error::NotFound`]; or it can't be opened.
    pub fn open(&self, digest: &Digest) -> Result<File> {
        let path = self.path(digest);
        File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NotFound { what: "blob", name: digest.to_string() },
            _ => Error::io("cannot open", &path)(error),
        })
    }

    /// Reads a document, verified against its digest; `owner` names who refers to it.
    ///
    /// # Errors
    /// [`Error::MissingBlob`]; [`Error::Corrupt`] if it is larger than `cap` bytes or its bytes
    /// are not what its digest says.
    pub fn document(&self, digest: &Digest, cap: u64, owner: &str) -> Result<Vec<u8>> {
        let file = match self.open(digest) {
            Ok(file) => file,
            Err(Error::NotFound { .. }) => {
                return Err(Error::MissingBlob { digest: digest.clone(), owner: owner.to_owned() });
            }
            Err(error) => return Err(error),
        };
        let path = self.path(digest);
        let mut bytes = Vec::new();
        file.take(cap + 1).read_to_end(&mut bytes).map_err(Error::io("cannot read", &path))?;
        let detail = if bytes.len() as u64 > cap {
            format!("a document may have {cap} bytes, and it has more")
        } else if Digest::compute(digest.algorithm(), &bytes) == *digest {
            return Ok(bytes);
        } else {
            "its bytes do not have the digest that it is named by; pull the image again".to_owned()
        };
        Err(Error::Corrupt { path, detail })
    }

    /// Whether its bytes have the digest that it is named by.
    ///
    /// # Errors
    /// [`Error::NotFound`]; or it can't be read.
    pub fn is_whole(&self, digest: &Digest) -> Result<bool> {
        self.has_digest(&mut self.open(digest)?, digest)
    }

    fn has_digest(&self, file: &mut File, digest: &Digest) -> Result<bool> {
        let mut digester = Digester::new(digest.algorithm());
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(digester.finish() == *digest),
                Ok(read) => digester.update(&buffer[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("cannot read", &self.path(digest))(error)),
            }
        }
    }

    /// Removes it if its bytes are not what its name says, so that the next pull brings it in
    /// again; whether it did.
    ///
    /// # Errors
    /// It can't be read or removed.
    pub(crate) fn remove_if_damaged(&self, digest: &Digest) -> Result<bool> {
        let mut file = match self.open(digest) {
            Err(Error::NotFound { .. }) => return Ok(true),
            other => other?,
        };
        if self.has_digest(&mut file, digest)? {
            return Ok(false);
        }
        let path = self.path(digest);
        let read = file.metadata().map_err(Error::io("cannot look at", &path))?;
        // Somebody may have put a good one there meanwhile.
        let is_same = fs::metadata(&path).is_ok_and(|now| now.ino() == read.ino());
        if is_same {
            tracing::warn!(%digest, "a damaged blob is removed");
            self.remove(digest)?;
        }
        Ok(true)
    }

    /// Removes temporary files that killed writers of documents left before `before`.
    pub(crate) fn remove_temporaries(&self, before: DateTime<Utc>) -> Result<()> {
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let folder = self.folder.join("blobs").join(algorithm.as_str());
            for entry in fs::read_dir(&folder).map_err(Error::io("cannot list", &folder))? {
                let entry = entry.map_err(Error::io("cannot list", &folder))?;
                let is_old = entry
                    .metadata()
                    .and_then(|metadata| metadata.modified())
                    .is_ok_and(|modified| DateTime::<Utc>::from(modified) < before);
                if is_old && entry.file_name().as_encoded_bytes().starts_with(b".") {
                    let path = entry.path();
                    fs::remove_file(&path).map_err(Error::io("cannot remove", &path))?;
                }
            }
        }
        Ok(())
    }

    /// Stores a small document that the caller holds in memory and has verified.
    ///
    /// # Errors
    /// It can't be written.
    pub fn store(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let path = self.path(digest);
        // One that is there may have been damaged since.
        if self.size(digest)? == Some(bytes.len() as u64)
            && fs::read(&path).is_ok_and(|there| there == bytes)
        {
            return Ok(());
        }
        atomic::write(&path, bytes, 0o600, Durability::Power)
            .map_err(Error::io("cannot write", &path))
    }

    /// All blobs, by digest.
    ///
    /// # Errors
    /// The folders can't be read.
    pub fn list(&self) -> Result<Vec<Blob>> {
        let mut blobs = Vec::new();
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let folder = self.folder.join("blobs").join(algorithm.as_str());
            let entries = fs::read_dir(&folder).map_err(Error::io("cannot list", &folder))?;
            for entry in entries {
                let entry = entry.map_err(Error::io("cannot list", &folder))?;
                let name = entry.file_name();
                let text = format!("{}:{}", algorithm.as_str(), name.to_string_lossy());
                // Temporary files of writers, living or dead, are no blobs.
                let Ok(digest) = text.parse::<Digest>() else { continue };
                let metadata = match entry.metadata() {
                    Ok(metadata) => metadata,
                    // Removed since it was listed.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(Error::io("cannot look at", &entry.path())(error)),
                };
                let created = metadata.modified().map_or(DateTime::UNIX_EPOCH, DateTime::from);
                blobs.push(Blob { digest, size: metadata.len(), created });
            }
        }
        blobs.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(blobs)
    }

    /// Removes it, whoever refers to it; whether it was there.
    ///
    /// # Errors
    /// It can't be removed.
    pub fn remove(&self, digest: &Digest) -> Result<bool> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("cannot remove", &path)(error)),
        }
    }

    /// Removes every blob that is not in `keep` and older than `before`: a blob that a pull just
    /// committed is not referred to yet. Returns what went, with sizes.
    ///
    /// # Errors
    /// The folders can't be read or a blob can't be removed.
    pub(crate) fn retain(
        &self,
        keep: &BTreeSet<Digest>,
        before: DateTime<Utc>,
    ) -> Result<Vec<(Digest, u64)>> {
        let mut removed = Vec::new();
        for blob in self.list()? {
            if !keep.contains(&blob.digest) && blob.created < before && self.remove(&blob.digest)? {
                removed.push((blob.digest, blob.size));
            }
        }
        Ok(removed)
    }
}
