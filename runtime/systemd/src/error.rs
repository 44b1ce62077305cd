//! Why systemd didn't do what it was asked for.

use std::io;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine's first process is another one.
    #[error("systemd does not run on this machine: use the cgroupfs manager")]
    NotRunning,
    /// It manages the controllers' hierarchies of version 1.
    #[error(
        "cgroups have version 1 on this machine, where systemd is not asked for them: use the cgroupfs manager"
    )]
    Version1,
    /// Neither its own socket nor the bus.
    #[error("cannot connect to systemd by {path}")]
    Connect {
        /// The socket that was tried last.
        path: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection failed later.
    #[error("cannot talk to systemd")]
    Io(#[from] io::Error),
    /// What came is no D-Bus.
    #[error("systemd's answer is malformed: {0}")]
    Malformed(&'static str),
    /// An error reply.
    #[error("systemd refuses {method}: {message}")]
    Refused {
        /// What was asked for.
        method: &'static str,
        /// The error's name (`org.freedesktop.…`).
        name: String,
        /// In words.
        message: String,
    },
    /// A unit of the name is in use.
    #[error("unit {0} is there already, with processes of its own")]
    Exists(String),
    /// The unit's start failed.
    #[error("systemd could not start {unit}: its job ended with {result:?}")]
    Job {
        /// Which.
        unit: String,
        /// systemd's word for it.
        result: String,
    },
    /// The unit is somewhere else than its name says.
    #[error("systemd put {unit} into cgroup {found}, not {expected}")]
    Elsewhere {
        /// Which.
        unit: String,
        /// Where its process is.
        found: String,
        /// Where it should be.
        expected: String,
    },
    /// `slice:prefix:name` or a part of it.
    #[error("{0}")]
    Name(String),
    /// An annotation's value.
    #[error("annotation {0}: value {1:?} is not understood")]
    Annotation(String, String),
    /// A limit that can't be said.
    #[error("{0} {1:?} is malformed")]
    Limit(&'static str, String),
}

impl Error {
    /// Whether this is systemd's error of that name.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { name, .. } if name == wanted)
    }
}

/// What this crate's functions return.
pub type Result<T> = std::result::Result<T, Error>;
