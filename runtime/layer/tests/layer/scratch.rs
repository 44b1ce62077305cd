//! Folders for tests, and the short way to unpack into them.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use isopod_layer::{
    Algorithms, Compression, LayerError, Limits, Target, Unpacked, WhiteoutEncoding, unpack,
};
use tempfile::TempDir;

/// A folder in memory where attributes work there, else on disk.
pub fn scratch() -> TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm").ok().filter(|folder| {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(folder.path(), "user.probe", b"y", flags).is_ok()
    });
    let folder = in_memory.unwrap_or_else(|| tempfile::tempdir().unwrap());
    let _ = rustix::fs::removexattr(folder.path(), "user.probe");
    folder
}

/// An empty folder of this name with mode 0755.
pub fn folder(parent: &Path, name: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = parent.join(name);
    std::fs::create_dir(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

pub fn standalone(tar: &[u8], folder: &Path) -> Result<Unpacked, LayerError> {
    encoded(tar, folder, WhiteoutEncoding::Device)
}

pub fn encoded(
    tar: &[u8],
    folder: &Path,
    whiteouts: WhiteoutEncoding,
) -> Result<Unpacked, LayerError> {
    let folder = File::open(folder).unwrap();
    let target = Target::Standalone { folder: folder.as_fd(), whiteouts };
    plain(tar, target, &Limits::default())
}

pub fn merged(tar: &[u8], folder: &Path) -> Result<Unpacked, LayerError> {
    let folder = File::open(folder).unwrap();
    plain(tar, Target::Merged { folder: folder.as_fd() }, &Limits::default())
}

pub fn plain(tar: &[u8], target: Target<'_>, limits: &Limits) -> Result<Unpacked, LayerError> {
    unpack(tar, Compression::None, Algorithms::default(), target, limits, &())
}
