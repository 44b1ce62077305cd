//! Removing: the rows go first, in one transaction, then the folders; what a crash leaves in
//! between belongs to nothing and is collected.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use isopod_monitor_protocol::data;
use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::message::Request;
use isopod_sys::cgroup::Hierarchies;
use isopod_sys::step::step;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::record::{Record, VolumeUse};
use super::stop::Ending;
use super::{Container, Containers};
use crate::state::{ContainerRow, Durability, SnapshotRow, VolumeRow};
use crate::{Error, ErrorKind, Result, reserve};

const SIGKILL: i32 = 9;

/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a monitor whose container has ended may take to end itself.
const LAST_ACTS: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// How often a folder in which others still make files is emptied.
const TRIES: u32 = 1000;

/// How thoroughly to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// Kill it if it runs.
    pub force: bool,
    /// Remove its anonymous volumes too.
    pub volumes: bool,
    /// Leave its writable snapshot.
    pub keep_snapshot: bool,
}

impl Containers<'_> {
    /// Removes the one that `text` names; with `force` also one whose record or status is damaged.
    ///
    /// # Errors
    /// As [`Containers::find`] and [`Container::remove`].
    pub fn remove(&self, text: &str, options: RemoveOptions) -> Result<()> {
        let row = self.find_row(text)?;
        match Container::from_row(self.runtime, row.clone()) {
            Err(Error::Corrupt { .. }) if options.force => {
                let state = self.runtime.state();
                let of_it = |c: &_| VolumeRow::of_container(c, &row.namespace, &row.id);
                let volumes = state.read(of_it)?.into_iter().map(|volume| VolumeUse {
                    name: volume.name,
                    destination: String::new(),
                    options: Vec::new(),
                    copy: false,
                    anonymous: volume.anonymous,
                    subpath: String::new(),
                });
                let record = Record::unreadable(&row, volumes.collect());
                Container { runtime: self.runtime, row, record }.remove(options)
            }
            other => other?.remove(options),
        }
    }
}

/// What went with a container's row, and still has a folder.
struct Deleted {
    snapshot: Option<SnapshotRow>,
}

