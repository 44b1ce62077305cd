//! Temporary files of atomic writes ([`isopod_sys::atomic`]) and probes whose processes were killed: known by their
//! names, in every folder that such files are written to.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use rustix::process::{Pid, test_kill_process};

use super::{GRACE, folders};
use crate::doctor::PROBE;
use crate::{Error, Result, Runtime};

/// One that a killed process left.
pub(crate) struct Temporary {
    /// A file, or a probe's folder.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
}

impl Temporary {
    /// Removes it; one that is gone is no error.
    pub(crate) fn remove(&self) -> Result<()> {
        let removed = match self.path.is_dir() {
            true => fs::remove_dir_all(&self.path),
            false => fs::remove_file(&self.path),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(Error::io("cannot remove", &self.path)),
        }
    }
}

impl Runtime {
    /// Those that nobody holds any more: their writer is gone, or has not written for an hour (another process has its
    /// id).
    pub(crate) fn dead_temporaries(&self) -> Result<Vec<Temporary>> {
        let layout = self.layout();
        let (root, content) = (layout.root(), layout.content());
        let mut places = vec![
            root.to_owned(),
            root.join("leases"),
            root.join("events"),
            content.clone(),
            layout.state().join("networks"),
        ];
        let mut tops = vec![
            content.join("blobs"),
            layout.layers(),
            layout.programs(),
            layout.state().join("networks"),
        ];
        for top in [root, layout.state()] {
            tops.extend(folders(&top.join("containers"))?);
        }
        for top in tops {
            places.extend(folders(&top)?);
        }
        let mut found = Vec::new();
        for place in places {
            found.extend(Self::dead_in(&place)?);
        }
        Ok(found)
    }

    fn dead_in(folder: &std::path::Path) -> Result<Vec<Temporary>> {
        let entries = match fs::read_dir(folder) {
            // A container's or layer's that was removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(Error::io("cannot list", folder))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io("cannot list", folder))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let is_probe = name.starts_with(PROBE);
            if writer(&name).is_none() && !is_probe {
                continue;
            }
            let Ok(metadata) = entry.metadata() else { continue };
            let is_old = metadata
                .modified()
                .is_ok_and(|modified| DateTime::<Utc>::from(modified) < Utc::now() - GRACE);
            if is_old && metadata.is_dir() == is_probe || is_dead_temporary(&name) {
                found.push(Temporary { path: entry.path(), size: metadata.size() });
            }
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }
}

/// Whether it is the temporary file of an atomic write whose process is gone.
fn is_dead_temporary(name: &str) -> bool {
    writer(name).is_some_and(|pid| matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

/// The process that writes a temporary file of this name.
fn writer(name: &str) -> Option<Pid> {
    let inner = name.strip_prefix('.')?.strip_suffix(".tmp")?;
    Pid::from_raw(inner.rsplit_once('.')?.1.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_atomic_writes_by_the_dead_are_temporaries_of_theirs() {
        // No process has this id (pid_max is at most 4,194,304).
        assert!(is_dead_temporary(".index.json.2147483647.tmp"));
        let own = std::process::id();
        for name in [
            &format!(".index.json.{own}.tmp"),
            "index.json.2147483647.tmp",
            ".index.json.tmp",
            ".tmp",
        ] {
            assert!(!is_dead_temporary(name), "{name}");
        }
    }
}
