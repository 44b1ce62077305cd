//! The paths of an instance, all in one place.
//!
//! ```text
//! <root>/                         0700
//!   layout                        the version of this tree
//!   state.db                      the database
//!   reserve                       room to remove something on a full disk
//!   content/                      an OCI image layout: oci-layout, index.json, blobs/
//!     ingest/<algorithm>-<hex>    a blob on its way, beside its `.lock`
//!   layers/<key>/                 an unpacked layer: layer.json, fs/
//!   snapshots/<id>/               a writable folder: fs/, work/
//!   containers/<namespace>/<id>/  config.json, launch.json, status.json, logs, hosts …
//!   volumes/<name>/_data
//!   events/journal                what happened, beside `journal.1` before it
//!   bin/<sha256>/isopod-monitor
//! <state>/                        0700
//!   containers/<namespace>/<id>/  monitor.sock, monitor.lock, operation.lock, rootfs/, oci/
//!   networks/<id>/                lock, names (hosts(5)), names.lock
//! ```

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The version of the tree that this code reads and writes.
pub const VERSION: u32 = 1;

/// All that may lie in the root, beside what is just being written.
pub(crate) const ROOT_ENTRIES: &[&str] = &[
    "bin",
    "collect.lock",
    "containers",
    "content",
    "damaged",
    "events",
    "fsck.lock",
    "index.lock",
    "layers",
    "layout",
    "leases",
    "reserve",
    "snapshots",
    "state.db",
    "state.db-journal",
    "state.db-shm",
    "state.db-wal",
    "state.db.draft",
    "state.db.draft-journal",
    "state.db.draft-shm",
    "state.db.draft-wal",
    "state.db.rebuilt",
    "volumes",
    "volumes.lock",
];

/// The same of the state folder; `runc` is the OCI command line's own.
pub(crate) const STATE_ENTRIES: &[&str] = &["containers", "networks", "runc"];

/// Paths below the two folders of an instance.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    state: PathBuf,
}

impl Layout {
    /// For these two folders, both absolute.
    #[must_use]
    pub fn new(root: PathBuf, state: PathBuf) -> Self {
        Self { root, state }
    }

    /// `<root>`.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `<state>`.
    #[must_use]
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The file that holds [`VERSION`].
    #[must_use]
    pub fn version(&self) -> PathBuf {
        self.root.join("layout")
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("state.db")
    }

    /// The OCI image layout.
    #[must_use]
    pub fn content(&self) -> PathBuf {
        self.root.join("content")
    }

    /// Unpacked layers.
    #[must_use]
    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// Writable folders.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Volumes.
    #[must_use]
    pub fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// The record of what happens.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.root.join("events/journal")
    }

    /// Monitor binaries by their digest.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        Self::programs_below(&self.root)
    }

    /// The same of the instance whose data folder `root` is.
    #[must_use]
    pub fn programs_below(root: &Path) -> PathBuf {
        root.join("bin")
    }

    /// A container's data folder, which is its OCI bundle too.
    #[must_use]
    pub fn container_data(&self, namespace: &str, id: &str) -> PathBuf {
        self.root.join("containers").join(namespace).join(id)
    }

    /// A network's state folder.
    #[must_use]
    pub fn network_state(&self, id: &str) -> PathBuf {
        self.state.join("networks").join(id)
    }

    /// A container's state folder.
    #[must_use]
    pub fn container_state(&self, namespace: &str, id: &str) -> PathBuf {
        self.state.join("containers").join(namespace).join(id)
    }
}

/// Makes `path` and its missing parents with mode 0700 (security.md, row 10).
///
/// # Errors
/// What `mkdir(2)` returned; an existing folder is none.
pub fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes `path` and its missing parents with mode 0755, whatever the caller's umask: for folders that containers
/// are to see, which docker's daemon makes.
///
/// # Errors
/// What `mkdir(2)` and `chmod(2)` returned; an existing folder is none.
pub fn visible_folder(path: &Path) -> io::Result<()> {
    match std::fs::create_dir(path) {
        Ok(()) => std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)),
        Err(_) if path.is_dir() => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => {
                visible_folder(parent)?;
                visible_folder(path)
            }
            _ => Err(error),
        },
        Err(error) => Err(error),
    }
}
