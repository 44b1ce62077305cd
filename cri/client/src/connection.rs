//! A connection to one endpoint, and calls over it that end in time.

use std::error::Error as _;
use std::future::Future;
use std::time::Duration;

use isopod_cri_protocol::v1::image_service_client::ImageServiceClient;
use isopod_cri_protocol::v1::runtime_service_client::RuntimeServiceClient;
use tonic::transport::{Channel, Endpoint as Transport};
use tonic::{Code, Response, Status};

use crate::endpoint::Endpoint;

/// The largest answer that is taken, in bytes: what kubelet takes.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens there, or not for us.
    #[error("cannot connect to {endpoint}: {reason}")]
    Connect {
        /// Where.
        endpoint: Endpoint,
        /// What the system said.
        reason: String,
    },
    /// It took longer than it may.
    #[error("rpc error: code = DeadlineExceeded desc = no answer within {}", shown(*.0))]
    Late(Duration),
    /// The server's own error, in the words of gRPC's other clients, which scripts look for.
    #[error("rpc error: code = {} desc = {}", code_name(.0.code()), .0.message())]
    Status(Box<Status>),
}

impl CallError {
    /// The code of the failure.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Connect { .. } => Code::Unavailable,
            Self::Late(_) => Code::DeadlineExceeded,
            Self::Status(status) => status.code(),
        }
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// Both services of a runtime.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Where it leads.
    pub endpoint: Endpoint,
    channel: Channel,
}

impl Connection {
    /// Connects within `timeout`.
    ///
    /// # Errors
    /// Nobody listens there, or nobody may.
    pub async fn open(endpoint: &Endpoint, timeout: Duration) -> Result<Self, CallError> {
        let fail = |reason: String| CallError::Connect { endpoint: endpoint.clone(), reason };
        let uri = match endpoint {
            Endpoint::Unix(path) => format!("unix://{}", path.display()),
            Endpoint::Tcp(address) => format!("http://{address}"),
        };
        let transport = Transport::from_shared(uri)
            .map_err(|error| fail(error.to_string()))?
            .connect_timeout(timeout);
        let channel = match tokio::time::timeout(timeout, transport.connect()).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(fail(innermost(&error))),
            Err(_) => return Err(fail(format!("no answer within {}", shown(timeout)))),
        };
        Ok(Self { endpoint: endpoint.clone(), channel })
    }

    /// Pods and containers.
    #[must_use]
    pub fn runtime(&self) -> RuntimeServiceClient<Channel> {
        RuntimeServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    /// Images.
    #[must_use]
    pub fn images(&self) -> ImageServiceClient<Channel> {
        ImageServiceClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }
}

/// The answer of a call, which may take as long as `limit` says.
///
/// # Errors
/// The call's, or that it took too long: what it asked for may have been done all the same.
pub async fn within<T>(
    limit: Option<Duration>,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, CallError> {
    let answer = match limit {
        None => call.await,
        Some(limit) => {
            tokio::time::timeout(limit, call).await.map_err(|_| CallError::Late(limit))?
        }
    };
    Ok(answer?.into_inner())
}

/// `2s`, `500ms`.
fn shown(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// The transport's own words are only that it failed; its cause says why.
fn innermost(error: &tonic::transport::Error) -> String {
    let mut innermost = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        innermost = error.to_string();
        source = error.source();
    }
    innermost
}

/// As Go spells them, whose clients are the others.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn a_socket_that_is_not_there_is_named_with_the_systems_words() {
        let endpoint = Endpoint::parse("unix:///nowhere/cri.sock").unwrap();
        let error = block(Connection::open(&endpoint, Duration::from_secs(2))).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("cannot connect to unix:///nowhere/cri.sock: No such file"),
            "{text}"
        );
        assert_eq!(error.code(), Code::Unavailable);
    }

    #[test]
    fn an_error_of_the_server_is_said_as_gos_clients_say_it() {
        let error = CallError::from(Status::not_found("no such container"));
        assert_eq!(error.to_string(), "rpc error: code = NotFound desc = no such container");
        let error = CallError::from(Status::cancelled("gone"));
        assert_eq!(error.to_string(), "rpc error: code = Canceled desc = gone");
    }

    #[test]
    fn a_call_that_takes_too_long_ends() {
        let never = std::future::pending::<Result<Response<()>, Status>>();
        let limit = Duration::from_millis(20);
        let error = block(within(Some(limit), never)).unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded);
        assert_eq!(
            error.to_string(),
            "rpc error: code = DeadlineExceeded desc = no answer within 20ms"
        );
    }
}
