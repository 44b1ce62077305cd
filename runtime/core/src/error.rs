//! What can go wrong, as one type for callers and one kind for whoever maps it to a
//! status: exit codes in the command lines, gRPC codes in the CRI server.

use std::io;
use std::path::{Path, PathBuf};

use isopod_image::digest::Digest;
use thiserror::Error;

/// An error of the runtime; its text names the object at fault.
#[derive(Debug, Error)]
pub enum Error {
    /// A file or folder of ours could not be used.
    #[error("{action} {path}")]
    Io {
        /// What was tried, as in "cannot write".
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The kernel refused something that has no path.
    #[error("{action}")]
    System {
        /// What was tried, as in "cannot mount the root file system".
        action: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The database refused.
    #[error("the database {path} failed")]
    Database {
        /// Its file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Something on disk is not what we wrote.
    #[error("{path} is damaged: {detail}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Written by a release whose format this one does not know.
    #[error(
        "{path} has format version {found}, and this release knows up to {known}: use a newer release"
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version it carries.
        found: u32,
        /// The newest this code reads.
        known: u32,
    },
    /// No such object.
    #[error("no such {what}: {name}")]
    NotFound {
        /// "image", "container", …
        what: &'static str,
        /// As the caller spelled it.
        name: String,
    },
    /// A prefix that fits several objects.
    #[error("{name:?} fits more than one {what}: {candidates}")]
    Ambiguous {
        /// "image", "container", …
        what: &'static str,
        /// As the caller spelled it.
        name: String,
        /// The first few that it fits.
        candidates: String,
    },
    /// The name is taken.
    #[error("{what} {name:?} is in use already, by {by}")]
    AlreadyExists {
        /// "container name", "image", …
        what: &'static str,
        /// The name.
        name: String,
        /// By what.
        by: String,
    },
    /// Something still needs it.
    #[error("{what} {name} is in use by {by}")]
    InUse {
        /// "image", "namespace", …
        what: &'static str,
        /// Which.
        name: String,
        /// By what.
        by: String,
    },
    /// Not possible in the container's present state.
    #[error("container {id} is {state}: {hint}")]
    State {
        /// Which container.
        id: String,
        /// Its state, as in "running".
        state: &'static str,
        /// What would help, as in "stop it first".
        hint: &'static str,
    },
    /// The kernel is too old, or hides a call from us.
    #[error("this kernel lacks {call}: Linux {since} or newer is needed")]
    Kernel {
        /// The system call.
        call: &'static str,
        /// The Linux that brought it.
        since: &'static str,
    },
    /// A value that can't be.
    #[error("{0}")]
    Invalid(String),
    /// A request for what this release or machine does not have.
    #[error("{0}")]
    Unsupported(String),
    /// The image has nothing for the platform.
    #[error("image {image} has no manifest for {platform}: it has {available}")]
    NoPlatform {
        /// The image's name.
        image: String,
        /// What was wanted.
        platform: String,
        /// What there is.
        available: String,
    },
    /// A blob that a command needs is not in the store.
    #[error("blob {digest} of {owner} is not in the store: pull the image again")]
    MissingBlob {
        /// Which.
        digest: Digest,
        /// Who refers to it.
        owner: String,
    },
    /// Bytes that are not what their digest says.
    #[error("{what}: expected {expected}, got {actual}")]
    Digest {
        /// "layer", "config", …
        what: &'static str,
        /// As declared.
        expected: Digest,
        /// As computed.
        actual: Digest,
    },
    /// What an image says about itself can't be true.
    #[error("{0}")]
    Untrusted(String),
    /// The process could not be started because there is no such program: status 127.
    #[error("{0}")]
    CommandNotFound(String),
    /// The process could not be started because it may not be executed: status 126.
    #[error("{0}")]
    CommandNotExecutable(String),
    /// The container's monitor refused or failed.
    #[error("{0}")]
    Monitor(String),
    /// The monitor died before it answered.
    #[error("the monitor of container {id} died before it answered{detail}")]
    MonitorDied {
        /// Which container.
        id: String,
        /// What it last wrote, with ": " before it; empty if nothing.
        detail: String,
    },
    /// An id or name breaks the rules.
    #[error(transparent)]
    Id(#[from] crate::id::IdError),
    /// A registry.
    #[error(transparent)]
    Registry(#[from] isopod_registry::Error),
    /// A layer.
    #[error("layer {digest}")]
    Layer {
        /// Which blob.
        digest: Digest,
        /// What happened.
        #[source]
        source: isopod_layer::LayerError,
    },
    /// A document of an image.
    #[error("{what} {digest} can't be used")]
    Document {
        /// "manifest", "config".
        what: &'static str,
        /// Which.
        digest: Digest,
        /// Why not.
        #[source]
        source: isopod_image::document::ParseError,
    },
    /// An image's config.
    #[error("config {digest} can't be used")]
    Config {
        /// Which.
        digest: Digest,
        /// Why not.
        #[source]
        source: isopod_image::config::ConfigError,
    },
    /// The specification could not be built.
    #[error(transparent)]
    Spec(#[from] isopod_spec::SpecError),
    /// A network could not be changed.
    #[error(transparent)]
    Network(#[from] isopod_network::Error),
    /// The machine could not be looked at.
    #[error(transparent)]
    Host(#[from] isopod_spec::host::HostError),
}

/// An error with what caused it.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

/// What kind of failure, for exit statuses and status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The named object does not exist.
    NotFound,
    /// A name is taken.
    AlreadyExists,
    /// In use, or in the wrong state.
    Conflict,
    /// The request can't be right.
    Invalid,
    /// Credentials were refused or are missing.
    Unauthorized,
    /// A registry could not be reached.
    Unreachable,
    /// A registry or a document lied.
    Untrusted,
    /// Status 127.
    CommandNotFound,
    /// Status 126.
    CommandNotExecutable,
    /// Root, or another right, is missing.
    PermissionDenied,
    /// The disk is full.
    NoSpace,
    /// State on disk is damaged.
    Corrupt,
    /// Not in this release or not on this machine.
    Unsupported,
    /// Anything else.
    Failed,
}

impl Error {
    /// See [`ErrorKind`].
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Io { source, .. } | Self::System { source, .. } => of_io(source),
            Self::Database { source, .. } => of_database(source),
            Self::Corrupt { .. } | Self::Version { .. } | Self::MissingBlob { .. } => {
                ErrorKind::Corrupt
            }
            Self::NotFound { .. } | Self::NoPlatform { .. } => ErrorKind::NotFound,
            Self::AlreadyExists { .. } => ErrorKind::AlreadyExists,
            Self::InUse { .. } | Self::State { .. } => ErrorKind::Conflict,
            Self::Ambiguous { .. } | Self::Invalid(_) | Self::Id(_) | Self::Spec(_) => {
                ErrorKind::Invalid
            }
            Self::Unsupported(_) | Self::Kernel { .. } => ErrorKind::Unsupported,
            Self::Digest { .. }
            | Self::Document { .. }
            | Self::Config { .. }
            | Self::Untrusted(_) => ErrorKind::Untrusted,
            Self::CommandNotFound(_) => ErrorKind::CommandNotFound,
            Self::CommandNotExecutable(_) => ErrorKind::CommandNotExecutable,
            Self::Monitor(_) | Self::MonitorDied { .. } | Self::Host(_) => ErrorKind::Failed,
            Self::Network(error) => of_network(error),
            Self::Registry(error) => of_registry(error),
            Self::Layer { source, .. } => of_layer(source),
        }
    }

    /// For `map_err` on calls with a path.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// For `map_err` on calls that return rustix's errors.
    pub fn errno(action: &'static str, path: &Path) -> impl FnOnce(rustix::io::Errno) -> Self {
        let path = path.to_owned();
        move |errno| Self::Io { action, path, source: errno.into() }
    }
}

fn of_io(error: &io::Error) -> ErrorKind {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Failed,
    }
}

fn of_network(error: &isopod_network::Error) -> ErrorKind {
    match error {
        isopod_network::Error::Kernel { source, .. } => of_io(source),
        isopod_network::Error::PortInUse { .. } => ErrorKind::Conflict,
        _ => ErrorKind::Invalid,
    }
}

fn of_database(error: &rusqlite::Error) -> ErrorKind {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => ErrorKind::NoSpace,
        Some(rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::DatabaseCorrupt) => {
            ErrorKind::Corrupt
        }
        Some(rusqlite::ErrorCode::PermissionDenied | rusqlite::ErrorCode::CannotOpen) => {
            ErrorKind::PermissionDenied
        }
        _ => ErrorKind::Failed,
    }
}

fn of_registry(error: &isopod_registry::Error) -> ErrorKind {
    use isopod_registry::ErrorKind as Registry;
    match error.kind() {
        Registry::NotFound => ErrorKind::NotFound,
        Registry::Unauthorized | Registry::Denied => ErrorKind::Unauthorized,
        Registry::Unreachable | Registry::Stalled | Registry::RateLimited => ErrorKind::Unreachable,
        Registry::Tls
        | Registry::DigestMismatch
        | Registry::SizeMismatch
        | Registry::TooLarge
        | Registry::Protocol => ErrorKind::Untrusted,
        Registry::Configuration => ErrorKind::Invalid,
        Registry::Source => ErrorKind::Corrupt,
        _ => ErrorKind::Failed,
    }
}

fn of_layer(error: &isopod_layer::LayerError) -> ErrorKind {
    use isopod_layer::Cause;
    match &error.cause {
        Cause::Write { source, .. } | Cause::Folder(source) | Cause::Thread(source) => {
            of_io(source)
        }
        Cause::Input(_) | Cause::NotEmpty => ErrorKind::Failed,
        _ => ErrorKind::Untrusted,
    }
}
