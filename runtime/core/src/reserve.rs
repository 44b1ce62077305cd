//! A little room that is ours on a full disk, so that a command can still open the database and
//! remove something. Without it `rmi` would need space to make space.
//!
//! It is a file of [`SIZE`] bytes that goes when the disk is as good as full, and comes back once
//! there is plenty. Nothing depends on it.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Bytes: the shared memory beside the database takes 32 KiB, a transaction some pages.
pub(crate) const SIZE: u64 = 1 << 20;

/// How many times its size must be free before it is made (again).
const PLENTY: u64 = 8;

/// Looks at the free space of the file system of `folder`, and makes or gives up the reserve in it.
pub(crate) fn keep(folder: &Path) {
    let Ok(found) = statvfs(folder) else { return };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let path = folder.join("reserve");
    if free < SIZE {
        if fs::remove_file(&path).is_ok() {
            tracing::warn!(path = %folder.display(), "the disk is full: the reserve is given up");
        }
    } else if free > SIZE * PLENTY
        && !path.exists()
        && let Err(error) = make(&path)
    {
        tracing::debug!(%error, "cannot make the reserve");
        fs::remove_file(&path).ok();
    }
}

fn make(path: &Path) -> std::io::Result<()> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(fallocate(&file, FallocateFlags::empty(), 0, SIZE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_is_plenty_it_is_there_with_its_size() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        keep(folder.path());
        let made = fs::metadata(folder.path().join("reserve")).unwrap();
        assert!(made.blocks() * 512 >= SIZE, "{} blocks", made.blocks());
    }
}