impl Container<'_> {
    /// Removes it.
    ///
    /// # Errors
    /// [`Error::State`] if it runs and `force` is not set; [`Error::NotFound`] if another command
    /// was faster; folders can't be removed.
    pub fn remove(&self, options: RemoveOptions) -> Result<()> {
        let operation = self.lock_operation()?;
        self.end(options.force)?;
        let monitor = self.last_monitor();
        step("remove.ended");
        self.release_networks()?;
        step("remove.released");
        let deleted = match self.delete_rows(options) {
            Err(error) if error.kind() == ErrorKind::NoSpace => {
                // It filled up since we came: by this very container's log, maybe.
                reserve::keep(self.runtime.layout().root());
                self.delete_rows(options)?
            }
            other => other?,
        };
        let Some(Deleted { snapshot }) = deleted else {
            self.remove_state_folder()?;
            return Err(Error::NotFound { what: "container", name: self.name().to_owned() });
        };
        step("remove.deleted");
        self.remove_folders(options, snapshot)?;
        self.happened("destroy", &[]);
        step("remove.folders");
        drop(operation);
        prune_cgroups(monitor, Path::new(&self.cgroup()));
        Ok(())
    }

    fn end(&self, force: bool) -> Result<()> {
        let status = match self.status() {
            Err(_) if force => return self.end_unseen(),
            other => other?,
        };
        if !status.phase.is_alive() {
            return Ok(());
        }
        if !force {
            return Err(Error::State {
                id: self.name().to_owned(),
                state: status.phase.as_str(),
                hint: "stop it first, or force its removal",
            });
        }
        match self.end_run(Ending::ByHand, Some(SIGKILL), None) {
            // Nothing is left of it, which is what was wanted.
            Err(Error::MonitorDied { .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Ends it where nobody can tell what it does.
    fn end_unseen(&self) -> Result<()> {
        if self.has_monitor()? {
            let mut watch = match self.watch() {
                Err(Error::State { .. }) => return Ok(()),
                other => other?,
            };
            let request = Request::Kill { exec_id: None, signal: SIGKILL, all: true, stop: true };
            // It may end of itself between the two.
            self.ask(request).ok();
            return watch.wait().map(drop);
        }
        if self.clean_up_after_monitor().is_err() {
            // What the monitor was told is damaged too, but the cgroup is known without it.
            let cgroup = PathBuf::from(self.cgroup());
            Hierarchies::find()
                .and_then(|hierarchies| {
                    hierarchies.kill(&cgroup, PATIENCE)?;
                    hierarchies.remove(&cgroup)
                })
                .map_err(Error::io("cannot empty the cgroup", &cgroup))?;
        }
        Ok(())
    }

    /// Its last monitor's process id, and the cgroup that this one was put into; `None` if there was none.
    fn last_monitor(&self) -> Option<(i32, PathBuf)> {
        let launch = fs::read(self.data().join(data::LAUNCH)).ok()?;
        // As it was then: the instance may be configured otherwise by now.
        let launch = serde_json::from_slice::<Launch>(&launch);
        let group = launch.map_or_else(|_| self.monitor_cgroup(), |launch| launch.monitor_cgroup);
        let status = self.read_status().ok().flatten();
        // Of a run that was forgotten the monitor is long gone.
        Some((status.map_or(0, |status| status.monitor), group))
    }

    /// All of its rows in one transaction: what is killed after it leaves only folders without rows,
    /// which any sweep takes; those of volumes must have been announced.
    fn delete_rows(&self, options: RemoveOptions) -> Result<Option<Deleted>> {
        let (namespace, id) = (self.namespace(), self.id());
        let durability = match self.record.auto_remove {
            true => Durability::Process,
            false => Durability::Power,
        };
        let unnamed = self.record.volumes.iter().filter(|volume| volume.anonymous);
        for volume in unnamed.filter(|_| options.volumes) {
            self.runtime.volumes().announce(&volume.name);
        }
        let state = self.runtime.state();
        state.write(durability, |transaction| {
            let wrap = state.error();
            if !ContainerRow::delete(transaction, namespace, id).map_err(&wrap)? {
                return Ok(None);
            }
            let mut snapshot = None;
            if let Some(key) = self.record.snapshot.as_ref().filter(|_| !options.keep_snapshot) {
                snapshot = SnapshotRow::get(transaction, key).map_err(&wrap)?;
                SnapshotRow::delete(transaction, key).map_err(&wrap)?;
            }
            VolumeRow::release(transaction, namespace, id).map_err(&wrap)?;
            if options.volumes {
                for volume in self.record.volumes.iter().filter(|volume| volume.anonymous) {
                    if VolumeRow::uses(transaction, &volume.name).map_err(&wrap)?.is_empty() {
                        VolumeRow::delete(transaction, &volume.name).map_err(&wrap)?;
                    }
                }
            }
            Ok(Some(Deleted { snapshot }))
        })
    }

    fn remove_folders(&self, options: RemoveOptions, snapshot: Option<SnapshotRow>) -> Result<()> {
        if let Some(row) = snapshot {
            remove_folder(&self.runtime.snapshots().folder(&row))?;
        }
        if options.volumes {
            for volume in self.record.volumes.iter().filter(|volume| volume.anonymous) {
                self.runtime.volumes().remove_folder_if_gone(&volume.name)?;
            }
        }
        step("remove.snapshot");
        remove_folder(&self.data())?;
        step("remove.data");
        // The last of a namespace takes the namespace's folder along; a full one stays.
        if let Some(parent) = self.data().parent() {
            fs::remove_dir(parent).ok();
        }
        self.remove_state_folder()
    }

    pub(super) fn remove_state_folder(&self) -> Result<()> {
        let folder = self.state();
        remove_folder(&folder)?;
        if let Some(parent) = folder.parent() {
            fs::remove_dir(parent).ok();
        }
        Ok(())
    }

    /// Undoes a create that failed half way.
    pub(super) fn forget(&self) -> Result<()> {
        let options = RemoveOptions { force: true, volumes: true, keep_snapshot: false };
        let snapshot = self.delete_rows(options)?.and_then(|deleted| deleted.snapshot);
        self.remove_folders(options, snapshot)
    }
}

/// Removes the cgroup of monitors if this was the last of them, which may still be about to leave, and the
/// container's `own`, which a monitor leaves that was killed before it could say that it was at work.
/// Where another one's is in there, its remover comes later. Should this fail, a folder is left that
/// holds nothing, and the next removal tries again.
fn prune_cgroups(monitor: Option<(i32, PathBuf)>, own: &Path) {
    let (Some((pid, group)), Ok(hierarchies)) = (monitor, Hierarchies::find()) else { return };
    if hierarchies.kill(own, PATIENCE).is_ok() {
        hierarchies.prune(own).ok();
    }
    let is_there = hierarchies.processes(&group).is_ok_and(|processes| processes.contains(&pid));
    let pid = Pid::from_raw(pid).filter(|_| is_there);
    if let Some(handle) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) {
        poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&LAST_ACTS)).ok();
    }
    hierarchies.prune(&group).ok();
}

/// Removes a folder and all in it; one that is not there is none of our concern.
///
/// Commands that wait for a container's lock make the lock's file again while its folder goes. Each
/// does so once before it sees that the container is no more, so that some try finds the folder empty.
pub(super) fn remove_folder(path: &Path) -> Result<()> {
    let mut left = TRIES;
    loop {
        left -= 1;
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && left > 0 => {
                std::thread::yield_now();
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("cannot remove", path)(error));
            }
            _ => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_folder_goes_though_a_lock_is_made_in_it_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("container");
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    fs::create_dir_all(&path).ok();
                    fs::write(path.join("operation.lock"), "").ok();
                }
            });
            let removed: Vec<_> = (0..2000).map(|_| remove_folder(&path)).collect();
            is_over.store(true, Ordering::Relaxed);
            removed.into_iter().for_each(|removal| removal.unwrap());
        });
    }
}
