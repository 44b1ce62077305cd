//! What there is to see of a container beside its record.

use std::fs;
use std::io;

use isopod_monitor_protocol::data;
use oci_spec::runtime::Spec;

use super::settings::AppArmor;
use super::{Container, apparmor};
use crate::{Error, Result};

/// What the kernel calls a process without a profile.
const UNCONFINED: &str = "unconfined";

impl Container<'_> {
    /// The OCI specification of its last start; `None` before the first.
    ///
    /// # Errors
    /// [`Error::Corrupt`].
    pub fn spec(&self) -> Result<Option<Spec>> {
        let path = self.data().join(data::SPEC);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(Error::io("cannot read", &path))?,
        };
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| Error::Corrupt { path, detail: error.to_string() })
    }

    /// The AppArmor profile of its last start, as docker's `inspect` shows it: `unconfined` for one that
    /// may go without, empty where the kernel or the system has none; before the first start the one
    /// that was asked for.
    #[must_use]
    pub fn apparmor_profile(&self) -> String {
        let settings = &self.record.settings;
        // The next start writes a damaged specification anew: no reason to show nothing of the container.
        let spec = self.spec().ok().flatten();
        match (&settings.apparmor, spec) {
            (AppArmor::Named(name), None) => name.clone(),
            (AppArmor::Unconfined, None) => UNCONFINED.to_owned(),
            (AppArmor::Default, None) => String::new(),
            (asked, Some(spec)) => {
                let process = spec.process().as_ref();
                match process.and_then(|process| process.apparmor_profile().clone()) {
                    Some(profile) => profile,
                    None if !apparmor::is_on() => String::new(),
                    None if *asked == AppArmor::Unconfined || settings.privileged => {
                        UNCONFINED.to_owned()
                    }
                    None => String::new(),
                }
            }
        }
    }

    /// Bytes of the files that it wrote, as docker counts them: folders take none, and a file with several
    /// names counts once.
    ///
    /// # Errors
    /// Its folder can't be read.
    pub fn written_bytes(&self) -> Result<u64> {
        match &self.record.snapshot {
            Some(key) => self.runtime.snapshots().written_bytes(key),
            None => Ok(0),
        }
    }
}
