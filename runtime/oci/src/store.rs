//! Containers as folders below `--root`.
//!
//! ```text
//! <root>/<id>/state.json      the record, replaced as a whole
//! <root>/<id>/config.json     the specification as it was when the container was created
//! <root>/<id>/seccomp.bpf     its system call filter, if it has one
//! <root>/<id>/lock            held by who changes the container
//! <root>/<id>/bundle, init    what libcontainer reads and keeps
//! <root>/<id>/verdict         a FIFO that the container's process holds open until its program runs, and says
//!                             there why it doesn't
//! ```
//!
//! Folders are for their owner alone. `init/<id>/notify.sock` is there until the container is started.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use isopod_sys::atomic::{self, Durability};
use isopod_sys::cgroup::Hierarchies;
use isopod_sys::lock::Lock;
use oci_spec::runtime::Spec;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat, openat};

use crate::error::{Error, Result};
use crate::id;
use crate::record::{Record, State, VERSION};
use crate::status::Status;

const RECORD: &str = "state.json";
const CONFIG: &str = "config.json";
const FILTER: &str = "seccomp.bpf";
const LOCK: &str = "lock";
const VERDICT: &str = "verdict";

/// All containers of one `--root`.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// The folder of a container.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    id: String,
}

/// A container and its folder.
#[derive(Debug)]
pub struct Container {
    /// Where it is.
    pub folder: Folder,
    /// What is known of it.
    pub record: Record,
}

impl Store {
    /// The containers below `root`, which need not exist.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes the folder of a new container, which nobody else can make then.
    ///
    /// # Errors
    /// The id is malformed or taken, or the folder can't be made.
    pub fn create(&self, id: &str) -> Result<Folder> {
        id::check(id)?;
        make_folders(&self.root).map_err(Error::io("make", &self.root))?;
        let path = self.root.join(id);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Folder { path, id: id.to_owned() }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Error::Exists),
            Err(error) => Err(Error::Io("make", path, error)),
        }
    }

    /// The folder of a container, whether it is there or not.
    ///
    /// # Errors
    /// The id is malformed.
    pub fn folder(&self, id: &str) -> Result<Folder> {
        id::check(id)?;
        Ok(Folder { path: self.root.join(id), id: id.to_owned() })
    }

    /// A container.
    ///
    /// # Errors
    /// It isn't there, or its record can't be read.
    pub fn load(&self, id: &str) -> Result<Container> {
        self.folder(id)?.load()
    }

    /// The ids of all folders, sorted. Those that are just being made or removed may have no record.
    ///
    /// # Errors
    /// The folder can't be read; one that is not there is empty.
    pub fn ids(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Error::Io("read", self.root.clone(), error)),
        };
        let mut ids: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| id::check(name).is_ok())
            .collect();
        ids.sort();
        Ok(ids)
    }
}

