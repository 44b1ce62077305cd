//! What a layer may cost (security.md, row 19): each limit alone, and the bombs.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use flate2::{Compression as Level, write::GzEncoder};
use isopod_layer::{Algorithms, Cause, Compression, LayerError, Limit, Limits, Target, Unpacked};

use crate::archive::{Header, Tar};
use crate::scratch::{plain, scratch};

fn limited(tar: &[u8], limits: &Limits) -> Result<Unpacked, LayerError> {
    let root = scratch();
    let folder = File::open(root.path()).unwrap();
    plain(tar, Target::Merged { folder: folder.as_fd() }, limits)
}

#[track_caller]
fn exceeded(result: Result<Unpacked, LayerError>, expected: Limit, entry: &str) {
    let error = result.unwrap_err();
    assert!(error.arrived.is_some(), "{error:?}");
    let Cause::Limit { path, limit } = error.cause else { panic!("{error:?}") };
    assert_eq!((limit, &*path), (expected, entry));
}

#[test]
fn content_is_bounded_before_it_is_written() {
    let tar = Tar::new().file("a", "12345").file("b", "67890").finish();
    let limits = |disk_bytes| Limits { disk_bytes, ..Limits::default() };
    assert_eq!(limited(&tar, &limits(10)).unwrap().disk_bytes, 10);
    exceeded(limited(&tar, &limits(9)), Limit::DiskBytes(9), "b");
    exceeded(limited(&tar, &limits(0)), Limit::DiskBytes(0), "a");
    // What the header only claims counts too, and wraps nowhere.
    let huge = Header::new(b'0', b"huge").bytes(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff");
    let limits = Limits { file_length: u64::MAX, ..limits(1 << 40) };
    exceeded(
        limited(&Tar::new().raw(huge, b"").finish(), &limits),
        Limit::DiskBytes(1 << 40),
        "huge",
    );
}

#[test]
fn entries_are_bounded() {
    let tar = Tar::new().file("a", "").folder("b").symlink("c", "d").finish();
    let limits = |entries| Limits { entries, ..Limits::default() };
    assert_eq!(limited(&tar, &limits(3)).unwrap().entries, 3);
    exceeded(limited(&tar, &limits(2)), Limit::Entries(2), "c");
}

#[test]
fn holes_are_bounded_though_they_cost_no_disk() {
    let sparse = |length: &str| {
        let records = [("GNU.sparse.map", &b"0,1"[..]), ("GNU.sparse.size", length.as_bytes())];
        Tar::new().pax(&records).file("holes", "x").finish()
    };
    let limits = Limits { file_length: 1 << 20, disk_bytes: 1, ..Limits::default() };
    assert_eq!(limited(&sparse("1048576"), &limits).unwrap().disk_bytes, 1);
    exceeded(limited(&sparse("1048577"), &limits), Limit::FileLength(1 << 20), "holes");
    exceeded(
        limited(&sparse("18446744073709551615"), &Limits::default()),
        Limit::FileLength(16 << 40),
        "holes",
    );
}

#[test]
fn attributes_are_bounded() {
    let tar = Tar::new().pax(&[("SCHILY.xattr.user.a", &[b'x'; 100])]).file("a", "").finish();
    let limits = |xattr_bytes| Limits { xattr_bytes, ..Limits::default() };
    limited(&tar, &limits(106)).unwrap();
    exceeded(limited(&tar, &limits(105)), Limit::XattrBytes(105), "a");
}

/// Many zeros in few bytes.
fn bomb(entry: Header, length: u64) -> Vec<u8> {
    let mut blob = GzEncoder::new(Vec::new(), Level::default());
    blob.write_all(&entry.size(length).with_checksum().0).unwrap();
    std::io::copy(&mut std::io::repeat(0).take(length), &mut blob).unwrap();
    blob.finish().unwrap()
}

fn written(folder: &Path) -> u64 {
    let length = |entry: std::fs::DirEntry| entry.metadata().unwrap().len();
    std::fs::read_dir(folder).unwrap().map(|entry| length(entry.unwrap())).sum()
}

#[test]
fn a_bomb_of_zeros_writes_nothing_beyond_its_limit() {
    let blob = bomb(Header::new(b'0', b"zeros"), 256 << 20);
    assert!(blob.len() < 2 << 20);
    let root = scratch();
    let folder = File::open(root.path()).unwrap();
    let unpack = |target, limits: &Limits| {
        isopod_layer::unpack(
            &blob[..],
            Compression::Gzip,
            Algorithms::default(),
            target,
            limits,
            &(),
        )
    };
    let limits = Limits { disk_bytes: 64 << 20, ..Limits::default() };
    let result = unpack(Target::Merged { folder: folder.as_fd() }, &limits);
    exceeded(result, Limit::DiskBytes(64 << 20), "zeros");
    assert_eq!(written(root.path()), 0);
    // Where nothing is written the expansion itself is bounded.
    let limits = Limits { tar_bytes: 16 << 20, ..Limits::default() };
    let error = unpack(Target::Discard, &limits).unwrap_err();
    assert!(matches!(error.cause, Cause::Expansion(limit) if limit == 16 << 20), "{error:?}");
    assert_eq!(error.arrived.unwrap().size, blob.len() as u64);
    let error = unpack(Target::Merged { folder: folder.as_fd() }, &limits).unwrap_err();
    assert!(matches!(error.cause, Cause::Expansion(_)), "{error:?}");
    assert!(written(root.path()) <= 17 << 20);
}

#[test]
fn what_follows_the_end_of_the_archive_is_bounded_too() {
    let tar = [Tar::new().file("a", "").finish(), vec![0; 4 << 20]].concat();
    let limits = Limits { tar_bytes: 1 << 20, ..Limits::default() };
    let error = limited(&tar, &limits).unwrap_err();
    assert!(matches!(error.cause, Cause::Expansion(_)), "{error:?}");
}

/// A file system of 64 KiB, mounted nowhere.
fn small_disk() -> std::os::fd::OwnedFd {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount,
        fsopen,
    };
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).unwrap();
    fsconfig_set_string(&context, "size", "64k").unwrap();
    fsconfig_create(&context).unwrap();
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap()
}

#[test]
fn a_full_disk_is_the_machines_fault_and_names_the_file() {
    let content = "x".repeat(1 << 20);
    let tar = Tar::new().folder("d").file("d/small", "x").file("d/large", &content).finish();
    let disk = small_disk();
    let target = Target::Merged { folder: disk.as_fd() };
    let error = plain(&tar, target, &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "could not write `d/large`");
    let Cause::Write { source, .. } = &error.cause else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(error.arrived, None);
}
