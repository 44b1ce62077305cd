//! Images of several layers, stacked the way a snapshotter stacks them.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use isopod_layer::{LayerError, NotSelfContained, Target, WhiteoutEncoding};
use isopod_sys::mount::{OverlayOptions, overlay};

use crate::scratch::{encoded, folder, plain};

/// Layers unpacked so far, the lowest first.
pub struct Stack {
    root: PathBuf,
    pub layers: Vec<PathBuf>,
    encoding: WhiteoutEncoding,
}

impl Stack {
    pub fn new(root: &Path, encoding: WhiteoutEncoding) -> Self {
        Self { root: root.to_owned(), layers: Vec::new(), encoding }
    }

    /// Unpacks a layer alone if it can be, else over the layers before it.
    pub fn add(&mut self, tar: &[u8]) -> Result<Result<(), NotSelfContained>, LayerError> {
        let alone = folder(&self.root, &format!("{}-alone", self.layers.len()));
        let unpacked = encoded(tar, &alone, self.encoding)?;
        match &unpacked.self_contained {
            Ok(()) => self.layers.push(alone),
            Err(_) => self.add_merged(tar)?,
        }
        Ok(unpacked.self_contained)
    }

    /// Unpacks a layer over the layers before it.
    pub fn add_merged(&mut self, tar: &[u8]) -> Result<(), LayerError> {
        let upper = folder(&self.root, &format!("{}-merged", self.layers.len()));
        let work = folder(&self.root, &format!("{}-work", self.layers.len()));
        let empty = self.root.join("empty");
        let mut lower: Vec<PathBuf> = self.layers.iter().rev().cloned().collect();
        if lower.is_empty() {
            std::fs::create_dir_all(&empty).unwrap();
            lower.push(empty);
        }
        let mount = overlay(&lower, Some(&upper), Some(&work), self.options()).unwrap();
        plain(tar, Target::Merged { folder: opened(&mount).as_fd() }, &Default::default())?;
        self.layers.push(upper);
        Ok(())
    }

    /// Mounts what a container would see.
    pub fn mount(&self) -> Mounted {
        let mut lower: Vec<PathBuf> = self.layers.iter().rev().cloned().collect();
        // The container's own layer, so that one layer needs no other kind of mount.
        let empty = self.root.join("empty-top");
        std::fs::create_dir_all(&empty).unwrap();
        lower.insert(0, empty);
        Mounted(overlay(&lower, None, None, self.options()).unwrap())
    }

    fn options(&self) -> OverlayOptions {
        let userxattr = self.encoding != WhiteoutEncoding::Device;
        OverlayOptions { userxattr, ..OverlayOptions::default() }
    }
}

/// A mount that is attached nowhere.
pub struct Mounted(OwnedFd);

impl Mounted {
    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

fn opened(mount: &OwnedFd) -> File {
    File::open(format!("/proc/self/fd/{}", mount.as_raw_fd())).unwrap()
}
