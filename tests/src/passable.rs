//! Folders that mapped users reach.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A new folder, still its owner's alone, whose parents let everybody through: root of a user namespace is
/// a stranger outside. It is in the usual place for such, else (`TMPDIR` may be its owner's) in `/var/tmp`.
pub fn folder(prefix: &str) -> TempDir {
    let usual = fs::canonicalize(env::temp_dir()).expect("there is a folder for temporary files");
    let place = if lets_through(&usual) { usual } else { PathBuf::from("/var/tmp") };
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(place)
        .expect("a folder can be made there")
}

fn lets_through(folder: &Path) -> bool {
    let mode = |folder: &Path| fs::metadata(folder).map(|meta| meta.permissions().mode());
    folder.ancestors().all(|folder| mode(folder).is_ok_and(|mode| mode & 0o001 != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_folder_anywhere_above_lets_nobody_through() {
        let closed = folder("isopod-passable-");
        let below = closed.path().join("below");
        fs::create_dir(&below).unwrap();
        fs::set_permissions(&below, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(!lets_through(&below));
        fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o711)).unwrap();
        assert!(lets_through(&below));
    }
}
