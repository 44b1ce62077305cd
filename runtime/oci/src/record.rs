//! `state.json` in a container's folder: what was known when it was created.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::status::Status;

/// Of the file's format.
pub const VERSION: u32 = 1;

/// A process, told apart from a later one with its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pid {
    /// In the host's pid namespace.
    pub pid: i32,
    /// See [`crate::status::started_at`].
    pub started_at: u64,
}

impl Pid {
    /// The process of that id, if it runs.
    #[must_use]
    pub fn of(pid: i32) -> Option<Self> {
        crate::status::started_at(pid).map(|started_at| Self { pid, started_at })
    }

    /// Whether it still runs.
    #[must_use]
    pub fn is_alive(self) -> bool {
        crate::status::started_at(self.pid) == Some(self.started_at)
    }
}

/// What was known of a container when it was created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// [`VERSION`] of the writer.
    pub version: u32,
    /// Its name, and its folder's.
    pub id: String,
    /// `ociVersion` of its `config.json`.
    pub oci_version: String,
    /// The folder that `config.json` was in, absolute.
    pub bundle: PathBuf,
    /// Its root file system, absolute.
    pub rootfs: PathBuf,
    /// When it was created, RFC 3339.
    pub created: String,
    /// Who created it, as a user id of the host.
    pub owner: u32,
    /// Absolute below every hierarchy's root.
    pub cgroup: PathBuf,
    /// The unit of systemd's that made it, if one did.
    #[serde(default)]
    pub scope: Option<String>,
    /// Whether it has a pid namespace of its own, so that none of it outlives its first process.
    pub owns_pids: bool,
    /// As in `config.json`.
    pub annotations: BTreeMap<String, String>,
    /// Who creates it.
    pub creator: Pid,
    /// Its first process; `None` while it is being created.
    pub init: Option<Pid>,
}

/// What `state` and `list` print, and hooks read (runtime-spec, runtime.md, "State"; `rootfs`, `created`
/// and `owner` are runc's).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct State {
    /// `ociVersion` of its `config.json`.
    #[serde(rename = "ociVersion")]
    pub oci_version: String,
    /// Its name.
    pub id: String,
    /// Of its first process; 0 without one.
    pub pid: i32,
    /// What it does.
    pub status: Status,
    /// The folder that `config.json` was in.
    pub bundle: PathBuf,
    /// Its root file system.
    pub rootfs: PathBuf,
    /// RFC 3339.
    pub created: String,
    /// As in `config.json`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// A user's name; `state` leaves it empty.
    pub owner: String,
}

/// What hooks read from their standard input.
#[derive(Debug, Serialize)]
pub struct HookState<'a> {
    /// `ociVersion` of the container's `config.json`.
    #[serde(rename = "ociVersion")]
    pub oci_version: &'a str,
    /// Its name.
    pub id: &'a str,
    /// What it does.
    pub status: Status,
    /// Of its first process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The folder that `config.json` was in.
    pub bundle: &'a std::path::Path,
    /// As in `config.json`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: &'a BTreeMap<String, String>,
}

impl Record {
    /// What hooks are to read at this stage.
    #[must_use]
    pub fn for_hooks(&self, status: Status, pid: Option<i32>) -> HookState<'_> {
        HookState {
            oci_version: &self.oci_version,
            id: &self.id,
            status,
            pid,
            bundle: &self.bundle,
            annotations: &self.annotations,
        }
    }
}
