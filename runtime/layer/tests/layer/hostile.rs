//! Layers that attack: a canary tree beside the folder must stay as it was, whatever they
//! say (security.md, row 13).

use std::collections::BTreeMap;
use std::error::Error;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use isopod_layer::{Cause, LayerError, NotSelfContained, SkippedWhat, Unpacked};
use tempfile::TempDir;

use crate::archive::{Header, Tar};
use crate::look::{Look, look, xattrs};
use crate::scratch::{folder, merged, scratch, standalone};

/// A folder to unpack into, with what an attacker wants beside it.
pub struct Arena {
    root: TempDir,
    before: BTreeMap<String, String>,
}

impl Arena {
    pub fn new() -> Self {
        let root = scratch();
        let canary = folder(root.path(), "canary");
        std::fs::set_permissions(&canary, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(canary.join("secret"), "of the host").unwrap();
        folder(&canary, "folder");
        std::fs::write(canary.join("folder/file"), "of the host too").unwrap();
        for path in [canary.join("folder"), canary.clone()] {
            let folder = std::fs::File::open(path).unwrap();
            folder.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        let before = look(&canary, whole());
        Self { root, before }
    }

    pub fn canary(&self) -> PathBuf {
        self.root.path().join("canary")
    }

    /// The canary's absolute path without its slash, and a way to it from the layer's root.
    fn ways_out(&self) -> [String; 3] {
        let canary = self.canary().to_str().unwrap().to_owned();
        [canary.clone(), "../canary".to_owned(), format!("/proc/self/root{canary}")]
    }

    #[track_caller]
    fn check(&self) {
        let mut now = look(&self.canary(), whole());
        let mode = std::fs::metadata(self.canary()).unwrap();
        now.insert(
            "itself".into(),
            format!("{:o} {:?}", mode.permissions().mode(), mode.modified()),
        );
        let mut before = self.before.clone();
        before.insert("itself".into(), format!("40700 {:?}", Ok::<_, ()>(std::time::UNIX_EPOCH)));
        now.insert("itself".into(), now["itself"].replace("std::", ""));
        assert_eq!(now, before, "the canary changed");
    }

    /// Unpacks alone into an empty folder.
    #[track_caller]
    pub fn alone(&self, tar: &[u8]) -> (PathBuf, Result<Unpacked, LayerError>) {
        let into = self.root.path().join("alone");
        let _ = std::fs::remove_dir_all(&into);
        std::fs::create_dir(&into).unwrap();
        let result = standalone(tar, &into);
        self.check();
        (into, result)
    }

    /// Unpacks over what lower layers left: also symlinks out.
    #[track_caller]
    pub fn over(&self, tar: &[u8]) -> (PathBuf, Result<Unpacked, LayerError>) {
        let into = self.root.path().join("over");
        let _ = std::fs::remove_dir_all(&into);
        std::fs::create_dir_all(into.join("lower")).unwrap();
        symlink(self.canary(), into.join("lower/out")).unwrap();
        symlink("../../canary", into.join("lower/up")).unwrap();
        symlink(self.canary().join("secret"), into.join("lower/file")).unwrap();
        symlink("/proc/self/cwd", into.join("lower/magic")).unwrap();
        let result = merged(tar, &into);
        self.check();
        (into, result)
    }
}

fn whole() -> Look {
    Look { raw: true, ..Look::default() }
}

#[track_caller]
fn refused(result: Result<Unpacked, LayerError>, why: &str) {
    let error = result.unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    assert!(!matches!(error.cause, Cause::Write { .. }), "{error:?}");
    assert!(error.arrived.is_some());
    assert!(error.source().is_none() || !error.to_string().contains("os error"));
}

#[test]
fn a_layer_cannot_write_outside_its_root() {
    let arena = Arena::new();
    for name in ["../canary/new", "a/../../canary/new", "/../canary/new", "..", "lower/../.."] {
        let long = format!("{}{name}", "./".repeat(60));
        for tar in [
            Tar::new().file(name, "x").finish(),
            Tar::new().folder(name).finish(),
            Tar::new().file(&long, "x").finish(),
            Tar::new().pax(&[("path", name.as_bytes())]).file("a", "x").finish(),
            Tar::new().raw(Header::new(b'0', b"a").bytes(345, b"../../canary"), b"").finish(),
        ] {
            refused(arena.alone(&tar).1, "leads out of the layer");
            refused(arena.over(&tar).1, "leads out of the layer");
        }
    }
    let absolute = format!("{}/new", arena.canary().display());
    let (into, result) = arena.over(&Tar::new().file(&absolute, "x").finish());
    result.unwrap();
    assert_eq!(std::fs::read(into.join(&absolute[1..])).unwrap(), b"x");
}

#[test]
fn a_symlink_is_never_written_through() {
    let arena = Arena::new();
    for way in arena.ways_out() {
        // Into the folder behind it, in one archive and behind one of a lower layer.
        let own = Tar::new().symlink("s", &way);
        for make in [Tar::file, |tar: Tar, name: &str, _: &str| tar.folder(name)] {
            let tar = make(own.clone(), "s/new", "x").finish();
            let reason = arena.alone(&tar).1.unwrap().self_contained.unwrap_err();
            assert!(matches!(reason, NotSelfContained::ThroughSymlink { .. }), "{reason:?}");
            arena.over(&tar).1.unwrap();
            for lower in ["out", "up", "magic"] {
                let (_, result) =
                    arena.over(&make(Tar::new(), &format!("lower/{lower}/new"), "x").finish());
                result.unwrap();
            }
        }
        // In place of it, as every kind of file: the symlink goes, its target stays.
        let own = Tar::new().symlink("s", &format!("{way}/secret")).symlink("d", &way);
        let tars = [
            own.clone().file("s", "evil").finish(),
            own.clone().folder("d").file("d/secret", "evil").finish(),
            own.clone().entry(b'6', "s", "", b"").finish(),
            own.clone().entry_with(b'3', "s", "", b"", |h| h.device(1, 3).mode(0o777)).finish(),
            own.clone().file("f", "x").hard_link("s", "f").finish(),
            own.clone().hard_link("h", "s").file("h", "evil").finish(),
            own.clone().hard_link("h", "d").folder("h").file("h/secret", "evil").finish(),
            own.clone().entry_with(b'2', "s", "x", b"", |h| h.owner(7, 7).mode(0o777)).finish(),
        ];
        for tar in tars {
            arena.over(&tar).1.unwrap();
            arena.alone(&tar).1.unwrap();
        }
    }
    let (into, result) = arena.over(&Tar::new().file("lower/file", "inside").finish());
    result.unwrap();
    assert_eq!(std::fs::read(into.join("lower/file")).unwrap(), b"inside");
}

#[test]
fn a_hard_link_cannot_reach_outside() {
    let arena = Arena::new();
    refused(arena.alone(&Tar::new().hard_link("h", "../canary/secret").finish()).1, "leads out");
    refused(arena.over(&Tar::new().hard_link("h", "../canary/secret").finish()).1, "leads out");
    for way in arena.ways_out() {
        let target = format!("{}/secret", way.trim_start_matches("../"));
        let tars = [
            Tar::new().hard_link("h", &target).finish(),
            Tar::new().symlink("d", &way).hard_link("h", "d/secret").file("h", "evil").finish(),
            Tar::new().symlink("d", &way).hard_link("h", "d/secret").finish(),
        ];
        for tar in tars {
            let alone = arena.alone(&tar).1.unwrap().self_contained;
            assert!(alone.is_err());
            refused(arena.over(&tar).1, "a file that does not exist");
        }
    }
    for lower in ["out", "up", "magic"] {
        let tar = Tar::new().hard_link("h", &format!("lower/{lower}/secret")).finish();
        refused(arena.over(&tar).1, "a file that does not exist");
    }
    refused(arena.over(&Tar::new().hard_link("h", "lower").finish()).1, "to a folder");
    refused(arena.over(&Tar::new().folder("d").hard_link("d/h", "d").finish()).1, "to a folder");
}

#[test]
fn a_deletion_stays_inside() {
    let arena = Arena::new();
    for way in arena.ways_out() {
        for what in ["s/.wh.secret", "s/.wh..wh..opq", "s/folder/.wh.file", "s/folder/.wh..wh..opq"]
        {
            let tar = Tar::new().symlink("s", &way).file(what, "").finish();
            arena.alone(&tar).1.unwrap();
            arena.over(&tar).1.unwrap();
        }
    }
    for lower in ["out", "up", "magic"] {
        for what in [".wh.secret", ".wh..wh..opq", "folder/.wh.file"] {
            arena.over(&Tar::new().file(&format!("lower/{lower}/{what}"), "").finish()).1.unwrap();
        }
        let (into, result) =
            arena.over(&Tar::new().file(&format!("lower/.wh.{lower}"), "").finish());
        result.unwrap();
        assert!(into.join("lower").join(lower).symlink_metadata().is_err());
    }
    // Recursive removal meets the symlinks.
    for tar in [
        Tar::new().file(".wh.lower", "").finish(),
        Tar::new().file(".wh..wh..opq", "").finish(),
        Tar::new().file("lower/.wh..wh..opq", "").finish(),
        Tar::new().file("lower", "in place of the folder").finish(),
    ] {
        let (into, result) = arena.over(&tar);
        result.unwrap();
        assert!(into.join("lower/out").symlink_metadata().is_err());
    }
    for name in [".wh.", ".wh..", ".wh...", "a/.wh...", "lower/.wh.."] {
        refused(arena.alone(&Tar::new().file(name, "").finish()).1, "impossible name");
        refused(arena.over(&Tar::new().file(name, "").finish()).1, "impossible name");
    }
    refused(arena.over(&Tar::new().file(".wh.a/b", "").finish()).1, "named like a deleted file");
}

#[test]
fn what_is_set_at_the_end_is_not_set_outside() {
    let arena = Arena::new();
    let acl = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x04\0\x05\0\xff\xff\xff\xff\x20\0\x05\0\xff\xff\xff\xff";
    for way in arena.ways_out() {
        // A folder with a time and a list to be set, then a symlink in its place.
        let tar = Tar::new()
            .pax(&[("SCHILY.xattr.system.posix_acl_default", &acl[..])])
            .folder("d")
            .pax(&[("SCHILY.xattr.system.posix_acl_default", &acl[..])])
            .folder("d/folder")
            .file("d/folder/x", "x")
            .symlink("d", &way)
            .finish();
        arena.alone(&tar).1.unwrap();
        arena.over(&tar).1.unwrap();
    }
    let tar = Tar::new().folder("lower").folder("lower/out").symlink("lower/out", "..").finish();
    arena.over(&tar).1.unwrap();
}

#[test]
fn the_root_stays_a_folder() {
    let arena = Arena::new();
    for name in ["./", "/", "a/..", "."] {
        for flag in [b'1', b'2', b'3', b'6'] {
            let tar =
                Tar::new().entry(flag, name, if flag < b'3' { "x" } else { "" }, b"").finish();
            refused(arena.alone(&tar).1, "would replace the layer's root");
            refused(arena.over(&tar).1, "would replace the layer's root");
        }
    }
}

#[test]
fn what_lies_below_a_file_or_a_loop_is_refused() {
    let arena = Arena::new();
    let tar = Tar::new().file("f", "").file("f/x", "").finish();
    refused(arena.alone(&tar).1, "lies below a file");
    refused(arena.over(&tar).1, "lies below a file");
    let tar = Tar::new().symlink("a", "b").symlink("b", "a").file("a/x", "").finish();
    refused(arena.over(&tar).1, "too many symlinks");
    let tar = Tar::new().symlink("a", "b").symlink("b", "a").hard_link("h", "a/x").finish();
    refused(arena.over(&tar).1, "too many symlinks");
    let tar = Tar::new().symlink("a", "a/a").file("a/x", "").finish();
    refused(arena.over(&tar).1, "too many symlinks");
}

#[test]
fn names_beyond_the_limits_of_the_kernel_are_refused() {
    let arena = Arena::new();
    let component = "n".repeat(256);
    refused(arena.alone(&Tar::new().file(&component, "").finish()).1, "longer than");
    let path = "p/".repeat(2047) + "x";
    assert_eq!(path.len(), 4095);
    refused(arena.alone(&Tar::new().file(&format!("{path}x"), "").finish()).1, "longer than");
    refused(arena.over(&Tar::new().symlink("s", &"t".repeat(4096)).finish()).1, "longer than");
    // Symlinks could lead deeper than any path: then the way ends.
    let mut tar = Tar::new().folder("d").symlink("d/s", &"d/".repeat(1000));
    for _ in 0..2 {
        tar = tar.file(&format!("d/s{}/x", "/d".repeat(1000)), "");
    }
    let mut deep = tar;
    deep = deep.symlink(&format!("{}s2", "d/".repeat(1900)), &"e/".repeat(1900));
    deep = deep.file(&format!("{}s2/x", "d/".repeat(1900)), "");
    refused(arena.over(&deep.finish()).1, "longer than");
    refused(arena.alone(&Tar::new().pax(&[("path", b"a\0b")]).file("x", "").finish()).1, "a NUL");
}

#[test]
fn a_path_as_long_as_the_kernel_takes_is_written_and_removed() {
    let arena = Arena::new();
    let path = "p/".repeat(2047) + "x";
    let mut tar = Tar::new();
    for depth in 1..=2047 {
        tar = tar.folder(&"p/".repeat(depth));
    }
    let tar = tar.file(&path, "deep");
    let (_, result) = arena.alone(&tar.clone().finish());
    assert_eq!(result.unwrap().self_contained, Ok(()));
    let (into, result) = arena.over(&tar.file("p", "in place of all that").finish());
    result.unwrap();
    assert!(into.join("p").is_file());
    let (into, result) = arena.over(&Tar::new().file(&path, "").file(".wh.p", "").finish());
    result.unwrap();
    assert!(into.join("p").is_dir(), "it is this layer's own");
}

#[test]
fn what_overlayfs_or_a_security_module_would_obey_is_left_out() {
    let arena = Arena::new();
    let xattr =
        |tar: Tar, name: &str| tar.pax(&[(&format!("SCHILY.xattr.{name}"), b"y")]).folder("d");
    for name in [
        "trusted.overlay.opaque",
        "trusted.overlay.redirect",
        "user.overlay.whiteout",
        "trusted.overlay.overlay.opaque",
        "security.selinux",
        "security.ima",
        "btrfs.compression",
        "system.nfs4_acl",
    ] {
        let tar = xattr(Tar::new(), name).finish();
        for (into, result) in [arena.alone(&tar), arena.over(&tar)] {
            let unpacked = result.unwrap();
            assert_eq!(unpacked.skipped_count, 1, "{name}");
            assert!(unpacked.skipped[0].what.to_string().contains(name));
            assert_eq!(unpacked.skipped[0].path, "d");
            assert!(!xattrs(&into.join("d")).contains_key(name), "{name}");
        }
    }
    // Under libarchive's name, in base64, too.
    let key = "LIBARCHIVE.xattr.trusted%2Eoverlay%2Eopaque";
    let tar = Tar::new().pax(&[(key, b"eQ")]).folder("d").finish();
    let (into, result) = arena.alone(&tar);
    assert_eq!(result.unwrap().skipped_count, 1);
    assert!(xattrs(&into.join("d")).is_empty());
}

#[test]
fn a_device_that_means_a_deletion_is_told_and_not_linked_to() {
    let arena = Arena::new();
    let device = |tar: Tar| tar.entry_with(b'3', "null", "", b"", |header| header.device(0, 0));
    let (_, result) = arena.alone(&device(Tar::new().file("null", "own")).finish());
    assert_eq!(result.unwrap().skipped[0].what, SkippedWhat::WhiteoutDevice);
    let (into, result) = arena.over(&device(Tar::new()).finish());
    assert_eq!(result.unwrap().skipped[0].what, SkippedWhat::WhiteoutDevice);
    assert!(!into.join("null").exists());
    for deleted in [device(Tar::new()), Tar::new().file(".wh.null", "")] {
        let (_, result) = arena.alone(&deleted.hard_link("other", "null").finish());
        let reason = result.unwrap().self_contained.unwrap_err();
        assert!(matches!(reason, NotSelfContained::HardLink { .. }), "{reason:?}");
    }
}

#[test]
fn owners_that_mean_unchanged_to_the_kernel_are_refused() {
    let arena = Arena::new();
    for records in [("uid", "4294967295"), ("gid", "4294967295"), ("uid", "4294967296")] {
        let tar = Tar::new().pax(&[(records.0, records.1.as_bytes())]).file("f", "").finish();
        refused(arena.alone(&tar).1, "beyond 32 bits");
    }
    // -1 in base 256.
    let tar = Tar::new().raw(Header::new(b'0', b"f").bytes(108, &[0xff; 8]), b"").finish();
    refused(arena.alone(&tar).1, "beyond 32 bits");
    let tar = Tar::new().pax(&[("uid", b"4294967294")]).file("f", "").finish();
    let (into, result) = arena.alone(&tar);
    result.unwrap();
    assert!(look(&into, whole())["/f"].contains("4294967294:0"));
}

#[test]
fn a_folder_that_is_not_empty_is_no_place_for_a_standalone_layer() {
    let root = scratch();
    std::fs::write(root.path().join("x"), "").unwrap();
    let error = standalone(&Tar::new().finish(), root.path()).unwrap_err();
    assert!(matches!(error.cause, Cause::NotEmpty));
    assert!(Path::new(root.path()).join("x").exists());
}
