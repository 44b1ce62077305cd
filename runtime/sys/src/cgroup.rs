//! Control groups by their files: who is in one, killing, freezing, removing.
//!
//! All three layouts: v1 and hybrid (one hierarchy a folder of `/sys/fs/cgroup`), and v2. A group's
//! path is absolute below every hierarchy's root.
//!
//! Limits are not set here.

mod enter;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock, statfs};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

const ROOT: &str = "/sys/fs/cgroup";
const CGROUP2_MAGIC: i64 = 0x6367_7270;
const CGROUP_MAGIC: i64 = 0x0027_e0eb;
const FREEZE_PATIENCE: Duration = Duration::from_secs(2);

/// The hierarchies that are mounted.
#[derive(Debug, Clone)]
pub struct Hierarchies {
    v1: Vec<PathBuf>,
    v2: Option<PathBuf>,
}

impl Hierarchies {
    /// Looks below `/sys/fs/cgroup`.
    ///
    /// # Errors
    /// Reading that folder failed.
    pub fn find() -> io::Result<Self> {
        Self::find_below(Path::new(ROOT))
    }

    fn find_below(root: &Path) -> io::Result<Self> {
        if is_v2(root) {
            return Ok(Self { v1: Vec::new(), v2: Some(root.to_owned()) });
        }
        let mut found = Self { v1: Vec::new(), v2: None };
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            // `cpu` → `cpu,cpuacct` and the like are symlinks to a hierarchy that is listed itself.
            if !entry.file_type()?.is_dir() {
                continue;
            }
            match statfs(entry.path())?.f_type {
                CGROUP2_MAGIC => found.v2 = Some(entry.path()),
                CGROUP_MAGIC => found.v1.push(entry.path()),
                // A mount point whose hierarchy somebody unmounted: process ids in it are anybody's by now.
                _ => {}
            }
        }
        Ok(found)
    }

    /// Whether v2 holds the controllers.
    #[must_use]
    pub fn is_unified(&self) -> bool {
        self.v1.is_empty()
    }

    /// The folders of the group at `path`, one a hierarchy, whether they exist or not.
    pub fn folders(&self, path: &Path) -> impl Iterator<Item = PathBuf> {
        let relative = path.strip_prefix("/").unwrap_or(path).to_owned();
        self.v1.iter().chain(&self.v2).map(move |root| root.join(&relative))
    }

    /// What each v1 hierarchy is called, and the folder of the group at `path` in it.
    pub fn v1_folders(&self, path: &Path) -> impl Iterator<Item = (String, PathBuf)> {
        let relative = path.strip_prefix("/").unwrap_or(path).to_owned();
        self.v1.iter().map(move |root| {
            let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
            (name, root.join(&relative))
        })
    }

    /// The folder of the group at `path` in the v1 hierarchy of `controller`, or in v2.
    #[must_use]
    pub fn folder(&self, controller: &str, path: &Path) -> Option<PathBuf> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let named = |root: &&PathBuf| {
            let name = root.file_name().unwrap_or_default().to_string_lossy();
            name.split(',').any(|part| part == controller)
        };
        let root = self.v1.iter().find(named);
        let root = if self.is_unified() { self.v2.as_ref() } else { root };
        root.map(|root| root.join(relative))
    }

    /// The folder of the group at `path` in the v2 hierarchy, controllers or not.
    #[must_use]
    pub fn v2_folder(&self, path: &Path) -> Option<PathBuf> {
        self.v2.as_ref().map(|root| root.join(path.strip_prefix("/").unwrap_or(path)))
    }

    /// Writes a setting of `controller` for the group at `path`: its file's name and what to write.
    ///
    /// # Errors
    /// `NotFound` without that controller, group or file; what the kernel makes of the value.
    pub fn set(&self, controller: &str, path: &Path, file: &str, value: &str) -> io::Result<()> {
        let folder = self.folder(controller, path).ok_or(io::ErrorKind::NotFound)?;
        overwrite(&folder.join(file), value)
    }

    /// Makes the group's folders in every hierarchy, so that their parents can't be removed
    /// under somebody who is about to use them (see [`Self::remove`]).
    ///
    /// # Errors
    /// Making a folder failed.
    pub fn create(&self, path: &Path) -> io::Result<()> {
        let _lock = self.lock(FlockOperation::LockShared)?;
        for folder in self.folders(path) {
            fs::create_dir_all(folder)?;
        }
        if let (true, Some(root)) = (self.is_unified(), &self.v2) {
            delegate(root, path);
        }
        Ok(())
    }

    /// Removes the group and its subgroups, and those parents that have become empty; of a scope of systemd's
    /// (`*.scope`) the group alone, as slices are systemd's to remove.
    ///
    /// # Errors
    /// The first failure, after all else was tried; `ResourceBusy` where processes are left. A
    /// group that is not there is none.
    pub fn remove(&self, path: &Path) -> io::Result<()> {
        let mut result = Ok(());
        for folder in self.folders(path) {
            if let Err(error) = remove_tree(&folder) {
                result = result.and(Err(error));
            }
        }
        if !is_scope(path) {
            path.parent().map_or(Ok(()), |parent| self.prune(parent))?;
        }
        result
    }

    /// Removes the group if nothing is in it, and then those parents that have become empty. One in
    /// use stays, which is no error. A scope of systemd's and the slices above are systemd's to remove.
    ///
    /// # Errors
    /// The hierarchies can't be locked.
    pub fn prune(&self, path: &Path) -> io::Result<()> {
        if is_scope(path) {
            return Ok(());
        }
        let _lock = self.lock(FlockOperation::LockExclusive)?;
        for root in self.v1.iter().chain(&self.v2) {
            for group in path.ancestors().filter(|group| group.parent().is_some()) {
                let folder = root.join(group.strip_prefix("/").unwrap_or(group));
                match fs::remove_dir(&folder) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => break,
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Creating groups and removing empty parents exclude each other, among processes.
    fn lock(&self, operation: FlockOperation) -> io::Result<File> {
        let folder = File::open(self.v1.first().or(self.v2.as_ref()).ok_or(Errno::NOENT)?)?;
        while let Err(error) = flock(folder.as_fd(), operation) {
            if error != Errno::INTR {
                return Err(error.into());
            }
        }
        Ok(folder)
    }

    /// The processes in the group and its subgroups, as this process's pid namespace sees them.
    ///
    /// # Errors
    /// Reading failed; a group that is not there is empty.
    pub fn processes(&self, path: &Path) -> io::Result<Vec<i32>> {
        let mut pids = Vec::new();
        // On v1 some hierarchies may lack the group; in those that have it the members agree, but for
        // processes that are just moving in.
        for folder in self.folders(path) {
            collect(&folder, &mut pids)?;
        }
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// Whether processes of any pid namespace are in the group or below; a group that is not there has none. On
    /// version 2 alone.
    #[must_use]
    pub fn is_populated(&self, path: &Path) -> bool {
        let folder = self.v2_folder(path);
        folder.is_some_and(|folder| {
            value(&folder.join("cgroup.events"), "populated").is_ok_and(|number| number == Some(1))
        })
    }

    /// Sends `signal` to every process of the group.
    ///
    /// Handles are opened first and the members read again, so that a process id that was
    /// reused in between is not hit.
    ///
    /// # Errors
    /// Reading the members failed, or a signal could not be sent for another reason than
    /// that its target is gone.
    pub fn signal(&self, path: &Path, signal: Signal) -> io::Result<()> {
        let mut handles = Vec::new();
        for pid in self.processes(path)?.into_iter().filter_map(Pid::from_raw) {
            match pidfd_open(pid, PidfdFlags::empty()) {
                Ok(handle) => handles.push((pid, handle)),
                Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let members = self.processes(path)?;
        for (pid, handle) in handles {
            if members.binary_search(&pid.as_raw_nonzero().get()).is_err() {
                continue;
            }
            match pidfd_send_signal(&handle, signal) {
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Kills every process of the group and waits until it is empty, for at most `patience`.
    ///
    /// # Errors
    /// `TimedOut` when some are left; what [`Self::signal`] returns.
    pub fn kill(&self, path: &Path, patience: Duration) -> io::Result<()> {
        let end = Instant::now() + patience;
        loop {
            if self.processes(path)?.is_empty() {
                return Ok(());
            }
            self.kill_once(path)?;
            // A frozen v1 group dies only when thawed; one that isn't frozen stays as it is.
            self.set_frozen(path, false).ok();
            if Instant::now() > end {
                return Err(io::ErrorKind::TimedOut.into());
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Where the kernel can (v2, Linux 5.14), all at once: nothing escapes by forking.
    fn kill_once(&self, path: &Path) -> io::Result<()> {
        if let (true, Some(folder)) = (self.is_unified(), self.v2_folder(path))
            && overwrite(&folder.join("cgroup.kill"), "1").is_ok()
        {
            return Ok(());
        }
        self.signal(path, Signal::KILL)
    }

    /// Freezes or thaws the group and waits until it is.
    ///
    /// # Errors
    /// `NotFound` without a freezer; `TimedOut` after 2 s (a freezing group is thawed again).
    pub fn set_frozen(&self, path: &Path, frozen: bool) -> io::Result<()> {
        let folder = self.folder("freezer", path).ok_or(io::ErrorKind::NotFound)?;
        let end = Instant::now() + FREEZE_PATIENCE;
        let wanted = match (self.is_unified(), frozen) {
            (true, true) => "1",
            (true, false) => "0",
            (false, true) => "FROZEN",
            (false, false) => "THAWED",
        };
        let control = if self.is_unified() { "cgroup.freeze" } else { "freezer.state" };
        loop {
            // v1 may stay at FREEZING while a member forks: writing again makes it look again.
            overwrite(&folder.join(control), wanted)?;
            if self.is_frozen(&folder)? == frozen {
                return Ok(());
            }
            if Instant::now() > end {
                if frozen {
                    self.set_frozen(path, false)?;
                }
                return Err(io::ErrorKind::TimedOut.into());
            }
            sleep(Duration::from_millis(1));
        }
    }

    /// Whether the group at `path` is frozen, by itself or by a group above it.
    ///
    /// # Errors
    /// Reading failed; a group that is not there is not frozen.
    pub fn is_group_frozen(&self, path: &Path) -> io::Result<bool> {
        let Some(folder) = self.folder("freezer", path) else { return Ok(false) };
        match self.is_frozen(&folder) {
            Err(error) if gone(&error) => Ok(false),
            other => other,
        }
    }

    /// Removes the group and its subgroups, and leaves the groups above it to whoever made them.
    ///
    /// # Errors
    /// The first failure, after all else was tried; `ResourceBusy` where processes are left. A group that
    /// is not there is none.
    pub fn remove_alone(&self, path: &Path) -> io::Result<()> {
        let removed: Vec<io::Result<()>> =
            self.folders(path).map(|folder| remove_tree(&folder)).collect();
        removed.into_iter().collect()
    }

    fn is_frozen(&self, folder: &Path) -> io::Result<bool> {
        if self.is_unified() {
            return Ok(value(&folder.join("cgroup.events"), "frozen")? == Some(1));
        }
        Ok(fs::read_to_string(folder.join("freezer.state"))?.trim() == "FROZEN")
    }

    /// How many processes of the group the out-of-memory killer has killed.
    ///
    /// # Errors
    /// Reading failed; without a memory controller the answer is 0.
    pub fn oom_kills(&self, path: &Path) -> io::Result<u64> {
        let Some(folder) = self.folder("memory", path) else { return Ok(0) };
        let file = if self.is_unified() { "memory.events" } else { "memory.oom_control" };
        match value(&folder.join(file), "oom_kill") {
            Ok(kills) => Ok(kills.unwrap_or(0)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Moves the calling process, which must have one thread, into the group at `path` of v1's
    /// `name=systemd` hierarchy, if there is one: then it doesn't end with its caller's session.
    ///
    /// Writing `0` to `tasks` is the one way of migrating that takes no lock over all forks of
    /// the machine, and so doesn't wait 10 ms for an RCU grace period.
    ///
    /// # Errors
    /// Making or joining the group failed.
    pub fn leave_session(&self, path: &Path) -> io::Result<()> {
        let Some(root) = self.v1.iter().find(|root| root.ends_with("systemd")) else {
            return Ok(());
        };
        let _lock = self.lock(FlockOperation::LockShared)?;
        let folder = root.join(path.strip_prefix("/").unwrap_or(path));
        fs::create_dir_all(&folder)?;
        overwrite(&folder.join("tasks"), "0")
    }

    /// Makes the group at `path` in v2 and opens its folder, for
    /// [`crate::process::fork_into_cgroup`]; `None` without v2.
    ///
    /// # Errors
    /// Making or opening it failed.
    pub fn v2_group(&self, path: &Path) -> io::Result<Option<File>> {
        let Some(folder) = self.v2_folder(path) else { return Ok(None) };
        let _lock = self.lock(FlockOperation::LockShared)?;
        fs::create_dir_all(&folder)?;
        Ok(Some(File::open(folder)?))
    }
}

/// Makes migrations of the next milliseconds cheap, by a migration that changes nothing.
///
/// The first write to any `cgroup.procs` after a pause waits for an RCU grace period (10 to 13 ms
/// measured, more than everything else in starting a container); for about as long again the kernel
/// remembers it, and others don't wait. Called early and in a process or thread that has nothing else
/// to do, it moves that wait beside other work. Until it returns, control groups can be neither made
/// nor joined by anybody: do that before. Failing, it has no effect: there is nothing to report.
pub fn prime() {
    let Ok(groups) = fs::read_to_string("/proc/thread-self/cgroup") else { return };
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let name = controllers.strip_prefix("name=").unwrap_or(controllers);
        let path = path.trim_start_matches('/');
        let root = Path::new(ROOT);
        for root in [root.join(name), root.join("unified")] {
            let procs = root.join(path).join("cgroup.procs");
            if overwrite(&procs, "0").is_ok() {
                return;
            }
        }
    }
}

/// Has every group above the one at `path` hand all controllers on to its children.
///
/// One that can't be (processes are in a group above, or it isn't ours) is left out: a limit that
/// needs it is refused when it is written, by name.
fn delegate(root: &Path, path: &Path) {
    let relative = path.strip_prefix("/").unwrap_or(path);
    let mut above: Vec<&Path> = relative.ancestors().skip(1).collect();
    above.reverse();
    for folder in above.into_iter().map(|group| root.join(group)) {
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        let (available, on) = (read("cgroup.controllers"), read("cgroup.subtree_control"));
        for controller in available.split_whitespace() {
            // One by one: of several, none is handed on if one can't be.
            if !on.split_whitespace().any(|other| other == controller) {
                overwrite(&folder.join("cgroup.subtree_control"), &format!("+{controller}")).ok();
            }
        }
    }
}

/// Whether it is the group of a scope of systemd's, by its name.
fn is_scope(path: &Path) -> bool {
    path.extension().is_some_and(|kind| kind == "scope")
}

fn is_v2(path: &Path) -> bool {
    statfs(path).is_ok_and(|about| about.f_type == CGROUP2_MAGIC)
}

/// cgroup files are written by one `write` and must not be created.
fn overwrite(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

fn collect(folder: &Path, pids: &mut Vec<i32>) -> io::Result<()> {
    let mut text = String::new();
    match File::open(folder.join("cgroup.procs")).and_then(|mut f| f.read_to_string(&mut text)) {
        Ok(_) => {}
        // ENODEV: removed while it was open.
        Err(error) if gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    }
    pids.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|pid| *pid > 0));
    for child in subgroups(folder)? {
        collect(&child, pids)?;
    }
    Ok(())
}

fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

fn subgroups(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut children = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            children.push(entry.path());
        }
    }
    Ok(children)
}

fn remove_tree(folder: &Path) -> io::Result<()> {
    match fs::remove_dir(folder) {
        Ok(()) => return Ok(()),
        Err(error) if gone(&error) => return Ok(()),
        Err(_) => {}
    }
    for child in subgroups(folder)? {
        remove_tree(&child)?;
    }
    // A process leaves its group only after its parent could already reap it.
    let end = Instant::now() + Duration::from_millis(500);
    loop {
        match fs::remove_dir(folder) {
            Ok(()) => return Ok(()),
            Err(error) if gone(&error) => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error),
            Err(_) => sleep(Duration::from_micros(200)),
        }
    }
}

fn value(path: &Path, key: &str) -> io::Result<Option<u64>> {
    let text = fs::read_to_string(path)?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    Ok(line.and_then(|number| number.parse().ok()))
}

#[cfg(test)]
mod tests;
