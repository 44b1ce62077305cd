//! What can go wrong, with the object it went wrong with.

use std::io;
use std::net::SocketAddr;

use crate::model::Protocol;

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a network could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused; `action` is a verb phrase, `object` a device, address, table or path.
    #[error("cannot {action} {object}")]
    Kernel {
        /// As in `make the bridge`.
        action: &'static str,
        /// Which.
        object: String,
        /// Its words.
        source: io::Error,
    },
    /// Somebody else has the port.
    #[error("port {address}/{protocol} is in use already")]
    PortInUse {
        /// The host's address and port.
        address: SocketAddr,
        /// Of which protocol.
        protocol: Protocol,
    },
    /// The host has no such address.
    #[error("the host has no address {address} to publish port {}/{protocol} on", address.port())]
    NoSuchAddress {
        /// The host's address and port.
        address: SocketAddr,
        /// Of which protocol.
        protocol: Protocol,
    },
    /// A device that was asked for by name is not there, or is of another kind.
    #[error("{device}: {reason}")]
    Device {
        /// Its name.
        device: String,
        /// As in `there is no such device`.
        reason: &'static str,
    },
    /// Several removals failed.
    #[error("{}", .0.iter().map(Self::with_cause).collect::<Vec<_>>().join("; "))]
    Several(Vec<Self>),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// Its own words and the kernel's.
    fn with_cause(&self) -> String {
        match self {
            Self::Kernel { source, .. } => format!("{self}: {source}"),
            other => other.to_string(),
        }
    }
}
