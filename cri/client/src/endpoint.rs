//! Where a runtime listens: `unix:///run/isopod/cri.sock`, `tcp://127.0.0.1:3735`, or a bare path.

use std::fmt;
use std::path::{Path, PathBuf};

/// A runtime's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A host and a port, unencrypted.
    Tcp(String),
}

/// Text that is no endpoint.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EndpointError {
    /// Nothing at all.
    #[error("the endpoint is empty")]
    Empty,
    /// Another scheme than those two.
    #[error("protocol {protocol:?} of endpoint {text:?} is not supported: use unix:// or tcp://")]
    Protocol {
        /// What stands before `://`.
        protocol: String,
        /// As given.
        text: String,
    },
    /// A socket has to be named from the root on: a server and its clients have different working directories.
    #[error("endpoint {0:?} is no absolute path and no URL: as in unix:///run/isopod/cri.sock")]
    Relative(String),
    /// A port without a host, or the other way round.
    #[error("endpoint {0:?} has no host and port: as in tcp://127.0.0.1:3735")]
    Address(String),
}

impl Endpoint {
    /// Reads a URL or an absolute path.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        if text.is_empty() {
            return Err(EndpointError::Empty);
        }
        let (protocol, rest) = match text.split_once("://") {
            Some(parts) => parts,
            None => match text.strip_prefix("unix:") {
                Some(path) => ("unix", path),
                None => ("unix", text),
            },
        };
        match protocol {
            "unix" if Path::new(rest).is_absolute() => Ok(Self::Unix(PathBuf::from(rest))),
            "unix" => Err(EndpointError::Relative(text.to_owned())),
            "tcp" => {
                let address = rest.trim_end_matches('/');
                let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
                match port.and_then(|(_, port)| port.parse::<u16>().ok()) {
                    Some(_) => Ok(Self::Tcp(address.to_owned())),
                    None => Err(EndpointError::Address(text.to_owned())),
                }
            }
            protocol => Err(EndpointError::Protocol {
                protocol: protocol.to_owned(),
                text: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_named_by_url_or_path() {
        let socket = Endpoint::Unix(PathBuf::from("/run/a.sock"));
        for text in ["unix:///run/a.sock", "unix:/run/a.sock", "/run/a.sock"] {
            assert_eq!(Endpoint::parse(text).as_ref(), Ok(&socket), "{text}");
        }
        assert_eq!(socket.to_string(), "unix:///run/a.sock");
        let tcp = Endpoint::parse("tcp://127.0.0.1:3735").unwrap();
        assert_eq!(tcp, Endpoint::Tcp("127.0.0.1:3735".to_owned()));
        assert_eq!(Endpoint::parse("tcp://[::1]:1/").unwrap().to_string(), "tcp://[::1]:1");
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_its_text() {
        let error = |text: &str| Endpoint::parse(text).unwrap_err().to_string();
        assert_eq!(error(""), "the endpoint is empty");
        assert!(error("run/a.sock").contains("\"run/a.sock\" is no absolute path"));
        assert!(error("unix://run/a.sock").contains("no absolute path"));
        assert!(error("npipe:////./pipe/x").contains("protocol \"npipe\""));
        for text in ["tcp://host", "tcp://:80", "tcp://host:http"] {
            assert!(error(text).contains("no host and port"), "{text}");
        }
    }
}
