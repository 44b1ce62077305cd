//! Control groups: the layout, and the controllers that limits need.

use std::fs;
use std::path::{Path, PathBuf};

use isopod_sys::cgroup::Hierarchies;

use super::{Checkup, Machine, Verdict, read};

const SUBJECT: &str = "cgroups";

/// v1's controller, v2's, and what needs it. v2 has freezing and devices in its core.
const CONTROLLERS: &[(&str, &str, &str)] = &[
    ("memory", "memory", "--memory, --memory-swap, stats"),
    ("cpu", "cpu", "--cpus, --cpu-shares"),
    ("cpuset", "cpuset", "--cpuset-cpus, --cpuset-mems"),
    ("pids", "pids", "--pids-limit"),
    ("blkio", "io", "--blkio-weight"),
    ("freezer", "", "pause"),
    ("devices", "", "--device, confinement to a list of devices"),
    ("hugetlb", "hugetlb", "limits of huge pages"),
];

pub(super) fn examine(_: &Machine) -> Vec<Checkup> {
    let hierarchies = match Hierarchies::find() {
        Ok(hierarchies) => hierarchies,
        Err(error) => {
            let checkup = Checkup::ok(SUBJECT, "layout", format!("not mounted: {error}"));
            let advice = "mount cgroup2 on /sys/fs/cgroup";
            return vec![checkup.of("every container").needed().but(Verdict::Missing, advice)];
        }
    };
    let folders: Vec<PathBuf> = hierarchies.folders(Path::new("/")).collect();
    let mut found = vec![layout(&hierarchies, &folders)];
    let unified = read("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    for (v1, v2, feature) in CONTROLLERS {
        let is_there = match hierarchies.is_unified() {
            true => v2.is_empty() || unified.split(' ').any(|name| name == *v2),
            false => hierarchies.folder(v1, Path::new("/")).is_some(),
        };
        let name = if hierarchies.is_unified() && !v2.is_empty() { v2 } else { v1 };
        let checkup = |detail: &str| Checkup::ok(SUBJECT, *name, detail).of(feature);
        let advice = "boot with a kernel that has it, and without cgroup_disable=";
        found.push(match is_there {
            true => checkup("there"),
            false => checkup("not there").but(Verdict::Missing, advice),
        });
    }
    found
}

fn layout(hierarchies: &Hierarchies, folders: &[PathBuf]) -> Checkup {
    let words = match (hierarchies.is_unified(), hierarchies.v2_folder(Path::new("/"))) {
        (true, _) => "v2".to_owned(),
        (false, Some(_)) => {
            format!("v1 with {} hierarchies, and v2 beside (hybrid)", folders.len() - 1)
        }
        (false, None) => format!("v1 with {} hierarchies", folders.len()),
    };
    let checkup = Checkup::ok(SUBJECT, "layout", words).of("every container").needed();
    let read_only = folders.iter().find(|folder| {
        rustix::fs::statvfs(folder.as_path())
            .is_ok_and(|about| about.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
    });
    match read_only {
        None if folders.is_empty() || fs::read_dir(&folders[0]).is_err() => {
            checkup.but(Verdict::Missing, "mount cgroup2 on /sys/fs/cgroup")
        }
        None => checkup,
        Some(folder) => checkup.but(
            Verdict::Missing,
            format!(
                "{} is read-only: run the container around us with --privileged",
                folder.display()
            ),
        ),
    }
}
