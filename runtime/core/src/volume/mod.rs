//! Volumes: folders that outlive containers, `<root>/volumes/<name>/_data`, or what their driver options
//! say is mounted in their stead.
//!
//! `<root>/volumes.lock` is held while a volume's row and folder come or go together, so that a name
//! that is used again never finds the content of the one before.

mod copy;
mod create;
mod options;
mod populate;
mod remove;

pub use create::{Created, NewVolume};
pub use options::Source;
pub use remove::RemovedVolume;
pub(crate) use remove::{LEAVING, TRASH};

use std::path::PathBuf;

use isopod_monitor_protocol::launch::Part;
use isopod_spec::mounts::Mount;
use isopod_sys::lock::Lock;

use crate::container::VolumeUse;
use crate::snapshot::Usage;
use crate::state::{Labels, VolumeRow};
use crate::{Error, Result, Runtime, id};

/// The volumes of one instance.
#[derive(Debug, Clone, Copy)]
pub struct Volumes<'a> {
    runtime: &'a Runtime,
}

/// A volume and who uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeDetails {
    /// The volume.
    pub volume: VolumeRow,
    /// `namespace/id` of the containers that use it.
    pub users: Vec<String>,
}

impl<'a> Volumes<'a> {
    pub(crate) fn new(runtime: &'a Runtime) -> Self {
        Self { runtime }
    }

    /// All, by name.
    ///
    /// # Errors
    /// The database failed.
    pub fn list(&self) -> Result<Vec<VolumeRow>> {
        self.runtime.state().read(VolumeRow::list)
    }

    /// All, by name, with who uses them.
    ///
    /// # Errors
    /// The database failed.
    pub fn details(&self) -> Result<Vec<VolumeDetails>> {
        self.runtime.state().read(|connection| {
            let all = VolumeRow::list(connection)?.into_iter();
            let details = all.map(|volume| {
                let users = VolumeRow::uses(connection, &volume.name)?;
                Ok(VolumeDetails { volume, users })
            });
            details.collect()
        })
    }

    /// The one called `name`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn get(&self, name: &str) -> Result<VolumeRow> {
        let row = self.runtime.state().read(|connection| VolumeRow::get(connection, name))?;
        row.ok_or_else(|| not_found(name))
    }

    /// Bytes of the files in it, as docker counts them: folders take none, and a file with several names
    /// counts once. None where its content is mounted from elsewhere.
    ///
    /// # Errors
    /// A folder can't be read.
    pub fn size(&self, volume: &VolumeRow) -> Result<u64> {
        match volume.options.is_empty() {
            true => Usage::bytes_of_files(&self.data_folder(&volume.name)),
            false => Ok(0),
        }
    }

    /// The folder that is mounted.
    #[must_use]
    pub fn data_folder(&self, name: &str) -> PathBuf {
        self.folder(name).join("_data")
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.runtime.layout().volumes().join(name)
    }

    /// The mount that shows it in a container; `part` is where the launcher shows its subpath.
    pub(crate) fn mount(&self, volume: &VolumeUse, part: Option<PathBuf>) -> Result<Mount> {
        let mut source = Source::parse(&self.get(&volume.name)?.options)?;
        if let (Source::Bind { device, .. }, Some(part)) = (&mut source, &part) {
            device.clone_from(part);
        }
        let folder = part.unwrap_or_else(|| self.data_folder(&volume.name));
        source.mount(&folder, &volume.destination, &volume.options)
    }

    /// The subpath of a volume, for the launcher to look up.
    pub(crate) fn part(&self, volume: &VolumeUse) -> Result<Part> {
        let folder = match Source::parse(&self.get(&volume.name)?.options)? {
            Source::Folder => self.data_folder(&volume.name),
            Source::Bind { device, .. } => device,
            Source::Tmpfs { .. } | Source::Content { .. } => {
                return Err(Error::Unsupported(format!(
                    "volume {} is mounted anew for each container, so that a part of it can't be: \
                     leave volume-subpath out",
                    volume.name
                )));
            }
        };
        Ok(Part::Inside { folder, path: PathBuf::from(&volume.subpath) })
    }

    /// As [`Self::lock`] for the volumes of a container that is being created; nobody else can use
    /// the random names of its own ones.
    pub(crate) fn hold(&self, volumes: &[VolumeUse]) -> Result<Option<Lock>> {
        volumes.iter().any(|volume| !volume.anonymous).then(|| self.lock()).transpose()
    }

    /// Held while rows and folders come or go together.
    pub(crate) fn lock(&self) -> Result<Lock> {
        let path = self.runtime.layout().root().join("volumes.lock");
        Lock::exclusive(&path).map_err(Error::io("cannot lock", &path))
    }
}

impl VolumeRow {
    /// Its labels as docker shows them: an unnamed one carries docker's mark.
    #[must_use]
    pub fn shown_labels(&self) -> Labels {
        let mut labels = self.labels.clone();
        if self.anonymous {
            labels.insert("com.docker.volume.anonymous".to_owned(), String::new());
        }
        labels
    }
}

/// docker's rule: two characters at least, so that a drive's letter is no name.
///
/// # Errors
/// It breaks the rule.
pub(crate) fn check_name(name: &str) -> Result<()> {
    Ok(id::check_name("volume name", name)?)
}

fn not_found(name: &str) -> Error {
    Error::NotFound { what: "volume", name: name.to_owned() }
}
