//! Mounts as command lines write them: docker's `--mount`, `--volume` and `--tmpfs`, and
//! `ctr`'s `--mount`. Every key is understood or refused by name.

mod ctr_mount;
mod docker_mount;
mod volume;

use std::path::PathBuf;

use crate::mounts::{Mount, MountKind, Propagation};
use crate::paths::PathError;

pub use ctr_mount::parse_ctr_mount;
pub use docker_mount::parse_mount;
pub use volume::{parse_tmpfs, parse_volume};

/// Why a mount flag is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FlagError {
    /// A quote that is not closed, or text after one.
    #[error("quotes of {0:?} do not match")]
    Quotes(String),
    /// No `=` where a value belongs, or one where none does.
    #[error("{field:?} of {flag:?} has no usable value")]
    Value {
        /// The part at fault.
        field: String,
        /// All of it.
        flag: String,
    },
    /// A key nobody knows, or that belongs to another type of mount.
    #[error("{key:?} is unknown for a {kind} mount")]
    Key {
        /// As written.
        key: String,
        /// The type of the mount.
        kind: &'static str,
    },
    /// A key that is known and not supported.
    #[error("{0:?} is not supported")]
    Unsupported(String),
    /// A type nobody knows.
    #[error("mount type {0:?} is unknown")]
    Kind(String),
    /// Nothing to mount, or nowhere to mount it.
    #[error("{what} is missing in {flag:?}")]
    Missing {
        /// `source` or `destination`.
        what: &'static str,
        /// All of it.
        flag: String,
    },
    /// Too many colons, or none where one belongs.
    #[error("{0:?} is not of the form [source:]destination[:options]")]
    Form(String),
    /// A name no volume can have.
    #[error("{0:?} is no volume name: a letter or digit, then letters, digits, '_', '.' and '-'")]
    VolumeName(String),
    /// A destination that is no path inside.
    #[error("destination of {flag:?} is refused")]
    Destination {
        /// All of it.
        flag: String,
        /// Why.
        source: PathError,
    },
    /// Two options of one kind.
    #[error("{0:?} says the same thing twice or contradicts itself")]
    Contradiction(String),
}

/// What a volume flag mounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeSource {
    /// A volume without a name, to be made for this container.
    Anonymous,
    /// A volume by name.
    Named(String),
}

/// A volume before its place on the host is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    /// Which.
    pub source: VolumeSource,
    /// An empty volume is not filled from the image.
    pub no_copy: bool,
    mount: Mount,
}

impl VolumeMount {
    /// Where in the container.
    #[must_use]
    pub fn destination(&self) -> &std::path::Path {
        &self.mount.destination
    }

    /// The mount, once the volume lies at `path` on the host.
    #[must_use]
    pub fn at(self, path: impl Into<PathBuf>) -> Mount {
        Mount { kind: MountKind::Bind { source: path.into(), recursive: true }, ..self.mount }
    }
}

/// What a flag says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountFlag {
    /// A mount, ready to use.
    Mount(Mount),
    /// A volume, to be looked up or made.
    Volume(VolumeMount),
}

fn volume(source: VolumeSource, no_copy: bool, mount: Mount) -> MountFlag {
    MountFlag::Volume(VolumeMount { source, no_copy, mount })
}

fn propagation(text: &str, flag: &str) -> Result<Propagation, FlagError> {
    Propagation::parse(text)
        .ok_or_else(|| FlagError::Value { field: text.to_owned(), flag: flag.to_owned() })
}

/// Names as docker has them; nothing that is a path.
fn check_volume_name(name: &str) -> Result<(), FlagError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if first && name.len() >= 2 && name.len() <= 255 && name.bytes().all(plain) {
        return Ok(());
    }
    Err(FlagError::VolumeName(name.to_owned()))
}

#[cfg(test)]
mod tests;
