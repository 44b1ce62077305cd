//! Unpacked layers: `<root>/layers/<name>/fs`, committed by rename, described by `layer.json`.
//!
//! A layer is named by its diff id where unpacking proved that it stands alone, and then every
//! image that has it shares it. Otherwise its content depends on what lies below, and it is named by its
//! chain id (image-spec, config.md, «Layer ChainID»): a name by diff id alone would let a hostile base image
//! decide what another image's layer contains.
//!
//! Layers are not synced when they are made, since blobs can make them again. One that was made in
//! another boot and never marked as settled may be half on disk, and counts as missing.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use isopod_image::digest::Digest;
use isopod_layer::WhiteoutEncoding;
use isopod_sys::atomic::{self, Durability};
use isopod_sys::step::step;
use serde::{Deserialize, Serialize};

use crate::layout::{Layout, private_folder};
use crate::{Error, Result};

const DESCRIPTION: &str = "layer.json";
/// Lies in a layer that is known to be on disk.
pub(crate) const SETTLED: &str = "settled";
/// What the folders begin with of layers that come or go.
pub(crate) const STAGING: &str = ".staging-";
pub(crate) const VERSION: u32 = 1;

/// The name of a layer's folder: 96 bits of a digest in hex, short because a mount of 127 layers
/// must fit in one page.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LayerName(String);

impl LayerName {
    /// Of a layer that stands alone.
    #[must_use]
    pub fn of_diff(encoding: WhiteoutEncoding, diff_id: &Digest) -> Self {
        Self::derive(encoding, "diff", diff_id)
    }

    /// Of a layer that depends on those below it.
    #[must_use]
    pub fn of_chain(encoding: WhiteoutEncoding, chain_id: &Digest) -> Self {
        Self::derive(encoding, "chain", chain_id)
    }

    fn derive(encoding: WhiteoutEncoding, kind: &str, digest: &Digest) -> Self {
        let encoding = match encoding {
            WhiteoutEncoding::Device => "device",
            WhiteoutEncoding::UserDevice => "user-device",
            WhiteoutEncoding::UserXattr => "user-xattr",
        };
        let name = Digest::sha256(format!("{encoding}\n{kind}\n{digest}").as_bytes());
        Self(name.hex()[..24].to_owned())
    }

    /// What looks like a folder's name.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 24 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// The folder's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `layer.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerDescription {
    /// The format of this file.
    pub version: u32,
    /// The blob it was unpacked from.
    pub blob: Digest,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Set if it depends on the layers below it.
    pub chain_id: Option<Digest>,
    /// Bytes of file content.
    pub size: u64,
    /// Entries of the tar.
    pub entries: u64,
    /// The boot in which it was made.
    pub boot_id: String,
}

/// The layers of one instance.
#[derive(Debug, Clone)]
pub struct Layers {
    folder: PathBuf,
    encoding: WhiteoutEncoding,
    boot_id: String,
}

/// A layer being unpacked; dropping it removes what there is.
#[derive(Debug)]
pub struct Staging {
    folder: PathBuf,
    committed: bool,
}

impl Layers {
    pub(crate) fn new(layout: &Layout, boot_id: &str) -> Self {
        Self {
            folder: layout.layers(),
            encoding: WhiteoutEncoding::Device,
            boot_id: boot_id.to_owned(),
        }
    }

    /// How whiteouts are written on disk.
    #[must_use]
    pub fn encoding(&self) -> WhiteoutEncoding {
        self.encoding
    }

    /// The folder that overlayfs mounts.
    #[must_use]
    pub fn path(&self, name: &LayerName) -> PathBuf {
        self.folder.join(name.as_str()).join("fs")
    }

    /// The folder of a layer with this diff id, over the chain `chain_id`, if it is unpacked.
    #[must_use]
    pub fn find(&self, diff_id: &Digest, chain_id: &Digest) -> Option<LayerName> {
        let alone = LayerName::of_diff(self.encoding, diff_id);
        let chained = LayerName::of_chain(self.encoding, chain_id);
        [alone, chained].into_iter().find(|name| self.is_usable(name))
    }

    /// Whether it is there and known to be whole.
    pub(crate) fn is_usable(&self, name: &LayerName) -> bool {
        self.is_settled(name)
            || self.describe(name).is_ok_and(|description| description.boot_id == self.boot_id)
    }

    fn is_settled(&self, name: &LayerName) -> bool {
        self.folder.join(name.as_str()).join(SETTLED).exists()
    }

