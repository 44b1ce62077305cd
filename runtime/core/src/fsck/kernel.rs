//! What dead monitors and killed commands may leave in the kernel: mounts and cgroups. (Devices and rules are the
//! networks' part.)

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use isopod_sys::cgroup::Hierarchies;
use rustix::mount::{UnmountFlags, unmount};

use super::containers::with;
use super::finding::Findings;
use super::kinds;
use super::look::{Look, entries, named};
use crate::state::ContainerRow;
use crate::{Error, Result};

/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn check(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    mounts(look, found)?;
    cgroups(look, found)
}

/// Containers are mounted in namespaces of their own. A disk that somebody mounted for one of the folders at the top, or
/// for a volume, is none of ours.
fn mounts(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    let path = Path::new("/proc/self/mountinfo");
    let table = fs::read_to_string(path).map_err(Error::io("cannot read", path))?;
    let layout = look.runtime.layout();
    let tops = [
        layout.layers(),
        layout.snapshots(),
        layout.root().join("containers"),
        layout.state().join("containers"),
        layout.state().join("networks"),
    ];
    let mut places: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescaped)
        .filter(|place| tops.iter().any(|top| place != top && place.starts_with(top)))
        .collect();
    // The deepest first, and of several on one place the last.
    places.sort_by_key(|place| std::cmp::Reverse(place.components().count()));
    places.dedup();
    for place in places {
        let detail = "nothing of ours is mounted where others see it";
        found.add(kinds::MOUNT_LEFTOVER, place.display().to_string(), detail).mend(move |_| {
            loop {
                match unmount(&place, UnmountFlags::NOFOLLOW) {
                    Ok(()) => {}
                    // It is no mount (any more).
                    Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => return Ok(()),
                    Err(errno) => return Err(Error::errno("cannot unmount", &place)(errno)),
                }
            }
        });
    }
    Ok(())
}

/// proc_pid_mountinfo(5): space, tab, line feed and backslash are three octal digits.
fn unescaped(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    let bytes = text.as_bytes();
    let (mut plain, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let code = bytes.get(at + 1..at + 4).filter(|_| byte == b'\\');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) => (plain.push(code), at += 4).1,
            None => (plain.push(byte), at += 1).1,
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(plain))
}

/// Those of containers that don't run, and empty ones of containers that nobody knows. (Another instance may have the
/// same parent: what is in use there stays.)
fn cgroups(look: &Look<'_>, found: &mut Findings) -> Result<()> {
    let failed = |source| Error::System { action: "cannot look at the cgroups", source };
    let hierarchies = Hierarchies::find().map_err(failed)?;
    let mut known: BTreeMap<PathBuf, &ContainerRow> = BTreeMap::new();
    for (row, record) in &look.containers {
        if record.is_ok()
            && let Some(container) = look.runtime.containers(&row.namespace).by_id(&row.id)?
        {
            known.insert(PathBuf::from(container.cgroup()), row);
        }
    }
    for (path, row) in &known {
        let is_there = hierarchies.folders(path).any(|folder| folder.is_dir());
        if !is_there || look.lives(&row.namespace, &row.id)? {
            continue;
        }
        let processes = hierarchies.processes(path).map_err(failed)?.len();
        let detail = match processes {
            0 => format!("of {}, which does not run", named(row)),
            _ => format!("of {}, which does not run, with {processes} processes", named(row)),
        };
        let (path, row) = (path.clone(), (*row).clone());
        found.add(kinds::CGROUP_LEFTOVER, path.display().to_string(), detail).mend(
            move |runtime| {
                with(runtime, &row, |_| {
                    hierarchies_kill(&path).map_err(Error::io("cannot empty the cgroup", &path))
                })
            },
        );
    }
    for path in below(&hierarchies, Path::new(&look.runtime.config().cgroup_parent))? {
        let is_empty = hierarchies.processes(&path).map_err(failed)?.is_empty();
        if known.contains_key(&path) || !is_empty {
            continue;
        }
        let detail = "no container is known that it is of, and nothing is in it";
        found.add(kinds::CGROUP_LEFTOVER, path.display().to_string(), detail).mend(move |_| {
            Hierarchies::find()
                .and_then(|hierarchies| match hierarchies.processes(&path)?.is_empty() {
                    true => hierarchies.remove(&path),
                    false => Ok(()),
                })
                .map_err(Error::io("cannot remove the cgroup", &path))
        });
    }
    Ok(())
}

fn hierarchies_kill(path: &Path) -> std::io::Result<()> {
    let hierarchies = Hierarchies::find()?;
    hierarchies.kill(path, PATIENCE)?;
    hierarchies.remove(path)
}

/// The groups two levels below `parent`, `<namespace>/<id>`, in any hierarchy.
fn below(hierarchies: &Hierarchies, parent: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for folder in hierarchies.folders(parent) {
        for (namespace, name, metadata) in entries(&folder)? {
            if !metadata.is_dir() || name == "monitors" {
                continue;
            }
            for (_, id, metadata) in entries(&namespace)? {
                if metadata.is_dir() {
                    found.push(parent.join(&name).join(id));
                }
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}
