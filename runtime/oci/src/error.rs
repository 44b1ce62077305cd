//! Why a command was not done. Where engines look for words, they are runc's.

use std::io;
use std::path::{Path, PathBuf};

use crate::status::Status;

/// What the verbs return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such container.
    #[error("container does not exist")]
    NotFound,
    /// Another container has the id.
    #[error("container with given ID already exists")]
    Exists,
    /// Ids are file names of a few letters.
    #[error("invalid container ID format")]
    Id,
    /// It has ended, or was never started.
    #[error("container not running")]
    NotRunning,
    /// Only a frozen one can be resumed.
    #[error("container not paused")]
    NotPaused,
    /// It was started before.
    #[error("cannot start an already running container")]
    AlreadyRunning,
    /// It was started before, and is frozen.
    #[error("cannot start a container in the paused state")]
    IsPaused,
    /// Its process ended between `create` and `start`.
    #[error("cannot start a container that has stopped")]
    HasStopped,
    /// Its process could not execute its program, or one of its `startContainer` hooks failed.
    #[error("unable to start container process: {0}")]
    NotExecuted(String),
    /// Only what has ended can be deleted without force.
    #[error("cannot delete container {0} that is not stopped: {1}")]
    NotStopped(String, Status),
    /// It outlived SIGKILL for ten seconds.
    #[error("container init still running")]
    StillRunning,
    /// An exec would hang.
    #[error("cannot exec in a paused container (use --ignore-paused to override)")]
    Paused,
    /// There is nothing to join.
    #[error("cannot exec in a stopped container")]
    Stopped,
    /// No signal has this name or number.
    #[error("unknown signal {0:?}")]
    Signal(String),
    /// A hook failed.
    #[error(transparent)]
    Hook(#[from] crate::hooks::HookError),
    /// A file of ours is not what we wrote.
    #[error("malformed {0}: {1}")]
    Malformed(PathBuf, serde_json::Error),
    /// Written by another release.
    #[error("{0} is of version {1}, this release speaks {2}")]
    Version(PathBuf, u32, u32),
    /// The kernel refused.
    #[error("cannot {0} {1}: {2}")]
    Io(&'static str, PathBuf, io::Error),
}

impl Error {
    /// For `map_err`: what was attempted with which file.
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Io(what, path.to_owned(), error)
    }
}
