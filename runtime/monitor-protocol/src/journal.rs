//! The journal: one line of JSON for everything that happens to containers, images, volumes and
//! networks, in the words of docker's events.
//!
//! Commands and monitors append to one file. A line is written by one call to a file opened for appending, so
//! that lines of several processes never mix. Whoever finds the file beyond [`LIMIT`] renames it to
//! `<name>.1`; a follower notices by the inode. Nothing of a container depends on the journal: a line that can't
//! be written is lost, and the container goes on.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use isopod_sys::step::step;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// Bytes after which a journal begins anew.
pub const LIMIT: u64 = 8 << 20;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub time: Timestamp,
    /// To what kind of object: `container`, `image`, `volume`, `network`.
    pub kind: String,
    /// What: docker's word (`create`, `start`, `die`, `health_status: healthy`, …).
    pub action: String,
    /// The object: a container's or network's id, an image's or volume's name.
    pub id: String,
    /// The namespace of a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// What else is known of it: `name`, `image`, `exitCode`, labels, …
    pub attributes: BTreeMap<String, String>,
}

impl Entry {
    /// Something that happens now.
    #[must_use]
    pub fn now(kind: &str, action: &str, id: &str) -> Self {
        Self {
            time: Timestamp::now(),
            kind: kind.to_owned(),
            action: action.to_owned(),
            id: id.to_owned(),
            namespace: None,
            attributes: BTreeMap::new(),
        }
    }

    /// With what else is known.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.attributes.insert(key.to_owned(), value.into());
        self
    }
}

/// Appends `entry` to the journal at `path`, whose folder must be there.
///
/// # Errors
/// Opening or writing failed.
pub fn append(path: &Path, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    let mut file = open(path)?;
    if file.metadata()?.len() > LIMIT {
        // Two that rotate at once would lose a whole journal: the second finds a short one.
        if fs::metadata(path)?.len() > LIMIT {
            step("journal.full");
            fs::rename(path, rotated(path))?;
            step("journal.rotated");
        }
        file = open(path)?;
    }
    file.write_all(&line)
}

/// Where the journal before the one at `path` lies.
#[must_use]
pub fn rotated(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
