//! The monitor's program as a file that can be executed: written once a version.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use isopod_image::Digest;
use isopod_sys::atomic::{self, Durability};
use isopod_sys::tree;

use crate::config::MonitorProgram;
use crate::layout::{Layout, private_folder};
use crate::{Error, Result};

impl MonitorProgram {
    /// A handle of it on a mount that can't be written through, so that nothing inside a container reaches
    /// the file that others run (security.md, row 1). What is embedded is written below `root` first, the
    /// data folder of an instance.
    ///
    /// # Errors
    /// It can't be written or opened, or isn't the one this program was built with.
    pub fn open(&self, root: &Path) -> Result<OwnedFd> {
        let path = match self {
            Self::File(path) => path.clone(),
            Self::Embedded { bytes, sha256 } => {
                install(&Layout::programs_below(root), bytes, sha256)?
            }
        };
        tree::readonly_clone(&path).map_err(Error::io("cannot use the monitor's program", &path))
    }
}

/// Writes the embedded program once a version. Its digest is computed when it is written; later only what tells
/// a foreign or torn file apart is looked at.
pub(crate) fn install(programs: &Path, bytes: &[u8], sha256: &str) -> Result<PathBuf> {
    let folder = programs.join(sha256);
    let path = folder.join("isopod-monitor");
    if is_installed(&path, bytes.len(), 0o500) {
        return Ok(path);
    }
    if Digest::sha256(bytes).hex() != sha256 {
        return Err(Error::Corrupt {
            path: PathBuf::from("/proc/self/exe"),
            detail: "the monitor inside this program is not the one it was built with".to_owned(),
        });
    }
    private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
    atomic::write(&path, bytes, 0o500, Durability::Power)
        .map_err(Error::io("cannot write", &path))?;
    Ok(path)
}

/// Whether the file is ours and whole, as far as that can be told without reading it.
pub(crate) fn is_installed(path: &Path, length: usize, mode: u32) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| {
        metadata.is_file()
            && metadata.len() == length as u64
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.permissions().mode() & 0o7777 == mode
    })
}
