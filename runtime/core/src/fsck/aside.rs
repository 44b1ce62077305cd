//! Where a repair puts what it takes out of the store: `<root>/damaged/<kind>/<name>`. Nothing of ours reads it; a
//! person looks, and removes it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use isopod_sys::atomic::{self, Durability};

use super::kinds::DAMAGED;
use crate::layout::{Layout, private_folder};
use crate::{Error, Result};

/// Moves `path`, a file or folder below the root, there. One that is gone is no error.
pub(super) fn put(layout: &Layout, kind: &str, path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let target = free(layout, kind, &name)?;
    match fs::rename(path, &target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(Error::io("cannot move aside", path)),
    }
}

/// The same for what is rarely there: nothing is made where it isn't.
pub(super) fn put_if_there(layout: &Layout, kind: &str, path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => put(layout, kind, path),
    }
}

/// Writes a text there.
pub(super) fn note(layout: &Layout, kind: &str, name: &str, text: &str) -> Result<()> {
    let name: String =
        name.chars().map(|c| if c == '/' || c.is_control() { '_' } else { c }).take(200).collect();
    let path = free(layout, kind, &name)?;
    atomic::write(&path, text.as_bytes(), 0o600, Durability::Power)
        .map_err(Error::io("cannot write", &path))
}

/// A name there that nothing has yet.
fn free(layout: &Layout, kind: &str, name: &str) -> Result<PathBuf> {
    let folder = layout.root().join(DAMAGED).join(kind);
    private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
    let mut path = folder.join(name);
    let mut number = 1;
    while path.symlink_metadata().is_ok() {
        number += 1;
        path = folder.join(format!("{name}.{number}"));
    }
    Ok(path)
}
