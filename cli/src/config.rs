//! `/etc/isopod/config.toml`: defaults for what flags and environment leave open.
//!
//! Precedence: flag, environment, file, default. A field that is not known here is refused.

use std::io;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use isopod_runtime::CgroupManager;
use serde::Deserialize;

/// Where the file is looked for.
pub const PATH: &str = "/etc/isopod/config.toml";

/// The file's contents; everything is optional.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Data folder.
    pub root: Option<PathBuf>,
    /// State folder.
    pub state: Option<PathBuf>,
    /// The cgroup below which everything runs, absolute.
    pub cgroup_parent: Option<String>,
    /// Who makes the cgroups of new containers: `cgroupfs` or `systemd`.
    pub cgroup_manager: Option<CgroupManager>,
    /// The namespace of commands that name none.
    pub namespace: Option<String>,
    /// Folders with registry configuration, instead of the usual ones.
    pub hosts_dirs: Option<Vec<PathBuf>>,
    /// How many layers are downloaded at once.
    pub max_concurrent_downloads: Option<usize>,
    /// Seconds without a byte after which a download counts as stalled.
    pub download_idle_timeout: Option<NonZeroU64>,
}

/// The file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It is there and can't be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not follow TOML, or has a field that we don't know.
    #[error("{path} can't be used: {reason}")]
    Parse {
        /// Which.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
}

/// Reads `path`; a missing file is an empty one unless it was asked for by name.
///
/// # Errors
/// See [`ConfigError`].
pub fn read(path: &Path, required: bool) -> Result<File, ConfigError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => Ok(File::default()),
        Err(source) => Err(ConfigError::Read { path: path.to_owned(), source }),
    }
}

fn parse(path: &Path, text: &str) -> Result<File, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Parse {
        path: path.to_owned(),
        // toml's own display draws the line over several; an error of ours is one line.
        reason: one_line(&error.to_string()),
    })
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let error = parse(Path::new("c.toml"), "root = \"/x\"\nrooot = \"/y\"\n").unwrap_err();
        assert!(error.to_string().contains("rooot"), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }

    #[test]
    fn a_missing_file_is_empty_unless_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none.toml");
        assert_eq!(read(&path, false).unwrap(), File::default());
        assert!(read(&path, true).is_err());
    }
}
