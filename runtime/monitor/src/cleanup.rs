//! What is left of a container that has ended, and after a monitor that was killed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use isopod_monitor_protocol::launch::Launch;
use isopod_monitor_protocol::status::{Condition, Exit, Phase, Status};
use isopod_monitor_protocol::time::Timestamp;
use isopod_monitor_protocol::{data, state};
use isopod_sys::atomic;
use isopod_sys::cgroup::Hierarchies;
use isopod_sys::process;
use isopod_sys::step::step;
use libcontainer::container::Container;
use rustix::process::{WaitOptions, waitpid};

use crate::launcher::EXECS;
use crate::monitor::record_end;
use crate::spec;
use crate::start::{self, StartError, system};

/// How long killed processes may take to disappear.
const PATIENCE: Duration = Duration::from_secs(5);

/// The status of a container that ended nobody knows how.
const LOST: i32 = 255;

/// Why something is left.
#[derive(Debug, thiserror::Error)]
pub enum CleanupError {
    /// A monitor lives.
    #[error("container {0} has a monitor")]
    Monitored(String),
    /// The files don't say what is to be cleaned up.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Processes resist.
    #[error("cannot kill the processes of cgroup {0}: {1}")]
    Kill(PathBuf, io::Error),
    /// The cgroup is still used.
    #[error("cannot remove cgroup {0}: {1}")]
    Cgroup(PathBuf, io::Error),
    /// Hooks or libcontainer failed.
    #[error("cannot run the poststop hooks of container {0}: {1}")]
    Epilogue(String, io::Error),
    /// A file can't be removed.
    #[error("cannot remove {0}: {1}")]
    Remove(PathBuf, io::Error),
    /// The status can't be written.
    #[error("cannot write {0}: {1}")]
    Status(PathBuf, io::Error),
}

/// Removes what is left of a container: processes, cgroups, libcontainer's state, mount point.
/// Tries everything; returns the first failure.
pub fn remove(
    launch: &Launch,
    hierarchies: &Hierarchies,
    cgroup: Option<&Path>,
    has_epilogue: bool,
) -> Result<(), CleanupError> {
    let mut results = Vec::new();
    if let Some(cgroup) = cgroup {
        let named = |error| CleanupError::Kill(cgroup.to_owned(), error);
        results.push(hierarchies.kill(cgroup, PATIENCE).map_err(named));
    }
    if has_epilogue {
        let named = |error| CleanupError::Epilogue(launch.id.clone(), error);
        results.push(run_epilogue(launch).map_err(named));
    }
    if let Some(cgroup) = cgroup {
        let named = |error| CleanupError::Cgroup(cgroup.to_owned(), error);
        results.push(hierarchies.remove(cgroup).map_err(named));
    }
    for name in [state::OCI, state::BUNDLE, state::PARTS, EXECS] {
        let path = launch.state.join(name);
        results.push(gone(fs::remove_dir_all(&path), path));
    }
    let mount_point = launch.state.join(state::ROOTFS);
    results.push(gone(fs::remove_dir(&mount_point), mount_point));
    results.extend(remove_console_sockets(&launch.state));
    results.into_iter().collect()
}

/// Removes the control socket.
pub fn remove_socket(launch: &Launch) -> Result<(), CleanupError> {
    let socket = launch.state.join(state::SOCKET);
    gone(fs::remove_file(&socket), socket)
}

fn gone(result: io::Result<()>, path: PathBuf) -> Result<(), CleanupError> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(CleanupError::Remove(path, error))
        }
        _ => Ok(()),
    }
}

/// A launcher that was killed leaves its socket.
fn remove_console_sockets(folder: &Path) -> Vec<Result<(), CleanupError>> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sockets = entries.filter(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("console-") && name.ends_with(".sock")
    });
    sockets.map(|entry| gone(fs::remove_file(entry.path()), entry.path())).collect()
}

/// Has libcontainer run poststop hooks and give back what only it knows of, in a child, for it
/// changes its caller.
fn run_epilogue(launch: &Launch) -> io::Result<()> {
    let folder = launch.state.join(state::OCI).join(&launch.id);
    if !folder.exists() {
        return Ok(());
    }
    let pid = process::fork(|| {
        process::reset_signals();
        let Ok(mut container) = Container::load(folder) else { return 1 };
        // The process is gone, and its number may be another's by now.
        container.state.pid = None;
        i32::from(container.delete(false).is_err())
    })?;
    let ended = waitpid(Some(pid), WaitOptions::empty())?;
    let status = ended.and_then(|(_, status)| status.exit_status());
    if status == Some(0) { Ok(()) } else { Err(io::Error::other("libcontainer's delete failed")) }
}

/// After a monitor that was killed: removes what is left, and records the end in `status.json`.
pub fn clean_up(folder: &Path) -> Result<(), CleanupError> {
    process::close_descriptors_except(&[]).map_err(system("close inherited descriptors"))?;
    process::clear_environment().map_err(system("clear the environment"))?;
    let launch = start::read_launch(folder)?;
    let hierarchies = Hierarchies::find().map_err(system("find control groups"))?;
    let Some(_lock) = start::take_state(&launch.state).map_err(system("take the state folder"))?
    else {
        return Err(CleanupError::Monitored(launch.id));
    };
    // Of a specification that can't be read, nothing can have been started.
    let facts = spec::read(&launch.data).ok();
    let has_epilogue = facts.as_ref().is_some_and(|facts| facts.has_epilogue);
    let cgroup = facts.as_ref().map(|facts| facts.cgroup.as_path());
    let removed = remove(&launch, &hierarchies, cgroup, has_epilogue).and(remove_socket(&launch));
    step("cleanup.removed");
    // Other containers' monitors may be in there, and the guard may still be on its way out.
    let own = hierarchies
        .prune(&launch.monitor_cgroup)
        .map_err(|error| CleanupError::Cgroup(launch.monitor_cgroup.clone(), error));
    let recorded = record(&launch);
    step("cleanup.recorded");
    recorded.and(removed).and(own)
}

/// Gives a container that is said to run, but doesn't, an end.
fn record(launch: &Launch) -> Result<(), CleanupError> {
    let path = launch.data.join(data::STATUS);
    let named = |error| CleanupError::Status(path.clone(), error);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(named)?,
    };
    let Ok(mut status) = serde_json::from_slice::<Status>(&bytes) else {
        // Half a file can't be: it is renamed into place. Whoever wrote this, it isn't ours to mend.
        return Ok(());
    };
    if matches!(status.phase, Phase::Exited | Phase::Failed) {
        return Ok(());
    }
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(named)?;
    let is_of_this_boot = status.boot_id == boot.trim_end();
    let why = match is_of_this_boot {
        true => "the container's monitor was killed",
        false => "the machine was restarted",
    };
    // After a boot `system start-all` asks the policies.
    status.awaits_policy = is_of_this_boot;
    if let Some(health) = &mut status.health {
        health.condition = Condition::Unhealthy;
    }
    let ran = matches!(status.phase, Phase::Running | Phase::Paused);
    status.phase = Phase::Exited;
    status.pid = 0;
    let exit = Exit {
        code: LOST,
        signal: None,
        oom_killed: false,
        error: Some(why.to_owned()),
        at: Timestamp::now(),
    };
    status.exit = Some(exit.clone());
    let bytes = serde_json::to_vec(&status).map_err(|error| named(error.into()))?;
    atomic::write_even_if_full(&path, &bytes, 0o600).map_err(named)?;
    // Of what ended in an earlier boot nobody knows when; and in the pause of a policy it had ended before.
    if is_of_this_boot && ran {
        record_end(launch, &exit);
    }
    Ok(())
}
