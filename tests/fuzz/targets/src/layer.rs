//! A layer: nothing beside its folder is touched, both ways of writing make the same, and of a plain archive
//! GNU tar makes the same too.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use isopod_layer::{
    Algorithms, Cause, Compression, LayerError, Limits, Target, Unpacked, WhiteoutEncoding, unpack,
};

use crate::{archive, scratch};

/// Nobody: who runs GNU tar, so that it can change nothing of ours whatever it is fed.
const NOBODY: u32 = 65_534;

/// An uncompressed archive; checksums are put right first.
pub fn layer(data: &[u8]) {
    let tar = archive::with_checksums(data);
    let arena = scratch::folder();
    fs::set_permissions(arena.path(), Permissions::from_mode(0o711)).unwrap();
    for folder in ["alone", "over", "gnu", "beside"] {
        fs::create_dir(arena.path().join(folder)).unwrap();
    }
    fs::write(arena.path().join("beside/canary"), "alive").unwrap();
    fs::write(arena.path().join("canary"), "alive").unwrap();
    let before = beside(arena.path());

    let (alone, over, gnu) =
        (arena.path().join("alone"), arena.path().join("over"), arena.path().join("gnu"));
    let folder = File::open(&alone).unwrap();
    let whiteouts = WhiteoutEncoding::Device;
    let unpacked = tried(&tar, Target::Standalone { folder: folder.as_fd(), whiteouts });
    let folder = File::open(&over).unwrap();
    let merged = tried(&tar, Target::Merged { folder: folder.as_fd() });
    assert_eq!(beside(arena.path()), before, "something beside the folder changed");
    let Ok(unpacked) = unpacked else { return };
    if unpacked.self_contained.is_err() || unpacked.skipped_count > 0 {
        return;
    }
    assert!(merged.is_ok(), "alone it is right, over an empty folder it is not: {merged:?}");
    if !archive::is_plain(&tar) {
        return;
    }
    let ours = Tree::of(&alone, true);
    assert_eq!(ours, Tree::of(&over, true), "alone it looks otherwise than over an empty folder");
    if peer(&tar, arena.path(), &gnu) {
        assert_eq!(
            Tree::of(&alone, false),
            Tree::of(&gnu, false),
            "GNU tar makes another tree (right)"
        );
    }
}

fn tried(tar: &[u8], target: Target<'_>) -> Result<Unpacked, LayerError> {
    let limits = Limits {
        disk_bytes: 4 << 20,
        tar_bytes: 16 << 20,
        entries: 2000,
        file_length: 1 << 20,
        header_bytes: 64 << 10,
        xattr_bytes: 16 << 10,
    };
    let result = unpack(tar, Compression::None, Algorithms::default(), target, &limits, &());
    if let Err(error) = &result {
        let is_ours = matches!(
            error.cause,
            Cause::Input(_) | Cause::NotEmpty | Cause::Folder(_) | Cause::Thread(_)
        );
        assert!(!is_ours, "{error:?}");
    }
    result
}

/// All that lies beside the folders that are written to.
fn beside(arena: &Path) -> Vec<(String, u32, i64, u64, Vec<u8>)> {
    let place = |name: &str| {
        let meta = fs::symlink_metadata(arena.join(name)).unwrap();
        let content = fs::read(arena.join(name)).unwrap_or_default();
        (name.to_owned(), meta.mode(), meta.mtime_nsec(), meta.nlink(), content)
    };
    let mut all: Vec<_> = ["canary", "beside", "beside/canary", "gnu"].map(place).into();
    let mut names: Vec<_> = fs::read_dir(arena).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    all.extend(names.iter().map(|name| (name.to_string_lossy().into_owned(), 0, 0, 0, Vec::new())));
    all
}

/// Unpacks with GNU tar; whether it had nothing to remark.
fn peer(tar: &[u8], arena: &Path, into: &Path) -> bool {
    let file = arena.join("a.tar");
    fs::write(&file, tar).unwrap();
    chown(into, Some(NOBODY), Some(NOBODY)).unwrap();
    let output = Command::new("tar")
        .args([
            "--extract",
            "--preserve-permissions",
            "--no-same-owner",
            "--numeric-owner",
            "--file",
        ])
        .arg(&file)
        .current_dir(into)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("TZ", "UTC")
        .uid(NOBODY)
        .gid(NOBODY)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    output.status.success() && output.stderr.is_empty()
}

/// What there is below a folder, one line each.
#[derive(PartialEq, Eq)]
struct Tree(BTreeMap<Vec<u8>, String>);

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|(path, line)| writeln!(f, "\n  {} {line}", path.escape_ascii()))
    }
}

impl Tree {
    /// With owners, if both were written by root.
    fn of(root: &Path, owners: bool) -> Self {
        let mut tree = Self(BTreeMap::new());
        let mut first_names = BTreeMap::new();
        tree.add(root, &[], owners, &mut first_names);
        tree
    }

    fn add(
        &mut self,
        folder: &Path,
        name: &[u8],
        owners: bool,
        first_names: &mut BTreeMap<u64, Vec<u8>>,
    ) {
        let mut entries: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        entries.sort();
        for entry in entries {
            let path = folder.join(&entry);
            let below = [name, b"/", entry.as_bytes()].concat();
            let meta = fs::symlink_metadata(&path).unwrap();
            let kind = meta.file_type();
            let mut line = format!("{:o}", meta.mode());
            if owners {
                line += &format!(" {}:{}", meta.uid(), meta.gid());
            }
            if kind.is_symlink() {
                line += &format!(" -> {:?}", fs::read_link(&path).unwrap());
            } else if kind.is_file() {
                let content = fs::read(&path).unwrap();
                line += &format!(" {} {}", meta.mtime(), content.escape_ascii());
                let first = first_names.entry(meta.ino()).or_insert_with(|| below.clone());
                line += &format!(" first {}", first.escape_ascii());
            }
            self.0.insert(below.clone(), line);
            if kind.is_dir() {
                self.add(&path, &below, owners, first_names);
            }
        }
    }
}
