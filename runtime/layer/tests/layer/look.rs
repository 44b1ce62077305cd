//! What a tree looks like from outside, as text that two of them can be compared by.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Which properties are looked at beside names, kinds, contents and targets.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Times of folders.
    pub folder_times: bool,
    /// Whether files have holes.
    pub holes: bool,
    /// Overlayfs's own attributes, and the root itself.
    pub raw: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { folder_times: true, holes: true, raw: false }
    }
}

/// One line for each file below `root`, by path.
pub fn look(root: &Path, look: Look) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    let mut links = HashMap::new();
    // A descriptor's link is followed once, here.
    let root = std::fs::canonicalize(root).map_or_else(|_| root.to_owned(), |_| root.join("."));
    walk(&root, "", look, &mut lines, &mut links);
    for names in links.into_values().filter(|names| names.len() > 1) {
        for name in &names {
            lines.get_mut(name).unwrap().push_str(&format!(" linked to {}", names[0]));
        }
    }
    lines
}

fn walk(
    path: &Path,
    name: &str,
    look: Look,
    lines: &mut BTreeMap<String, String>,
    links: &mut HashMap<(u64, u64), Vec<String>>,
) {
    lines.insert(name.to_owned(), line(path, name, look, links));
    if !std::fs::symlink_metadata(path).unwrap().is_dir() {
        return;
    }
    let mut entries: Vec<_> =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    entries.sort();
    for entry in entries {
        // overlayfs lists a whiteout, and then doesn't find it, in a folder that no lower layer
        // has too: so it is for every engine that hands it whiteouts.
        if std::fs::symlink_metadata(path.join(&entry)).is_err() {
            continue;
        }
        let below = format!("{name}/{}", entry.as_bytes().escape_ascii());
        walk(&path.join(&entry), &below, look, lines, links);
    }
}

fn line(
    path: &Path,
    name: &str,
    look: Look,
    links: &mut HashMap<(u64, u64), Vec<String>>,
) -> String {
    let meta = std::fs::symlink_metadata(path).unwrap();
    let kind = meta.file_type();
    let mut line = format!("{:o} {}:{}", meta.mode() & 0o7777, meta.uid(), meta.gid());
    if !kind.is_dir() || (look.folder_times && !name.is_empty()) {
        line += &format!(" {}.{:09}", meta.mtime(), meta.mtime_nsec());
    }
    if kind.is_symlink() {
        line += &format!(" -> {}", std::fs::read_link(path).unwrap().display());
    } else if kind.is_file() {
        let content = std::fs::read(path).unwrap();
        line += &format!(" file {} {}", content.len(), shown(&content));
        if look.holes && meta.len() > 1 << 16 {
            line += if meta.blocks() * 512 < meta.len() { " sparse" } else { " full" };
        }
    } else if kind.is_dir() {
        line += " folder";
    } else {
        let device = kind.is_char_device() || kind.is_block_device();
        line += &format!(" {kind:?} {}", if device { meta.rdev() } else { 0 });
    }
    if meta.nlink() > 1 && !kind.is_dir() {
        links.entry((meta.dev(), meta.ino())).or_default().push(name.to_owned());
    }
    for (name, value) in xattrs(path) {
        let private = name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.");
        if look.raw || !private {
            line += &format!(" {name}={}", value.escape_ascii());
        }
    }
    line
}

fn shown(content: &[u8]) -> String {
    if content.len() < 64 {
        return content.escape_ascii().to_string();
    }
    isopod_image::digest::Digest::sha256(content).to_string()
}

pub fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]).unwrap();
        value.truncate(length);
        value
    };
    names.map(|name| (name.escape_ascii().to_string(), value(name))).collect()
}

/// Fails with the lines that differ.
#[track_caller]
pub fn assert_same(
    left: (&str, &BTreeMap<String, String>),
    right: (&str, &BTreeMap<String, String>),
) {
    let mut differences = String::new();
    let paths: std::collections::BTreeSet<_> = left.1.keys().chain(right.1.keys()).collect();
    for path in paths {
        let (one, other) = (left.1.get(path), right.1.get(path));
        if one != other {
            differences += &format!("{path}\n  {}: {one:?}\n  {}: {other:?}\n", left.0, right.0);
        }
    }
    assert!(differences.is_empty(), "trees differ:\n{differences}");
}
