//! Exec and attach from the client's side.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::Method;
use hyper::header::{
    HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use isopod_spdy::{Connection, Headers, Limits, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::connect::Asked;
use super::{ClientError, Connector, Transport};
use crate::ends::{BoxWriter, Reader, Writer};
use crate::protocol::{Channels, SPDY, STREAM_TYPE, VERSION, Version, values};
use crate::size::TerminalSize;
use crate::status::Outcome;
use crate::websocket::{Channel, Multiplexed, Role, accept_for, new_key};

/// How long a server may take to read what was written last.
const FLUSH: Duration = Duration::from_secs(10);
/// The longest outcome that is read.
const OUTCOME: u64 = 1 << 20;

/// Which streams a session is to have: what the runtime was asked for when it gave the address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoteCommand {
    /// The client sends.
    pub stdin: bool,
    /// The client gets the output.
    pub stdout: bool,
    /// The client gets the errors; not with a terminal.
    pub stderr: bool,
    /// The command has a terminal.
    pub tty: bool,
}

/// A command under way. The streams can be taken out; whoever takes them should read them to their end, or nothing else
/// of the session comes either.
pub struct Session {
    /// What the command reads. `shutdown` ends it (over a WebSocket from version 5 on).
    pub stdin: Option<Writer>,
    /// What it writes.
    pub stdout: Option<Reader>,
    /// What it writes to its errors.
    pub stderr: Option<Reader>,
    /// The size of its terminal.
    pub resizer: Option<Resizer>,
    error: Reader,
    version: Version,
    held: Held,
}

/// What keeps the connection.
enum Held {
    Spdy(Connection),
    WebSocket(Multiplexed),
}

/// Says the terminal's size.
pub struct Resizer(BoxWriter);

impl Resizer {
    /// The size from now on.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub async fn resize(&mut self, size: TerminalSize) -> io::Result<()> {
        self.0.write_all(&size.encode()).await
    }
}

impl Session {
    /// How the command ended: waits for it. The streams are to be read until their end before, or beside.
    ///
    /// # Errors
    ///
    /// The connection broke, or ended, before the outcome came.
    pub async fn outcome(&mut self) -> Result<Outcome, ClientError> {
        let mut words = Vec::new();
        (&mut self.error).take(OUTCOME).read_to_end(&mut words).await?;
        // Earlier versions say nothing of a success.
        if words.is_empty() && self.version >= Version::V4 {
            return Err(ClientError::NoOutcome);
        }
        Ok(Outcome::decode(&words, self.version))
    }

    /// Ends the session from this side, once what was written is out or some seconds have gone. Dropped, it ends at once.
    pub async fn close(self) {
        match self.held {
            Held::Spdy(connection) => {
                let _ = timeout(FLUSH, connection.close()).await;
            }
            Held::WebSocket(socket) => socket.finish(FLUSH).await,
        }
    }
}

impl Connector {
    /// Connects to what an exec or attach request was answered with.
    ///
    /// # Errors
    ///
    /// The server can't be reached or refuses: mostly an address that was used before, or is too old (404).
    pub async fn remote_command(
        &self,
        address: &str,
        wanted: RemoteCommand,
    ) -> Result<Session, ClientError> {
        let wanted = RemoteCommand { stderr: wanted.stderr && !wanted.tty, ..wanted };
        match self.transport {
            Transport::Spdy => self.session_over_spdy(address, wanted).await,
            Transport::WebSocket => self.session_over_websocket(address, wanted).await,
        }
    }

