//! What can be asked for, and what can't.

use isopod_cri_protocol::v1::{AttachRequest, ExecRequest, PortForwardRequest};

/// What is behind an address.
pub(crate) enum Wanted {
    Exec(ExecRequest),
    Attach(AttachRequest),
    PortForward(PortForwardRequest),
}

impl Wanted {
    /// The folder of its address.
    pub fn path(&self) -> &'static str {
        match self {
            Self::Exec(_) => "exec",
            Self::Attach(_) => "attach",
            Self::PortForward(_) => "portforward",
        }
    }
}

/// Why there is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// `InvalidArgument` over gRPC.
    #[error("missing required {0}")]
    Missing(&'static str),
    /// `InvalidArgument` over gRPC: a terminal has one output.
    #[error("tty and stderr cannot both be true")]
    TtyAndStderr,
    /// `InvalidArgument` over gRPC.
    #[error("one of stdin, stdout, or stderr must be set")]
    NoStream,
    /// `InvalidArgument` over gRPC.
    #[error("{0} is no port")]
    Port(i32),
    /// `ResourceExhausted` over gRPC.
    #[error("maximum number of in-flight requests exceeded")]
    TooMany,
    /// `Internal` over gRPC.
    #[error("the machine gives no random numbers")]
    Random,
}

pub(crate) fn check_exec(request: &ExecRequest) -> Result<(), RequestError> {
    check(&request.container_id, request.tty, request.stdin, request.stdout, request.stderr)
}

pub(crate) fn check_attach(request: &AttachRequest) -> Result<(), RequestError> {
    check(&request.container_id, request.tty, request.stdin, request.stdout, request.stderr)
}

fn check(id: &str, tty: bool, stdin: bool, stdout: bool, stderr: bool) -> Result<(), RequestError> {
    if id.is_empty() {
        return Err(RequestError::Missing("container_id"));
    }
    if tty && stderr {
        return Err(RequestError::TtyAndStderr);
    }
    if !stdin && !stdout && !stderr {
        return Err(RequestError::NoStream);
    }
    Ok(())
}

pub(crate) fn check_port_forward(request: &PortForwardRequest) -> Result<(), RequestError> {
    if request.pod_sandbox_id.is_empty() {
        return Err(RequestError::Missing("pod_sandbox_id"));
    }
    match request.port.iter().find(|port| port_number(**port).is_none()) {
        Some(port) => Err(RequestError::Port(*port)),
        None => Ok(()),
    }
}

/// A port of 1 to 65535.
pub(crate) fn port_number(port: i32) -> Option<u16> {
    u16::try_from(port).ok().filter(|port| *port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_done_is_refused_as_containerd_refuses_it() {
        let exec = |container_id: &str, tty, stdout, stderr| {
            let container_id = container_id.to_owned();
            check_exec(&ExecRequest { container_id, tty, stdout, stderr, ..ExecRequest::default() })
        };
        assert_eq!(exec("c", true, true, false), Ok(()));
        assert_eq!(exec("", true, true, false), Err(RequestError::Missing("container_id")));
        assert_eq!(exec("c", true, true, true), Err(RequestError::TtyAndStderr));
        assert_eq!(exec("c", false, false, false), Err(RequestError::NoStream));
        let forward =
            |port| check_port_forward(&PortForwardRequest { pod_sandbox_id: "s".to_owned(), port });
        assert_eq!(forward(vec![]), Ok(()));
        assert_eq!(forward(vec![80, 65_536]), Err(RequestError::Port(65_536)));
        assert_eq!(forward(vec![0]), Err(RequestError::Port(0)));
    }
}