fn make_folders(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

impl Folder {
    /// The container's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that stands for the bundle where libcontainer is called.
    #[must_use]
    pub fn bundle(&self) -> PathBuf {
        self.path.join("bundle")
    }

    /// Below which libcontainer keeps a folder of the container's id.
    #[must_use]
    pub fn init(&self) -> PathBuf {
        self.path.join("init")
    }

    /// On which the container's process waits for its start.
    #[must_use]
    pub fn start_socket(&self) -> PathBuf {
        self.init().join(&self.id).join("notify.sock")
    }

    /// By which the container's process tells `start` what came of its program.
    #[must_use]
    pub fn verdict(&self) -> PathBuf {
        self.path.join(VERDICT)
    }

    /// Makes the FIFO at [`Self::verdict`] and opens it for the container's process: it can be written to without
    /// a reader and without waiting, and is closed by the execution of any program.
    ///
    /// # Errors
    /// It can't be made or opened.
    pub fn make_verdict(&self) -> Result<File> {
        let path = self.verdict();
        let mode = Mode::RUSR | Mode::WUSR;
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        mknodat(CWD, &path, FileType::Fifo, mode, 0)
            .and_then(|()| openat(CWD, &path, flags, Mode::empty()))
            .map(File::from)
            .map_err(|errno| Error::Io("make", path, errno.into()))
    }

    /// Its system call filter.
    #[must_use]
    pub fn filter(&self) -> PathBuf {
        self.path.join(FILTER)
    }

    /// Whether there is anything.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path.is_dir()
    }

    /// Keeps every other process from changing the container.
    ///
    /// # Errors
    /// It isn't there, or the lock can't be made.
    pub fn lock(&self) -> Result<Lock> {
        let path = self.path.join(LOCK);
        Lock::exclusive(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NotFound,
            _ => Error::Io("lock", path, error),
        })
    }

    /// Reads the record.
    ///
    /// # Errors
    /// There is none, or it can't be used.
    pub fn load(self) -> Result<Container> {
        let path = self.path.join(RECORD);
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::NotFound,
            _ => Error::Io("read", path.clone(), error),
        })?;
        let record: Record = serde_json::from_slice(&bytes)
            .map_err(|error| Error::Malformed(path.clone(), error))?;
        if record.version != VERSION {
            return Err(Error::Version(path, record.version, VERSION));
        }
        Ok(Container { folder: self, record })
    }

    /// Replaces the record.
    ///
    /// # Errors
    /// It can't be written.
    pub fn save(&self, record: &Record) -> Result<()> {
        let path = self.path.join(RECORD);
        let bytes = serde_json::to_vec(record).map_err(|e| Error::Malformed(path.clone(), e))?;
        atomic::write(&path, &bytes, 0o600, Durability::Process).map_err(Error::io("write", &path))
    }

    /// Keeps the specification and the filter, for execs and hooks to come.
    ///
    /// # Errors
    /// They can't be written.
    pub fn keep(&self, config: &str, filter: Option<&[u8]>) -> Result<()> {
        let path = self.path.join(CONFIG);
        atomic::write(&path, config.as_bytes(), 0o600, Durability::Process)
            .map_err(Error::io("write", &path))?;
        let Some(filter) = filter else { return Ok(()) };
        let path = self.filter();
        atomic::write(&path, filter, 0o600, Durability::Process).map_err(Error::io("write", &path))
    }

    /// The specification as it was when the container was created.
    ///
    /// # Errors
    /// It can't be read.
    pub fn spec(&self) -> Result<Spec> {
        let path = self.path.join(CONFIG);
        let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Malformed(path, error))
    }

    /// Removes all of it; what is not there needs no removing.
    ///
    /// # Errors
    /// Something can't be removed.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::Io("remove", self.path.clone(), error))
            }
            _ => Ok(()),
        }
    }
}

impl Container {
    /// What it does now.
    #[must_use]
    pub fn status(&self) -> Status {
        let Some(init) = self.record.init else {
            return if self.record.creator.is_alive() { Status::Creating } else { Status::Stopped };
        };
        if !init.is_alive() {
            Status::Stopped
        } else if Hierarchies::find()
            .and_then(|hierarchies| hierarchies.is_group_frozen(&self.record.cgroup))
            .unwrap_or(false)
        {
            Status::Paused
        } else if self.folder.start_socket().exists() {
            Status::Created
        } else {
            Status::Running
        }
    }

    /// What people are shown.
    #[must_use]
    pub fn state(&self) -> State {
        let status = self.status();
        let record = &self.record;
        State {
            oci_version: record.oci_version.clone(),
            id: record.id.clone(),
            pid: record.init.filter(|_| status.has_process()).map_or(0, |init| init.pid),
            status,
            bundle: record.bundle.clone(),
            rootfs: record.rootfs.clone(),
            created: record.created.clone(),
            annotations: record.annotations.clone(),
            owner: String::new(),
        }
    }
}
