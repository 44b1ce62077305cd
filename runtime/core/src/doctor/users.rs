//! What containers with a user namespace of their own need: such namespaces, mounts with mapped ids of the file system below
//! the root folder, overlayfs over those, ids that nobody else has. Tried in a folder that goes again; the mounts are seen by nobody.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use isopod_sys::idmap::{self, IdMap, IdRange};
use isopod_sys::tree;

use super::storage::existing;
use super::{Checkup, Machine, Verdict, read};
use crate::layout::private_folder;

const SUBJECT: &str = "users";
const FEATURE: &str = "--userns auto, mounts with uidMappings";
/// What the probe's root is on the host.
const ROOT: u32 = 1_000_000;

pub(super) fn examine(machine: &Machine) -> Vec<Checkup> {
    let mut found = vec![subordinate()];
    let checkup = |detail: String| Checkup::ok(SUBJECT, "maps of ids", detail).of(FEATURE);
    match make() {
        Err(error) => found.push(
            checkup(format!("can't be made: {error}"))
                .but(Verdict::Limited, "sysctl user.max_user_namespaces=…, and CAP_SYS_ADMIN"),
        ),
        Ok(users) => {
            found.push(checkup("can be made".to_owned()));
            found.push(mapped(&existing(&machine.root), &users));
        }
    }
    found
}

fn make() -> io::Result<OwnedFd> {
    let range = IdRange { inside: 0, outside: ROOT, count: 1 };
    let map = IdMap::new(vec![range]).map_err(io::Error::other)?;
    Ok(idmap::make_users(&map, &map)?.users)
}

/// A file of root's, seen through such a mount.
fn mapped(top: &Path, users: &OwnedFd) -> Checkup {
    let folder = top.join(format!(".doctor-{}", &crate::id::random()[..16]));
    let seen = private_folder(&folder).and_then(|()| {
        let tree = tree::bind_alone(&folder)?;
        let kind = idmap::file_system(tree.as_fd());
        let seen = idmap::map_mount(tree.as_fd(), users.as_fd(), false)
            .and_then(|()| fs::metadata(format!("/proc/self/fd/{}", tree.as_raw_fd())));
        Ok((kind, seen.map(|about| about.uid())))
    });
    if let Err(error) = fs::remove_dir(&folder)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(path = %folder.display(), %error, "cannot remove a probe");
    }
    let checkup = |detail: String| Checkup::ok(SUBJECT, "id-mapped mounts", detail).of(FEATURE);
    let advice = "Linux 5.19 or newer, and --root on ext4, xfs or btrfs";
    match seen {
        Ok((kind, Ok(ROOT))) => checkup(format!("{kind} shows files with mapped ids")),
        Ok((kind, Ok(other))) => {
            checkup(format!("{kind} shows root's files as {other}'s")).but(Verdict::Limited, advice)
        }
        Ok((kind, Err(error))) => {
            checkup(format!("{kind} can't: {error}")).but(Verdict::Limited, advice)
        }
        Err(error) => checkup(format!("can't be tried: {error}")).but(Verdict::Limited, advice),
    }
}

fn subordinate() -> Checkup {
    let has = |path: &str| {
        let text = read(path).unwrap_or_default();
        text.lines().any(|line| line.starts_with("containers:"))
    };
    let checkup =
        |detail: &str| Checkup::ok(SUBJECT, "subordinate ids", detail).of("--userns auto");
    match has("/etc/subuid") && has("/etc/subgid") {
        true => checkup("user containers has some"),
        // Nothing is amiss where nobody wants it.
        false => checkup(
            "user containers has none: --userns auto needs a line containers:2147483647:2147483648 in /etc/subuid and /etc/subgid",
        ),
    }
}
