//! What a monitor is given: its program, and the files it reads.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use isopod_monitor_protocol::launch::{Again, Health, Launch, Log, Rootfs};
use isopod_monitor_protocol::{VERSION, client, data, state};
use isopod_sys::atomic::{self, Durability};
use isopod_sys::step::{self, Plan};

use super::Container;
use super::network::Places;
use super::settings::LogConfig;
use crate::config::MonitorProgram;
use crate::layout::private_folder;
use crate::program::{install, is_installed};
use crate::{Error, Result, Runtime};

impl Runtime {
    /// The monitor's program, see [`MonitorProgram::open`].
    pub(super) fn monitor_program(&self) -> Result<OwnedFd> {
        self.config().monitor.open(&self.config().root)
    }

    /// The same program as a file of its own that every user may execute: a container's `--init`. It is
    /// never executed on the host.
    pub(super) fn init_program(&self) -> Result<PathBuf> {
        let (bytes, sha256) = match &self.config().monitor {
            MonitorProgram::File(path) => return Ok(path.clone()),
            MonitorProgram::Embedded { bytes, sha256 } => (bytes, sha256),
        };
        let path = self.layout().programs().join(sha256).join("init");
        if !is_installed(&path, bytes.len(), 0o555) {
            // It checks the bytes, and makes the folder.
            install(&self.layout().programs(), bytes, sha256)?;
            atomic::write(&path, bytes, 0o555, Durability::Power)
                .map_err(Error::io("cannot write", &path))?;
        }
        Ok(path)
    }
}

impl Container<'_> {
    /// Writes `launch.json` and makes the state folder.
    pub(super) fn write_launch(
        &self,
        rootfs: Rootfs,
        places: &Places<'_>,
        health: Option<Health>,
        again: Option<Again>,
    ) -> Result<()> {
        let settings = &self.record.settings;
        let data_folder = self.data();
        let log = match (&self.record.log, self.log_path()) {
            (LogConfig::JsonFile { max_size, max_files, attributes, writing }, Some(path)) => {
                Log::JsonFile {
                    path,
                    max_size: *max_size,
                    max_files: *max_files,
                    attributes: self.log_attributes(attributes)?,
                    compress: writing.compress,
                    max_buffer: writing.max_buffer,
                }
            }
            (LogConfig::Local { max_size, max_files, writing }, Some(path)) => Log::JsonFile {
                path,
                max_size: Some(*max_size),
                max_files: *max_files,
                attributes: BTreeMap::new(),
                compress: writing.compress,
                max_buffer: writing.max_buffer,
            },
            _ => Log::None,
        };
        let after_exit = match self.leaves_something() {
            true => self.after_exit_command(),
            false => Vec::new(),
        };
        let (forwards, resolver) = places.describe(self);
        let launch = Launch {
            version: VERSION,
            id: self.id().to_owned(),
            namespace: self.namespace().to_owned(),
            data: data_folder.clone(),
            state: self.state(),
            rootfs,
            log,
            open_stdin: settings.open_stdin,
            stdin_once: settings.stdin_once,
            terminal: settings.terminal,
            monitor_cgroup: self.monitor_cgroup(),
            again,
            after_exit,
            restart: settings.restart,
            joins_another: self.joins_another(),
            health,
            forwards,
            resolver,
            journal: Some(self.journal()),
            parts: self.parts()?,
        };
        if let Err(error) = self.runtime.prepare_journal() {
            tracing::debug!(%error, "the monitor's events are lost");
        }
        let path = data_folder.join(data::LAUNCH);
        let bytes = serde_json::to_vec(&launch).expect("a launch description is JSON");
        atomic::write(&path, &bytes, 0o600, Durability::Process)
            .map_err(Error::io("cannot write", &path))?;
        let mount_point = self.state().join(state::ROOTFS);
        private_folder(&mount_point).map_err(Error::io("cannot make", &mount_point))?;
        match places {
            Places::Own { reserved, .. } => {
                reserved.remember()?;
                reserved.write_resolver(&self.resolver_path(), &settings.dns)
            }
            Places::None | Places::Shared { .. } => Ok(()),
        }
    }

    /// Starts a monitor on what was written.
    pub(super) fn spawn_monitor(&self) -> Result<client::Connection> {
        self.hand_steps()?;
        let program = self.runtime.monitor_program()?;
        let mut spawned = client::spawn(program.as_fd(), &self.data())
            .map_err(|source| Error::System { action: "cannot start the monitor", source })?;
        // It ends when the container has started, so nobody may wait for it before having asked for
        // that; not reaping it would leave a zombie to long-lived callers.
        std::thread::Builder::new()
            .name("reap-starter".to_owned())
            .spawn(move || spawned.starter.wait())
            .map_err(|source| Error::System { action: "cannot start the monitor", source })?;
        Ok(spawned.connection)
    }

    /// Has a fresh monitor program clean up after one that died.
    pub(super) fn clean_up_after_monitor(&self) -> Result<()> {
        self.hand_steps()?;
        let program = self.runtime.monitor_program()?;
        client::clean_up(program.as_fd(), &self.data()).map_err(|source| Error::System {
            action: "cannot clean up after a monitor that died",
            source,
        })
    }

    /// Tells the monitor of a debug build what a test has planned for this process and those it starts.
    fn hand_steps(&self) -> Result<()> {
        if !cfg!(debug_assertions) {
            return Ok(());
        }
        let path = self.data().join(data::STEPS);
        let done = match step::installed().map(Plan::to_text) {
            // Another command of the same plan may have it read just now.
            Some(text) if fs::read_to_string(&path).is_ok_and(|there| there == text) => Ok(()),
            Some(text) => atomic::write(&path, text.as_bytes(), 0o600, Durability::Process),
            // Of an earlier start.
            None => fs::remove_file(&path),
        };
        match done {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io("cannot write", &path)(error))
            }
            _ => Ok(()),
        }
    }
}
