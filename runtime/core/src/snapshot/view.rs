//! A container's future root, read-only and seen by nobody else: for looking users up and copying
//! an image's content into volumes before anything runs.

use std::os::fd::OwnedFd;

use isopod_monitor_protocol::launch::Rootfs;
use isopod_sys::mount::{self, OverlayOptions};
use isopod_sys::root::Root;

use crate::{Error, Result};

/// Opens it. For an overlay this is a mount that is attached nowhere and goes with the descriptor.
///
/// # Errors
/// A folder is missing; the kernel can't mount it.
pub fn open(rootfs: &Rootfs) -> Result<Root> {
    match rootfs {
        Rootfs::Folder { path } => Root::open(path).map_err(Error::io("cannot open", path)),
        Rootfs::Overlay { lower, upper, .. } => {
            // The writable folder joins as the topmost read-only one: overlayfs must not have one
            // folder as two mounts' upper.
            let all: Vec<_> = upper.iter().chain(lower).cloned().collect();
            if let [only] = all.as_slice() {
                return Root::open(only).map_err(Error::io("cannot open", only));
            }
            let mounted: OwnedFd =
                mount::overlay(&all, None, None, OverlayOptions::default()).map_err(|source| {
                    Error::System { action: "cannot look into the root file system", source }
                })?;
            Ok(mounted.into())
        }
    }
}
