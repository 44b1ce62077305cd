//! `--thorough`: whether an unpacked layer still has what its blob has. It is unpacked once more, and the two folders
//! are compared: names, types, modes, owners, sizes, links, devices, times of files, extended attributes and content.

use std::collections::BTreeMap;
use std::ffi::{CStr, OsString};
use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use isopod_image::Platform;

use super::finding::Findings;
use super::kinds;
use super::layers::replace;
use super::look::{Look, entries};
use crate::image::{Image, unpack_again};
use crate::snapshot::LayerName;
use crate::{Error, Result};

/// What overlayfs notes for itself, which depends on where a layer was unpacked.
const OWN_NOTES: &[u8] = b"trusted.overlay.";
/// But this says what is seen.
const OPAQUE: &[u8] = b"trusted.overlay.opaque";

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    if !look.options.thorough {
        return Ok(());
    }
    let runtime = look.runtime;
    for image in look.rows.images.iter().cloned().map(Image::from) {
        // What is missing or damaged of it has been named already.
        let Ok(details) = runtime.images().details(&image, &Platform::host()) else { continue };
        let ids = details.config.rootfs.diff_ids.iter().zip(&details.chain_ids);
        for (nth, (diff_id, chain_id)) in ids.enumerate() {
            let Some(layer) = runtime.layers().find(diff_id, chain_id) else { continue };
            let known = look.verified.layers.borrow().get(&layer).cloned();
            let verdict = match known {
                Some(verdict) => verdict,
                None => {
                    let staging = match unpack_again(runtime, &details, nth) {
                        Err(Error::MissingBlob { .. } | Error::Corrupt { .. }) => continue,
                        other => other?,
                    };
                    let path = runtime.layers().path(&layer);
                    let verdict = difference(&path, &staging.content())?;
                    look.verified.layers.borrow_mut().insert(layer.clone(), verdict.clone());
                    verdict
                }
            };
            if let Some(what) = verdict {
                let detail = format!("{what}, of image {}", image.name);
                let finding = found.add(kinds::LAYER_CHANGED, layer.as_str(), detail);
                replace(look, &layer, finding);
            }
        }
    }
    Ok(())
}

/// What was found of layers: `None` for one that is as its blob is.
pub(super) type Verdicts = BTreeMap<LayerName, Option<String>>;

/// The first difference of two folders, in words.
fn difference(layer: &Path, fresh: &Path) -> Result<Option<String>> {
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let there = listing(&layer.join(&folder))?;
        let expected = listing(&fresh.join(&folder))?;
        if let Some(name) = there.keys().find(|name| !expected.contains_key(*name)) {
            return Ok(Some(format!("/{} is not in its blob", folder.join(name).display())));
        }
        for (name, metadata) in &expected {
            let path = folder.join(name);
            let words = |what: &str| Ok(Some(format!("/{}: {what}", path.display())));
            let Some(found) = there.get(name) else { return words("it is gone") };
            if let Some(what) = differs(found, metadata) {
                return words(what);
            }
            let (one, other) = (layer.join(&path), fresh.join(&path));
            if attributes(&one)? != attributes(&other)? {
                return words("its extended attributes are others");
            }
            if metadata.is_dir() {
                folders.push(path);
            } else if metadata.is_symlink() {
                if fs::read_link(&one).ok() != fs::read_link(&other).ok() {
                    return words("it leads elsewhere");
                }
            } else if metadata.is_file() && !same_content(&one, &other)? {
                return words("its content is another");
            }
        }
    }
    Ok(None)
}

fn listing(folder: &Path) -> Result<BTreeMap<OsString, Metadata>> {
    Ok(entries(folder)?.into_iter().map(|(_, name, metadata)| (name, metadata)).collect())
}

fn differs(found: &Metadata, expected: &Metadata) -> Option<&'static str> {
    if found.file_type() != expected.file_type() {
        return Some("it is of another type");
    }
    if found.mode() != expected.mode() {
        return Some("its mode is another");
    }
    if (found.uid(), found.gid()) != (expected.uid(), expected.gid()) {
        return Some("its owner is another");
    }
    let kind = expected.file_type();
    if (kind.is_char_device() || kind.is_block_device()) && found.rdev() != expected.rdev() {
        return Some("it is another device");
    }
    if !kind.is_dir() && found.len() != expected.len() {
        return Some("its size is another");
    }
    let times = (found.mtime(), found.mtime_nsec()) == (expected.mtime(), expected.mtime_nsec());
    (kind.is_file() && !times).then_some("it was written to")
}