    async fn session_over_spdy(
        &self,
        address: &str,
        wanted: RemoteCommand,
    ) -> Result<Session, ClientError> {
        // The fifth says no more than the fourth here, and older servers have it not.
        let offers = Version::OVER_SPDY.iter().filter(|(_, version)| *version <= Version::V4);
        let headers = offers.map(|(name, _)| (VERSION, HeaderValue::from_static(name))).collect();
        let asked = Asked { method: Method::POST, upgrade: SPDY, headers };
        let (upgraded, headers) = self.upgrade(address, asked).await?;
        // A server that doesn't say has never heard of versions.
        let chosen =
            values(&headers, &VERSION).first().copied().unwrap_or("channel.k8s.io").to_owned();
        let known = Version::OVER_SPDY.iter().find(|(name, _)| *name == chosen);
        let version = known.ok_or(ClientError::Protocol(chosen))?.1;
        let (connection, _) = Connection::client(upgraded, Limits::default());
        let open = async |kind: &str, wanted: bool| {
            if !wanted {
                return Ok::<_, ClientError>(None);
            }
            let headers = Headers::new().with(STREAM_TYPE, kind);
            Ok(Some(connection.open(headers, false).await?))
        };
        let reader = |stream: Stream| Box::new(UntilReset(stream)) as Reader;
        // In the order in which Go's client opens them.
        let error = connection.open(Headers::new().with(STREAM_TYPE, "error"), false).await?;
        let stdin = open("stdin", wanted.stdin).await?;
        let stdout = open("stdout", wanted.stdout).await?;
        let stderr = open("stderr", wanted.stderr).await?;
        let resize = open("resize", wanted.tty && version >= Version::V3).await?;
        Ok(Session {
            stdin: stdin.map(|stream| Writer::new(Box::new(stream), None)),
            stdout: stdout.map(reader),
            stderr: stderr.map(reader),
            resizer: resize.map(|stream| Resizer(Box::new(stream))),
            error: reader(error),
            version,
            held: Held::Spdy(connection),
        })
    }

    async fn session_over_websocket(
        &self,
        address: &str,
        wanted: RemoteCommand,
    ) -> Result<Session, ClientError> {
        let known = Channels::REMOTE_COMMAND.iter().filter(|(_, channels)| !channels.base64);
        let known: Vec<_> = known.copied().collect();
        let offered: Vec<_> =
            known.iter().map(|(name, _)| *name).filter(|n| !n.is_empty()).collect();
        let (upgraded, chosen) = self.websocket(address, &offered).await?;
        let channels = known.iter().find(|(name, _)| *name == chosen);
        let channels = channels.ok_or(ClientError::Protocol(chosen))?.1;
        let only = |wanted, kind| if wanted { kind } else { Channel::Ignored };
        let kinds = [
            only(wanted.stdin, Channel::Write),
            only(wanted.stdout, Channel::Read),
            only(wanted.stderr, Channel::Read),
            Channel::Read,
            only(wanted.tty, Channel::Write),
        ];
        let mut socket = Multiplexed::start(upgraded, Role::Client, channels, &kinds, None);
        let reader = |end| Box::new(end) as Reader;
        let error = socket.reader(3).map(reader).ok_or(io::ErrorKind::NotConnected);
        Ok(Session {
            stdin: socket.writer(0).map(|end| Writer::new(Box::new(end), None)),
            stdout: socket.reader(1).map(reader),
            stderr: socket.reader(2).map(reader),
            resizer: socket.writer(4).map(|end| Resizer(Box::new(end))),
            error: error.map_err(io::Error::from)?,
            version: channels.version,
            held: Held::WebSocket(socket),
        })
    }

    /// Opens a WebSocket; which of the offered subprotocols the server took, empty if none.
    pub(super) async fn websocket(
        &self,
        address: &str,
        offered: &[&str],
    ) -> Result<(TokioIo<Upgraded>, String), ClientError> {
        let key = new_key()?;
        let value = |text: &str| {
            HeaderValue::from_str(text).map_err(|_| ClientError::Protocol(text.to_owned()))
        };
        let headers = vec![
            (SEC_WEBSOCKET_KEY, value(&key)?),
            (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            (SEC_WEBSOCKET_PROTOCOL, value(&offered.join(", "))?),
        ];
        let asked = Asked { method: Method::GET, upgrade: "websocket", headers };
        let (upgraded, headers) = self.upgrade(address, asked).await?;
        let text = |name| headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
        if text(SEC_WEBSOCKET_ACCEPT) != Some(accept_for(&key).as_str()) {
            return Err(ClientError::Protocol("Sec-WebSocket-Accept is wrong".to_owned()));
        }
        Ok((upgraded, text(SEC_WEBSOCKET_PROTOCOL).unwrap_or_default().to_owned()))
    }
}

/// A stream of which a reset is the end: Go's servers reset what they have not closed when a session is over.
struct UntilReset(Stream);

impl AsyncRead for UntilReset {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.0).poll_read(cx, buf)) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Poll::Ready(Ok(())),
            other => Poll::Ready(other),
        }
    }
}
