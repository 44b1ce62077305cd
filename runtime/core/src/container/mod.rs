//! Containers: a row in the database, a folder of data, and while it runs a monitor that owns its
//! process. One verb a file.

mod after_exit;
mod apparmor;
mod archive;
mod attach;
mod binds;
mod boot;
mod cgroup;
mod control;
mod create;
mod diff;
mod exec;
mod files;
mod find;
mod health;
mod inspect;
mod joined;
mod kill;
mod launch;
mod log_attributes;
mod logs;
mod network;
mod parts;
mod pause;
mod record;
mod remove;
mod rename;
mod resolv_conf;
mod session;
mod settings;
mod spec;
mod start;
mod stats;
mod status;
mod stop;
mod task;
mod top;
mod update;
mod users;

pub use archive::{Copied, CopyOptions};
pub use boot::Outcome;
pub use create::{CreateOptions, ImageSource};
pub use diff::{Change, ChangeKind};
pub use exec::ExecOptions;
pub(crate) use files::Connections;
pub use find::{Containers, Listing};
pub use isopod_monitor_protocol::message::{Exec, Size, Streams};
pub use isopod_monitor_protocol::status::{Check, Condition, Exit, Health};
pub use isopod_monitor_protocol::time::Timestamp;
pub use log_attributes::LogAttributes;
pub use logs::{Follower, LogLine, LogOptions, Stream};
pub use record::{ImageUse, MountedImage, Record, VolumeUse};
pub use remove::RemoveOptions;
pub use session::{Session, SessionEnd};
pub use settings::{
    AppArmor, Attachment, ExtraHost, HealthSettings, LogConfig, LogWriting, Mount, Namespace,
    Namespaces, Network, Port, Profile, Protocol, Publish, Resources, Restart, Seccomp, Settings,
    SharedMemory, UserNamespace, Users,
};
pub(crate) use spec::mount;
pub use start::Started;
pub use stats::{Stats, Traffic};
pub use status::{ContainerStatus, Phase};
pub use stop::Patience;
pub use top::Process;
pub use update::Update;

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::state::{ContainerRow, Labels};
use crate::{Result, Runtime};

/// A handle to one container, as it was when it was looked up.
#[derive(Debug, Clone)]
pub struct Container<'a> {
    runtime: &'a Runtime,
    row: ContainerRow,
    record: Record,
}

impl<'a> Container<'a> {
    fn from_row(runtime: &'a Runtime, row: ContainerRow) -> Result<Self> {
        let record = Record::parse(&row)?;
        Ok(Self { runtime, row, record })
    }

    pub(crate) fn runtime(&self) -> &'a Runtime {
        self.runtime
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.row.id
    }

    /// Its name, or its id if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.row.name.as_deref().unwrap_or(&self.row.id)
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.row.namespace
    }

    /// The image's canonical name when it was created.
    #[must_use]
    pub fn image_name(&self) -> Option<&str> {
        self.row.image.as_deref()
    }

    /// When it was created.
    #[must_use]
    pub fn created(&self) -> DateTime<Utc> {
        self.row.created
    }

    /// Labels.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.row.labels
    }

    /// What it consists of.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What was asked for.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.record.settings
    }

    /// Its data folder, the OCI bundle.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.runtime.layout().container_data(&self.row.namespace, &self.row.id)
    }

    /// Its state folder.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.runtime.layout().container_state(&self.row.namespace, &self.row.id)
    }

    /// Its current log file, if it keeps one.
    #[must_use]
    pub fn log_path(&self) -> Option<PathBuf> {
        match self.record.log {
            LogConfig::None => None,
            LogConfig::JsonFile { .. } | LogConfig::Local { .. } => {
                Some(self.data().join(format!("{}-json.log", self.row.id)))
            }
        }
    }

    /// The cgroup of its monitor, and of all others, absolute in every hierarchy.
    fn monitor_cgroup(&self) -> PathBuf {
        PathBuf::from(format!("{}/monitors", self.runtime.config().cgroup_parent))
    }
}
