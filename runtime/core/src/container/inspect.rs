//! What there is to see of a container beside its record.

use std::fs;
use std::io;

use isopod_monitor_protocol::data;
use oci_spec::runtime::Spec;

use super::Container;
use crate::{Error, Result};

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
