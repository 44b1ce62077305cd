//! Making volumes, by name or for a container.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;

use isopod_sys::step::step;
use rusqlite::Transaction;

use super::{Source, Volumes, check_name};
use crate::container::{Mount, Settings, VolumeUse};
use crate::event::Entry;
use crate::fsck;
use crate::layout::private_folder;
use crate::state::{Durability, Labels, VolumeRow};
use crate::{Error, Result, id};

/// What to make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewVolume {
    /// Its name; `None` draws 64 hex characters.
    pub name: Option<String>,
    /// Labels.
    pub labels: Labels,
    /// What the driver is told; see [`Source`].
    pub options: Labels,
}

/// A volume that is there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// Its name.
    pub name: String,
    /// Whether it was missing before.
    pub is_new: bool,
}

impl Volumes<'_> {
    /// Makes a volume. One of the name that was made the same way is no error, as in docker.
    ///
    /// # Errors
    /// The name or an option can't be; [`Error::AlreadyExists`] where labels or options are asked for that
    /// the existing one does not have.
    pub fn create(&self, new: &NewVolume) -> Result<Created> {
        if let Some(name) = &new.name {
            check_name(name)?;
        }
        Source::parse(&new.options)?;
        let name = new.name.clone().unwrap_or_else(id::random);
        let state = self.runtime.state();
        let _lock = self.lock()?;
        let is_new = state.write(Durability::Power, |transaction| {
            let row = Wanted {
                name: &name,
                anonymous: new.name.is_none(),
                labels: &new.labels,
                options: &new.options,
            };
            self.ensure(transaction, &row)
        })?;
        step("volume.row");
        self.make_folder(&name)?;
        step("volume.folder");
        if is_new {
            self.record("create", &name);
        }
        Ok(Created { name, is_new })
    }

    /// Makes the row of a volume that a container is to use, as its settings say.
    pub(crate) fn ensure_for(
        &self,
        transaction: &Transaction<'_>,
        volume: &VolumeUse,
        settings: &Settings,
    ) -> Result<bool> {
        let nothing = Labels::new();
        let of_it = settings.mounts.iter().find_map(|mount| match mount {
            Mount::Volume { destination, labels, driver_options, .. }
                if *destination == volume.destination =>
            {
                Some((labels, driver_options))
            }
            _ => None,
        });
        let (labels, options) = of_it.unwrap_or((&nothing, &nothing));
        Source::parse(options)?;
        let wanted = Wanted { name: &volume.name, anonymous: volume.anonymous, labels, options };
        self.ensure(transaction, &wanted)
    }

    /// Makes the row if it is missing; whether it was. The caller holds the lock of all volumes, and makes
    /// the folder before it lets go.
    pub(super) fn ensure(
        &self,
        transaction: &Transaction<'_>,
        wanted: &Wanted<'_>,
    ) -> Result<bool> {
        let state = self.runtime.state();
        let wrap = state.error();
        if VolumeRow::insert(
            transaction,
            wanted.name,
            wanted.anonymous,
            wanted.labels,
            wanted.options,
        )
        .map_err(&wrap)?
        {
            if !wanted.anonymous {
                // What is there belongs to no volume: a removal left it that was killed in between, or an
                // older database doesn't know it.
                match self.is_leaving(wanted.name) {
                    true => drop(self.put_aside(wanted.name)?),
                    false => fsck::put_volume_aside(self.runtime, &self.folder(wanted.name))?,
                }
            }
            return Ok(true);
        }
        if wanted.labels.is_empty() && wanted.options.is_empty() {
            return Ok(false);
        }
        let found = VolumeRow::get(transaction, wanted.name).map_err(&wrap)?;
        let is_same = |row: VolumeRow| {
            row.options == *wanted.options
                && wanted.labels.iter().all(|(key, value)| row.labels.get(key) == Some(value))
        };
        match found.is_some_and(is_same) {
            true => Ok(false),
            false => Err(Error::AlreadyExists {
                what: "volume name",
                name: wanted.name.to_owned(),
                by: "a volume with other labels or options".to_owned(),
            }),
        }
    }

    /// Makes the folder of a volume that has lost it.
    pub(crate) fn restore(&self, name: &str) -> Result<()> {
        let _lock = self.lock()?;
        match self.get(name) {
            Err(Error::NotFound { .. }) => Ok(()),
            other => other.and_then(|_| self.make_folder(name)),
        }
    }

    /// Makes its folder with an empty one for content in it, if they are missing.
    pub(super) fn make_folder(&self, name: &str) -> Result<()> {
        let folder = self.folder(name);
        private_folder(&folder).map_err(Error::io("cannot make", &folder))?;
        let data = self.data_folder(name);
        match fs::create_dir(&data) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::io("cannot make", &data)(error))
            }
            Err(_) => Ok(()),
            Ok(()) => fs::set_permissions(&data, fs::Permissions::from_mode(0o755))
                .map_err(Error::io("cannot set the mode of", &data)),
        }
    }

    pub(crate) fn record(&self, action: &str, name: &str) {
        self.runtime.record(&Entry::now("volume", action, name).with("driver", "local"));
    }
}

/// A row that is to be there.
pub(super) struct Wanted<'a> {
    pub(super) name: &'a str,
    pub(super) anonymous: bool,
    pub(super) labels: &'a Labels,
    pub(super) options: &'a Labels,
}
