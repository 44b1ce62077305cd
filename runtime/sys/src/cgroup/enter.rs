//! A process that moves itself between groups of version 1: by `0` to `tasks`, which takes no lock over all forks
//! of the machine and so doesn't wait 10 ms for an RCU grace period, as a process id in `cgroup.procs` does.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Hierarchies, overwrite};

/// What a group must have before it takes a process; a new one has neither.
const CPUSET: [&str; 2] = ["cpuset.cpus", "cpuset.mems"];

impl Hierarchies {
    /// Moves the calling process, which must have one thread, into the group at `path` of those v1 hierarchies
    /// whose names are `wanted` and that have it. Returns the groups' folders. A cpuset that has nothing yet gets
    /// what the group above it has.
    ///
    /// # Errors
    /// Joining one failed; others may have been joined.
    pub fn enter(&self, path: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
        let mut entered = Vec::new();
        for (name, folder) in self.v1_folders(path).filter(|(name, _)| wanted(name)) {
            if !folder.exists() {
                continue;
            }
            if name.split(',').any(|part| part == "cpuset") {
                inherit_cpuset(&folder)?;
            }
            overwrite(&folder.join("tasks"), "0")?;
            entered.push(folder);
        }
        Ok(entered)
    }

    /// Moves the calling process, which must have one thread and end soon, out of its groups, into the
    /// topmost ones of the v1 hierarchies whose names are `wanted`.
    ///
    /// # Errors
    /// Leaving one failed.
    pub fn leave(&self, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
        let mut roots = self.v1_folders(Path::new("/")).filter(|(name, _)| wanted(name));
        roots.try_for_each(|(_, root)| overwrite(&root.join("tasks"), "0"))
    }
}

fn inherit_cpuset(folder: &Path) -> io::Result<()> {
    for file in CPUSET {
        inherit(folder, file)?;
    }
    Ok(())
}

/// From the nearest group above that has something.
fn inherit(folder: &Path, file: &str) -> io::Result<String> {
    let place = folder.join(file);
    let value = fs::read_to_string(&place)?.trim().to_owned();
    if !value.is_empty() {
        return Ok(value);
    }
    let above = folder.parent().ok_or(io::ErrorKind::NotFound)?;
    let value = inherit(above, file)?;
    overwrite(&place, &value)?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    #[test]
    fn a_process_enters_new_groups_and_leaves_them() {
        let hierarchies = Hierarchies::find().unwrap();
        let path = PathBuf::from(format!("/isopod-test-enter-{}/inner", std::process::id()));
        hierarchies.create(&path).unwrap();
        let wanted = |name: &str| matches!(name, "cpuset" | "pids" | "memory");
        let inside = hierarchies.v1_folders(&path).filter(|(name, _)| wanted(name)).count();
        let shown = |leaves: bool| {
            let (hierarchies, group) = (hierarchies.clone(), path.clone());
            let mut command = Command::new("cat");
            command.arg("/proc/self/cgroup");
            // SAFETY: the child has one thread, and nobody else's locks are needed by what it calls.
            #[allow(unsafe_code)]
            unsafe {
                command.pre_exec(move || {
                    hierarchies.enter(&group, wanted)?;
                    if leaves { hierarchies.leave(wanted) } else { Ok(()) }
                });
            }
            let output = command.output().unwrap();
            assert!(output.status.success());
            let text = String::from_utf8(output.stdout).unwrap();
            text.lines().filter(|line| line.ends_with(path.to_str().unwrap())).count()
        };
        let counts = (shown(false), shown(true));
        hierarchies.remove(&path).unwrap();
        assert_eq!(counts, (inside, 0));
    }
}
