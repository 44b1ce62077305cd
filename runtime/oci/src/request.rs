//! What the command line hands to `isopod-monitor --oci`, in a file without a name.

use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use oci_spec::runtime::{LinuxResources, Process};
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use crate::log::Log;

/// One command.
#[derive(Debug, Serialize, Deserialize)]
pub struct Request {
    /// Where its messages go.
    pub log: Log,
    /// `--root`, absolute.
    pub root: PathBuf,
    /// The container.
    pub id: String,
    /// A test's plan, for a monitor's program that has steps (`isopod_sys::step::Plan`'s text).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<String>,
    /// What to do.
    pub job: Job,
}

/// What to do.
#[derive(Debug, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "there is one")]
pub enum Job {
    /// `create` and `run`.
    Create(Create),
    /// `exec`.
    Exec(Exec),
    /// `update`.
    Update(LinuxResources),
}

/// A container to be created.
#[derive(Debug, Serialize, Deserialize)]
pub struct Create {
    /// Absolute, without symlinks.
    pub bundle: PathBuf,
    /// The text of its `config.json`.
    pub config: String,
    /// Its system call filter, as `isopod_monitor_protocol::filter` writes it.
    pub filter: Option<Vec<u8>>,
    /// Whether to start it too.
    pub run: bool,
    /// Leave the container's folder when `run` is over.
    pub keep: bool,
    /// Don't be the parent of what the container's processes leave.
    pub no_subreaper: bool,
    /// Don't pivot into the root file system, but move it.
    pub no_pivot: bool,
    /// Have systemd make the cgroup.
    pub systemd_cgroup: bool,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// Where a service says that it is ready; shown to the container.
    pub notify_socket: Option<PathBuf>,
    /// See [`Ends`].
    pub ends: Ends,
}

/// A process to be started in a container.
#[derive(Debug, Serialize, Deserialize)]
pub struct Exec {
    /// All of it.
    pub process: Process,
    /// Below the container's cgroup.
    pub cgroup: Option<String>,
    /// See [`Ends`].
    pub ends: Ends,
}

/// What connects the new process with the caller.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ends {
    /// Return as soon as it runs.
    pub detach: bool,
    /// Who gets the terminal's master.
    pub console_socket: Option<PathBuf>,
    /// Where to write its process id.
    pub pid_file: Option<PathBuf>,
    /// Descriptors from 3 on that it inherits, `LISTEN_FDS` left out.
    pub preserve_fds: u32,
    /// Descriptors of socket activation, which come first.
    pub listen_fds: u32,
}

impl Ends {
    /// How many descriptors from 3 on are not ours.
    #[must_use]
    pub fn inherited(&self) -> u32 {
        self.preserve_fds.saturating_add(self.listen_fds)
    }
}

impl Request {
    /// Puts it into a file of its own.
    ///
    /// # Errors
    /// The file can't be made.
    pub fn write(&self) -> io::Result<OwnedFd> {
        let mut file = std::fs::File::from(memfd_create("oci-request", MemfdFlags::CLOEXEC)?);
        file.write_all(&serde_json::to_vec(self)?)?;
        file.rewind()?;
        Ok(file.into())
    }

    /// Takes it from that file.
    ///
    /// # Errors
    /// It can't be read, or is no request.
    pub fn read(file: OwnedFd) -> io::Result<Self> {
        let mut bytes = Vec::new();
        std::fs::File::from(file).read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}
