//! What can go wrong, with the object it went wrong with.

use std::error::Error as StdError;
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
    #[error("{}", .0.iter().map(whole).collect::<Vec<_>>().join("; "))]
    Several(Vec<Self>),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
}

/// An error with what is behind it: of several, none can be the one source.
fn whole(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_failures_are_told_with_their_causes() {
        let kernel = |object: &str, code| Error::Kernel {
            action: "remove",
            object: object.to_owned(),
            source: io::Error::from_raw_os_error(code),
        };
        let told = Error::Several(vec![kernel("br1", 16), kernel("br2", 1)]).to_string();
        assert_eq!(
            told,
            "cannot remove br1: Device or resource busy (os error 16); \
             cannot remove br2: Operation not permitted (os error 1)"
        );
    }
}