    /// What is known of a layer. One that a power cut has torn counts as missing.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Corrupt`] if `layer.json` can't be understood though it was synced.
    pub fn describe(&self, name: &LayerName) -> Result<LayerDescription> {
        let path = self.folder.join(name.as_str()).join(DESCRIPTION);
        let missing = || Error::NotFound { what: "layer", name: name.as_str().to_owned() };
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => missing(),
            _ => Error::io("cannot read", &path)(error),
        })?;
        serde_json::from_slice(&bytes).map_err(|error| match self.is_settled(name) {
            true => Error::Corrupt { path, detail: error.to_string() },
            false => missing(),
        })
    }

    /// A place to unpack into, on the same file system.
    ///
    /// # Errors
    /// The folders can't be made.
    pub fn stage(&self) -> Result<Staging> {
        let folder = self.folder.join(format!("{STAGING}{}", &crate::id::random()[..16]));
        private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
        let staging = Staging { folder, committed: false };
        // The root folder of a layer is what a container sees as `/`: the same for everyone.
        for path in [staging.content(), staging.work()] {
            fs::create_dir(&path).map_err(Error::io("cannot make", &path))?;
        }
        set_mode(&staging.content(), 0o755)?;
        step("layer.staged");
        Ok(staging)
    }

    /// Puts a staged layer in its place; if another process was faster, its result stays.
    ///
    /// # Errors
    /// Describing or renaming it failed.
    pub fn commit(
        &self,
        mut staging: Staging,
        blob: &Digest,
        unpacked: &isopod_layer::Unpacked,
        chain_id: Option<&Digest>,
    ) -> Result<LayerName> {
        let name = match chain_id {
            None => LayerName::of_diff(self.encoding, &unpacked.diff_id),
            Some(chain_id) => LayerName::of_chain(self.encoding, chain_id),
        };
        let description = LayerDescription {
            version: VERSION,
            blob: blob.clone(),
            diff_id: unpacked.diff_id.clone(),
            chain_id: chain_id.cloned(),
            size: unpacked.disk_bytes,
            entries: unpacked.entries,
            boot_id: self.boot_id.clone(),
        };
        let bytes = serde_json::to_vec(&description).expect("a description is JSON");
        let path = staging.folder.join(DESCRIPTION);
        atomic::write(&path, &bytes, 0o600, Durability::Process)
            .map_err(Error::io("cannot write", &path))?;
        step("layer.described");
        // overlayfs leaves a folder of mode 0 in its work folder, which nothing needs any more.
        let work = staging.work();
        fs::remove_dir_all(&work).map_err(Error::io("cannot remove", &work))?;
        let target = self.folder.join(name.as_str());
        if target.exists() && !self.is_usable(&name) {
            self.remove(&name)?;
        }
        match fs::rename(&staging.folder, &target) {
            Ok(()) => {
                step("layer.renamed");
                staging.committed = true;
            }
            Err(error) if target.exists() => {
                tracing::debug!(layer = name.as_str(), %error, "another process was faster");
            }
            Err(error) => return Err(Error::io("cannot commit", &target)(error)),
        }
        Ok(name)
    }

    /// Every layer's name.
    ///
    /// # Errors
    /// The folder can't be read.
    pub fn list(&self) -> Result<Vec<LayerName>> {
        let mut names: Vec<_> = self
            .entries()?
            .into_iter()
            .filter(|name| !name.starts_with('.'))
            .map(LayerName)
            .collect();
        names.sort();
        Ok(names)
    }

    fn entries(&self) -> Result<Vec<String>> {
        let list = || -> io::Result<Vec<String>> {
            fs::read_dir(&self.folder)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect()
        };
        list().map_err(Error::io("cannot list", &self.folder))
    }

    /// Removes a layer: first out of sight, then from disk.
    ///
    /// # Errors
    /// It can't be renamed or removed.
    pub fn remove(&self, name: &LayerName) -> Result<()> {
        let path = self.folder.join(name.as_str());
        let trash = self.folder.join(format!("{STAGING}{}", &crate::id::random()[..16]));
        match fs::rename(&path, &trash) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(Error::io("cannot remove", &path))?,
        }
        step("layer.condemned");
        fs::remove_dir_all(&trash).map_err(Error::io("cannot remove", &trash))
    }

    /// Removes every layer that is not in `keep` and older than `before`, and what dead processes left
    /// half unpacked. Returns the names with their sizes.
    ///
    /// # Errors
    /// A folder can't be read or removed.
    pub(crate) fn retain(
        &self,
        keep: &BTreeSet<LayerName>,
        before: DateTime<Utc>,
    ) -> Result<Vec<(LayerName, u64)>> {
        let mut removed = Vec::new();
        for entry in self.entries()? {
            let path = self.folder.join(&entry);
            let old = fs::metadata(&path)
                .and_then(|metadata| metadata.modified())
                .is_ok_and(|modified| DateTime::<Utc>::from(modified) < before);
            if !old {
                continue;
            }
            if entry.starts_with(STAGING) {
                fs::remove_dir_all(&path).map_err(Error::io("cannot remove", &path))?;
                continue;
            }
            let name = LayerName(entry);
            if !keep.contains(&name) {
                let size = self.describe(&name).map_or(0, |description| description.size);
                self.remove(&name)?;
                removed.push((name, size));
            }
        }
        Ok(removed)
    }

    /// Syncs the file system once and marks what it then holds as whole across boots.
    ///
    /// # Errors
    /// Syncing failed or a mark can't be written.
    pub fn settle(&self) -> Result<()> {
        let unsettled: Vec<_> = self
            .list()?
            .into_iter()
            .filter(|name| !self.is_settled(name))
            .filter(|name| self.is_usable(name))
            .collect();
        if unsettled.is_empty() {
            return Ok(());
        }
        fs::File::open(&self.folder)
            .and_then(|folder| Ok(rustix::fs::syncfs(&folder)?))
            .map_err(Error::io("cannot sync", &self.folder))?;
        step("layer.synced");
        for name in unsettled {
            let mark = self.folder.join(name.as_str()).join(SETTLED);
            match fs::write(&mark, b"") {
                // Removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(Error::io("cannot write", &mark))?,
            }
            step("layer.settled");
        }
        Ok(())
    }
}

impl Staging {
    /// The folder to unpack into.
    #[must_use]
    pub fn content(&self) -> PathBuf {
        self.folder.join("fs")
    }

    /// overlayfs' work folder, for a layer that is applied over others.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.folder.join("work")
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.committed
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            tracing::warn!(path = %self.folder.display(), %error, "cannot remove a half unpacked layer; the collector will");
        }
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(Error::io("cannot set the mode of", path))
}
