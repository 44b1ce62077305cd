//! The file systems of root and state: overlayfs over them, extended attributes, types of entries, room.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use isopod_sys::mount::{self, OverlayOptions};
use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, XattrFlags, openat, setxattr, statvfs};

use super::{Checkup, Machine, Verdict};
use crate::error::words;
use crate::layout::private_folder;

const SUBJECT: &str = "storage";
const GIB: u64 = 1 << 30;
/// Entries of a small image with room to spare.
const INODES: u64 = 20_000;

/// What the folders begin with in which things are tried.
pub(crate) const PROBE: &str = ".doctor-";

pub(super) fn examine(machine: &Machine) -> Vec<Checkup> {
    let top = existing(&machine.root);
    let mut found = vec![filesystem(&top)];
    found.extend(room(&top));
    match Probe::make(&top) {
        Ok(probe) => found.extend([probe.overlay(), probe.attributes(), probe.types()]),
        Err(error) => found.push(
            Checkup::ok(SUBJECT, top.display().to_string(), words(&error))
                .of("everything")
                .needed()
                .but(Verdict::Missing, "choose a --root that can be written"),
        ),
    }
    found.push(state(&existing(&machine.state)));
    found
}

/// The folder, or the nearest above it that is there.
pub(super) fn existing(path: &Path) -> PathBuf {
    let found = path.ancestors().find(|folder| folder.is_dir());
    found.unwrap_or(Path::new("/")).to_owned()
}

/// The type of a file system, by proc_pid_mountinfo(5).
fn kind(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mounts = table.lines().filter_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let place = PathBuf::from(head.split(' ').nth(4)?);
        let kind = tail.split(' ').next()?.to_owned();
        path.starts_with(&place).then_some((place.components().count(), kind))
    });
    // Of several on one place the last is what is seen.
    mounts.max_by_key(|(depth, _)| *depth).map(|(_, kind)| kind)
}

fn filesystem(top: &Path) -> Checkup {
    let kind = kind(top).unwrap_or_else(|| "unknown".to_owned());
    let detail = format!("{} is on {kind}", top.display());
    let checkup = Checkup::ok(SUBJECT, "file system", detail).of("images and containers");
    match kind.as_str() {
        "overlay" => checkup.but(
            Verdict::Limited,
            "put --root on another file system (a volume): overlay over overlay takes work folders \
             of some kernels only",
        ),
        "tmpfs" => checkup.but(Verdict::Limited, "images are gone after a boot, and lie in memory"),
        "nfs" | "nfs4" | "cifs" | "9p" | "vfat" | "exfat" => {
            checkup.but(Verdict::Missing, "put --root on a local file system as ext4, xfs or btrfs")
        }
        _ => checkup,
    }
}

fn room(top: &Path) -> Vec<Checkup> {
    let Ok(about) = statvfs(top) else { return Vec::new() };
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    let mebibytes = free >> 20;
    let space = Checkup::ok(SUBJECT, "space", format!("{mebibytes} MiB are free")).of("pull");
    let inodes = Checkup::ok(SUBJECT, "inodes", format!("{} are free", about.f_favail)).of("pull");
    // btrfs has as many as it wants, and says 0 of 0.
    let has_few = about.f_files > 0 && about.f_favail < INODES;
    let advice = "isopod system prune -a, isopod system gc, or another --root";
    vec![
        if free < GIB { space.but(Verdict::Limited, advice) } else { space },
        if has_few { inodes.but(Verdict::Limited, advice) } else { inodes },
    ]
}

/// Sockets and locks.
fn state(top: &Path) -> Checkup {
    let kind = kind(top).unwrap_or_else(|| "unknown".to_owned());
    let detail = format!("{} is on {kind}", top.display());
    let checkup = Checkup::ok(SUBJECT, "state folder", detail).of("restarts of the machine");
    match kind.as_str() {
        "tmpfs" | "ramfs" => checkup,
        _ => checkup.but(
            Verdict::Limited,
            "a --state that a boot empties (below /run) keeps nothing of containers that are gone",
        ),
    }
}

/// A folder that goes again.
struct Probe {
    folder: PathBuf,
}

impl Drop for Probe {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(path = %self.folder.display(), %error, "cannot remove a probe");
        }
    }
}

impl Probe {
    fn make(top: &Path) -> io::Result<Self> {
        let folder = top.join(format!("{PROBE}{}", &crate::id::random()[..16]));
        private_folder(&folder)?;
        let probe = Self { folder };
        for name in ["lower", "other", "upper", "work"] {
            fs::create_dir(probe.folder.join(name))?;
        }
        fs::write(probe.folder.join("lower/file"), "lower")?;
        Ok(probe)
    }

    /// As a container has it: two layers, and a folder to write to. The mount is attached nowhere.
    fn overlay(&self) -> Checkup {
        let at = |name: &str| self.folder.join(name);
        let mounted = mount::overlay(
            &[at("lower"), at("other")],
            Some(&at("upper")),
            Some(&at("work")),
            OverlayOptions::default(),
        );
        let written = mounted.and_then(|mount| {
            // A whiteout shows that the upper file system takes them.
            rustix::fs::unlinkat(&mount, "file", rustix::fs::AtFlags::empty())?;
            Ok(())
        });
        let checkup = |detail: String| {
            Checkup::ok(SUBJECT, "overlayfs", detail).of("every container").needed()
        };
        match written {
            Ok(()) => checkup("mounts over this file system, and takes whiteouts".to_owned()),
            Err(error) => checkup(format!("can't be mounted here: {error}"))
                .but(Verdict::Missing, "modprobe overlay, or put --root on ext4, xfs or btrfs"),
        }
    }

    fn attributes(&self) -> Checkup {
        let file = self.folder.join("lower");
        let set = |name: &str| setxattr(&file, name, b"1", XattrFlags::empty());
        let checkup = |detail: String| {
            Checkup::ok(SUBJECT, "extended attributes", detail)
                .of("layers: opaque folders, capabilities of files")
        };
        match set("trusted.isopod.probe").and_then(|()| set("user.isopod.probe")) {
            Ok(()) => checkup("trusted and user ones are kept".to_owned()),
            Err(errno) => checkup(format!("are refused: {errno}"))
                .but(Verdict::Missing, "put --root on ext4, xfs or btrfs"),
        }
    }

    /// overlayfs needs them of its upper folder (d_type; xfs made with ftype=0 has none).
    fn types(&self) -> Checkup {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let are_known = openat(CWD, self.folder.join("lower"), flags, Mode::empty())
            .and_then(Dir::read_from)
            .is_ok_and(|entries| {
                entries.flatten().all(|entry| entry.file_type() != FileType::Unknown)
            });
        let checkup = |detail: &str| Checkup::ok(SUBJECT, "d_type", detail).of("overlayfs");
        match are_known {
            true => checkup("listings tell the types of entries"),
            false => checkup("listings don't tell the types of entries")
                .but(Verdict::Missing, "make the xfs file system anew with ftype=1"),
        }
    }
}
