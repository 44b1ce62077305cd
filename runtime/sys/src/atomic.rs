//! Files that are seen whole or not at all: written beside their place, then renamed.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::step::step;

/// How much of a write must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Atomic against crashes of processes; a power cut may bring the old file back.
    Process,
    /// Synced with its folder before the call returns.
    Power,
}

/// Replaces `path` by `bytes` with permission bits `mode`, atomically.
///
/// The temporary file lies in the same folder and carries this process's id, so that
/// two writers never share it and a collector can tell whose leftover it is.
///
/// # Errors
/// Whatever creating, writing, syncing or renaming the file returned; the old file
/// is then untouched and the temporary one is gone.
pub fn write(path: &Path, bytes: &[u8], mode: u32, durability: Durability) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = fill(&temporary, bytes, mode, durability).and_then(|()| {
        step("file.filled");
        std::fs::rename(&temporary, path)
    });
    if let Err(error) = written {
        // The first error is the one to report; a missing temporary file is no second one.
        std::fs::remove_file(&temporary).ok();
        return Err(error);
    }
    if durability == Durability::Power {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// As [`write`], for a small file that must be written though the disk is full: what is there is then
/// overwritten where it lies, which takes no space, and filled up with blanks if it was longer. Only
/// for formats that blanks at the end don't hurt; a reader may see a mixture for an instant.
///
/// # Errors
/// The first failure, where there is no file to overwrite.
pub fn write_even_if_full(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let result = write(path, bytes, mode, Durability::Process);
    match &result {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            ) =>
        {
            overwrite(path, bytes).or(result)
        }
        _ => result,
    }
}

fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    let mut bytes = bytes.to_vec();
    let before = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    bytes.resize(bytes.len().max(before), b' ');
    // One call, so that readers see it whole where the file system promises that.
    file.write_all_at(&bytes, 0)
}

fn fill(path: &Path, bytes: &[u8], mode: u32, durability: Durability) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path)?;
    // The caller's umask takes bits away from what `open` is told; a file for this user alone has none to lose.
    if mode & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    file.write_all(bytes)?;
    if durability == Durability::Power {
        file.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_write_replaces_the_file_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        write(&path, b"one", 0o600, Durability::Process).unwrap();
        write(&path, b"two", 0o600, Durability::Power).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_is_overwritten_where_it_lies_and_blanks_take_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        std::fs::write(&path, "[1,2,3]").unwrap();
        overwrite(&path, b"[4]").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"[4]    ");
        overwrite(&path, b"[5,6,7,8,9]").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"[5,6,7,8,9]");
        assert!(overwrite(&folder.path().join("missing"), b"x").is_err());
    }

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("is-a-folder");
        std::fs::create_dir(&path).unwrap();
        assert!(write(&path, b"x", 0o600, Durability::Process).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
