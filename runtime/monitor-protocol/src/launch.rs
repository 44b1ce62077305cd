//! `launch.json`: all a monitor needs to know to start a container, again after a reboot too.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What to start and what to do with its output and its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// [`crate::VERSION`] of the writer.
    pub version: u32,
    /// The container's id.
    pub id: String,
    /// Its namespace (`default`, `k8s.io`, …).
    pub namespace: String,
    /// The data folder, which is also the OCI bundle: `config.json` lies in it.
    pub data: PathBuf,
    /// The state folder: socket, lock, mount point, libcontainer's state.
    pub state: PathBuf,
    /// How the launcher makes the root file system appear at `<state>/rootfs`.
    pub rootfs: Rootfs,
    /// Where output goes beside the sessions that are attached.
    pub log: Log,
    /// Whether the container's standard input stays open while nobody is attached
    /// (docker's `-i`); otherwise it reads end of file once no session feeds it.
    pub open_stdin: bool,
    /// Close standard input for good when the first session that fed it leaves (docker's `StdinOnce`).
    pub stdin_once: bool,
    /// Whether the process has a terminal (also `process.terminal` in the specification).
    pub terminal: bool,
    /// Absolute cgroup path of the monitor itself, below every hierarchy's root.
    pub monitor_cgroup: PathBuf,
    /// Run after the container has ended for good and its status is written: program and
    /// arguments, started with no environment. Empty: nothing. Used for `--rm` of a detached container.
    pub after_exit: Vec<String>,
}

/// The root file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Rootfs {
    /// An overlay, mounted by the launcher in its private mount namespace.
    Overlay {
        /// Lower folders, topmost first; at least one.
        lower: Vec<PathBuf>,
        /// The writable layer; `None` makes a read-only overlay.
        upper: Option<PathBuf>,
        /// overlayfs' work folder; on the file system of `upper`.
        work: Option<PathBuf>,
    },
    /// A folder that is there already (`ctr run --rootfs`), bound to the mount point.
    Folder {
        /// Its absolute path.
        path: PathBuf,
    },
}

/// The log of a container's output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "driver")]
pub enum Log {
    /// Output goes only to attached sessions.
    None,
    /// docker's json-file: one `{"log":…,"stream":…,"time":…}` a line.
    JsonFile {
        /// The current file; rotated ones get `.1`, `.2`, …
        path: PathBuf,
        /// Rotate before a file grows beyond this many bytes; `None`: never.
        max_size: Option<u64>,
        /// How many files there are at most, the current one included; at least 1.
        max_files: u32,
    },
    /// The CRI log format, rotated by the kubelet.
    Cri {
        /// The file.
        path: PathBuf,
    },
}
