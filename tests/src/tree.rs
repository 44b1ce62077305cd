//! What a root file system looks like, as lines that two of them are compared by.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::handmade::sha256;

/// One line for each entry, by its path.
pub type Tree = BTreeMap<String, String>;

/// Kind, mode, owner, time, content, target, device, attributes, holes and hard links of everything
/// below `root` on its file system. `left_out` are paths that a container has of its own.
pub fn look(root: &Path, left_out: &[&str]) -> Tree {
    let mut looker = Looker {
        tree: Tree::new(),
        links: HashMap::new(),
        device: fs::metadata(root).expect("the root is there").dev(),
        left_out,
    };
    looker.walk(root, "");
    for names in looker.links.into_values().filter(|names| names.len() > 1) {
        for name in &names {
            let line = looker.tree.get_mut(name).expect("every linked name was looked at");
            *line += &format!(" linked to {}", names[0]);
        }
    }
    looker.tree
}

struct Looker<'a> {
    tree: Tree,
    links: HashMap<(u64, u64), Vec<String>>,
    device: u64,
    left_out: &'a [&'a str],
}

impl Looker<'_> {
    fn walk(&mut self, path: &Path, name: &str) {
        let Ok(found) = fs::symlink_metadata(path) else { return };
        let is_folder = found.file_type().is_dir();
        // Files of an overlay may have the number of the file system below, folders have its own.
        if self.left_out.contains(&name) || (is_folder && found.dev() != self.device) {
            return;
        }
        let line = self.line(path, name, &found);
        self.tree.insert(name.to_owned(), line);
        if is_folder {
            let mut entries: Vec<_> =
                fs::read_dir(path).expect("we are root").flatten().map(|e| e.file_name()).collect();
            entries.sort();
            for entry in entries {
                self.walk(
                    &path.join(&entry),
                    &format!("{name}/{}", entry.as_bytes().escape_ascii()),
                );
            }
        }
    }

    fn line(&mut self, path: &Path, name: &str, found: &fs::Metadata) -> String {
        let kind = found.file_type();
        let mut line = format!("{:o} {}:{}", found.mode(), found.uid(), found.gid());
        // The root has no entry in the archives.
        if !name.is_empty() {
            line += &format!(" {}.{:09}", found.mtime(), found.mtime_nsec());
        }
        if kind.is_symlink() {
            line += &format!(" -> {}", fs::read_link(path).expect("it is a link").display());
        } else if kind.is_file() {
            let content = fs::read(path).expect("we are root");
            line += &format!(" {} bytes {}", content.len(), sha256(&content));
            let has_holes = found.len() > 1 << 15 && found.blocks() * 512 < found.len();
            line += if has_holes { " sparse" } else { "" };
        } else if !kind.is_dir() {
            line += &format!(" device {}", found.rdev());
        }
        if found.nlink() > 1 && !kind.is_dir() {
            self.links.entry((found.dev(), found.ino())).or_default().push(name.to_owned());
        }
        for (name, value) in attributes(path) {
            line += &format!(" {name}={}", value.escape_ascii());
        }
        line
    }
}

fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value[..]);
        value.truncate(length.expect("it was just listed"));
        value
    };
    names.map(|name| (name.escape_ascii().to_string(), value(name))).collect()
}

/// The lines that differ, with both sides; empty where none does.
pub fn differences(left: &Tree, right: &Tree) -> String {
    let paths: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    let differing = paths.into_iter().filter(|path| left.get(*path) != right.get(*path));
    differing
        .map(|path| format!("{path}\n  {:?}\n  {:?}\n", left.get(path), right.get(path)))
        .collect()
}
