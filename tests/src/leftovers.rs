//! What still holds a folder or a container: mounts, processes and cgroups, told in words.

use std::fs;
use std::path::{Path, PathBuf};

/// Mounts in this mount namespace at or below the folder, deepest first.
pub fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").expect("procfs is mounted");
    let mut mounts: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|escaped| PathBuf::from(escaped.replace("\\040", " ")))
        .filter(|mount| mount.starts_with(folder))
        .collect();
    mounts.sort_by_key(|mount| std::cmp::Reverse(mount.components().count()));
    mounts
}

/// Processes, other than this one, whose command line, environment, folders, descriptors
/// or mounts name the folder: `(pid, why)`. Threads of parallel tests share this process,
/// so what it holds itself is not counted.
pub fn processes_that_hold(folder: &Path) -> Vec<(i32, String)> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").expect("procfs is mounted").flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let pid = name.parse().ok()?;
            (name != own).then_some(())?;
            Some((pid, reason_to_hold(&entry.path(), folder)?))
        })
        .collect()
}

/// A process may end while it is looked at: what can't be read is no reason.
fn reason_to_hold(process: &Path, folder: &Path) -> Option<String> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let command = fs::read(process.join("cmdline")).unwrap_or_default();
    let shown = String::from_utf8_lossy(&command).replace('\0', " ");
    for file in ["cmdline", "environ", "mountinfo"] {
        let bytes = fs::read(process.join(file)).unwrap_or_default();
        // A process in our own mount namespace sees mounts that are not its own.
        if file == "mountinfo" && same_mount_namespace(process) {
            continue;
        }
        if bytes.windows(needle.len()).any(|window| window == needle) {
            return Some(format!("{shown}(its {file} names the folder)"));
        }
    }
    let descriptors = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let links = ["cwd", "root", "exe"].map(|link| process.join(link));
    links
        .into_iter()
        .chain(descriptors.map(|entry| entry.path()))
        .find(|link| fs::read_link(link).is_ok_and(|target| target.starts_with(folder)))
        .map(|link| format!("{shown}({} is in the folder)", link.display()))
}

fn same_mount_namespace(process: &Path) -> bool {
    let own = fs::read_link("/proc/self/ns/mnt").ok();
    fs::read_link(process.join("ns/mnt")).ok() == own
}

/// Cgroups, in any hierarchy, below one of this name (a path's first part), deepest first.
pub fn cgroups_below(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = hierarchies(name);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                found.push(entry.path());
                folders.push(entry.path());
            }
        }
    }
    found.sort_by_key(|cgroup| std::cmp::Reverse(cgroup.components().count()));
    found
}

/// The cgroups of this name itself, in any hierarchy.
pub fn cgroups_called(name: &str) -> Vec<PathBuf> {
    hierarchies(name)
}

/// Removes the empty cgroup of this name from every hierarchy; those it could not remove.
pub fn remove_cgroup(name: &str) -> Vec<PathBuf> {
    hierarchies(name).into_iter().filter(|cgroup| fs::remove_dir(cgroup).is_err()).collect()
}

/// Where a cgroup of this name exists: in the one hierarchy of v2, or in each of v1's.
fn hierarchies(name: &str) -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    let each = fs::read_dir(&root).into_iter().flatten().flatten().map(|entry| entry.path());
    let candidates = std::iter::once(root.clone()).chain(each).map(|folder| folder.join(name));
    candidates.filter(|cgroup| cgroup.is_dir()).collect()
}
