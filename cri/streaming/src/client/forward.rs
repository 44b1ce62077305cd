//! Port-forward from the client's side.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::Method;
use hyper::header::HeaderValue;
use isopod_spdy::{Connection, Error, Headers, Limits, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};

use super::connect::Asked;
use super::{ClientError, Connector, Transport};
use crate::protocol::{PORT, PORT_FORWARD, REQUEST_ID, SPDY, STREAM_TYPE, TUNNEL, VERSION, values};
use crate::websocket::{Role, tunnel};

/// The longest complaint that is read.
const WORDS: u64 = 64 * 1024;

/// A connection over which ports of one pod are forwarded, any number of connections to each.
pub struct Forwarder {
    connection: Connection,
    next: AtomicU64,
}

/// One connection to a port.
pub struct Forwarded {
    /// What goes to the port, and comes from it.
    pub data: Stream,
    error: Stream,
}

impl Connector {
    /// Connects to what a port-forward request was answered with.
    ///
    /// # Errors
    ///
    /// The server can't be reached or refuses.
    pub async fn port_forward(&self, address: &str) -> Result<Forwarder, ClientError> {
        let connection = match self.transport {
            Transport::Spdy => {
                let headers = vec![(VERSION, HeaderValue::from_static(PORT_FORWARD))];
                let asked = Asked { method: Method::POST, upgrade: SPDY, headers };
                let (upgraded, headers) = self.upgrade(address, asked).await?;
                let chosen = values(&headers, &VERSION);
                if chosen != [PORT_FORWARD] {
                    return Err(ClientError::Protocol(chosen.join(", ")));
                }
                Connection::client(upgraded, Limits::default()).0
            }
            Transport::WebSocket => {
                let (upgraded, chosen) = self.websocket(address, &[TUNNEL]).await?;
                if chosen != TUNNEL {
                    return Err(ClientError::Protocol(chosen));
                }
                Connection::client(tunnel(upgraded, Role::Client), Limits::default()).0
            }
        };
        Ok(Forwarder { connection, next: AtomicU64::new(0) })
    }
}

impl Forwarder {
    /// A new connection to a port. Whether anything answers there is only known later.
    ///
    /// # Errors
    ///
    /// The server refuses, or the connection is gone.
    pub async fn open(&self, port: u16) -> Result<Forwarded, ClientError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let headers = |kind| {
            let headers = Headers::new().with(STREAM_TYPE, kind).with(PORT, port.to_string());
            headers.with(REQUEST_ID, id.to_string())
        };
        let mut error = self.connection.open(headers("error"), false).await?;
        error.shutdown().await?;
        let data = self.connection.open(headers("data"), false).await?;
        Ok(Forwarded { data, error })
    }

    /// Forwards a connection that somebody made here until both directions have ended.
    ///
    /// # Errors
    ///
    /// The server refuses or is gone; or [`ClientError::Refused`] with its words if nothing answered at the port.
    pub async fn carry(
        &self,
        port: u16,
        mut local: impl AsyncRead + AsyncWrite + Unpin,
    ) -> Result<(), ClientError> {
        let mut forwarded = self.open(port).await?;
        let copied = copy_bidirectional(&mut local, &mut forwarded.data).await;
        match forwarded.complaint().await? {
            Some(message) => Err(ClientError::Refused { status: 0, message }),
            None => match copied {
                Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error.into()),
                _ => Ok(()),
            },
        }
    }

    /// Waits until the connection to the server is gone, and says why.
    pub async fn closed(&self) -> Error {
        self.connection.closed().await
    }
}

impl Forwarded {
    /// What the server has to say when the connection is over: nothing if all went well. Gives up what isn't sent yet.
    ///
    /// # Errors
    ///
    /// The connection to the server is gone.
    pub async fn complaint(self) -> Result<Option<String>, ClientError> {
        let Self { data, error } = self;
        drop(data);
        let mut words = Vec::new();
        match error.take(WORDS).read_to_end(&mut words).await {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error.into()),
            _ if words.is_empty() => Ok(None),
            _ => Ok(Some(String::from_utf8_lossy(&words).trim().to_owned())),
        }
    }
}