fn same_content(one: &Path, other: &Path) -> Result<bool> {
    let open = |path: &Path| File::open(path).map(|file| BufReader::with_capacity(256 << 10, file));
    let (mut a, mut b) = (
        open(one).map_err(Error::io("cannot open", one))?,
        open(other).map_err(Error::io("cannot open", other))?,
    );
    let (mut left, mut right) = (vec![0; 256 << 10], vec![0; 256 << 10]);
    loop {
        let read = a.read(&mut left).map_err(Error::io("cannot read", one))?;
        if read == 0 {
            return Ok(true);
        }
        match b.read_exact(&mut right[..read]) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            result => result.map_err(Error::io("cannot read", other))?,
        }
        if left[..read] != right[..read] {
            return Ok(false);
        }
    }
}

/// Names and values of extended attributes, but for overlayfs' own notes.
fn attributes(path: &Path) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let failed = || Error::errno("cannot read the attributes of", path);
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::llistxattr(path, &mut names[..]) {
        Err(rustix::io::Errno::NOTSUP) => return Ok(BTreeMap::new()),
        other => other.map_err(failed())?,
    };
    let mut found = BTreeMap::new();
    for name in names[..length].split_inclusive(|byte| *byte == 0) {
        let Ok(text) = CStr::from_bytes_with_nul(name) else { continue };
        let bytes = text.to_bytes();
        if bytes.starts_with(OWN_NOTES) && bytes != OPAQUE {
            continue;
        }
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(path, text, &mut value[..]).map_err(failed())?;
        value.truncate(length);
        found.insert(bytes.to_vec(), value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two folders that are the same, and what is done to the first.
    fn changed(change: impl Fn(&Path)) -> Option<String> {
        let top = tempfile::tempdir().unwrap();
        for name in ["a", "b"] {
            let folder = top.path().join(name);
            fs::create_dir_all(folder.join("etc")).unwrap();
            fs::write(folder.join("etc/passwd"), "root").unwrap();
            std::os::unix::fs::symlink("etc", folder.join("link")).unwrap();
            let time = std::time::SystemTime::UNIX_EPOCH;
            File::options()
                .write(true)
                .open(folder.join("etc/passwd"))
                .unwrap()
                .set_modified(time)
                .unwrap();
        }
        change(&top.path().join("a"));
        difference(&top.path().join("a"), &top.path().join("b")).unwrap()
    }

    #[test]
    fn every_difference_of_two_folders_is_told() {
        let time = std::time::SystemTime::UNIX_EPOCH;
        let write = |folder: &Path, text: &str| {
            let path = folder.join("etc/passwd");
            fs::write(&path, text).unwrap();
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        assert_eq!(changed(|_| {}), None);
        assert_eq!(
            changed(|folder| write(folder, "toor")).as_deref(),
            Some("/etc/passwd: its content is another")
        );
        assert_eq!(
            changed(|folder| write(folder, "r")).as_deref(),
            Some("/etc/passwd: its size is another")
        );
        assert_eq!(
            changed(|folder| fs::remove_file(folder.join("link")).unwrap()).as_deref(),
            Some("/link: it is gone")
        );
        assert_eq!(
            changed(|folder| fs::write(folder.join("etc/more"), "").unwrap()).as_deref(),
            Some("/etc/more is not in its blob")
        );
        let link = |folder: &Path| {
            fs::remove_file(folder.join("link")).unwrap();
            std::os::unix::fs::symlink("bin", folder.join("link")).unwrap();
        };
        assert_eq!(changed(link).as_deref(), Some("/link: it leads elsewhere"));
        let mode = |folder: &Path| {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(folder.join("etc"), fs::Permissions::from_mode(0o700)).unwrap();
        };
        assert_eq!(changed(mode).as_deref(), Some("/etc: its mode is another"));
    }
}
