//! Port-forward: over SPDY, plain or in a WebSocket, a pair of streams a connection; over a WebSocket's channels a pair of
//! them a port.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use isopod_cri_protocol::v1::PortForwardRequest;
use isopod_spdy::{Connection, Limits, Opened, Stream};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::closing::{Closing, FLUSH};
use super::handshake::{self, Transport};
use super::http::Body;
use super::request::port_number;
use super::{Inner, Runtime};
use crate::ends::Duplex;
use crate::protocol::{Channels, PORT, PORT_FORWARD, REQUEST_ID, STREAM_TYPE, TUNNEL};
use crate::websocket::{Channel, Multiplexed, Role, tunnel};

/// What goes over a WebSocket.
#[derive(Clone, Copy)]
enum Carried {
    Spdy,
    Channels(Channels),
}

pub(crate) fn serve<R: Runtime>(
    inner: &Arc<Inner<R>>,
    mut request: Request<Incoming>,
    wanted: PortForwardRequest,
) -> Response<Body> {
    let server = inner.clone();
    let agreed = handshake::transport(request.headers()).and_then(|transport| match transport {
        Transport::Spdy => {
            let ((), response) = handshake::spdy(request.headers(), &[(PORT_FORWARD, ())])?;
            let upgrade = hyper::upgrade::on(&mut request);
            inner.spawn(async move {
                if let Ok(upgraded) = upgrade.await {
                    over_spdy(server, TokioIo::new(upgraded), wanted.pod_sandbox_id).await;
                }
            });
            Ok(response)
        }
        Transport::WebSocket => {
            let mut known = vec![(TUNNEL, Carried::Spdy)];
            // Channels are numbered by the ports that were asked for.
            if !wanted.port.is_empty() && wanted.port.len() <= 127 {
                known.extend(Channels::PORT_FORWARD.map(|(name, c)| (name, Carried::Channels(c))));
            }
            let (carried, response) = handshake::websocket(&request, &known)?;
            let upgrade = hyper::upgrade::on(&mut request);
            inner.spawn(async move { over_websocket(server, upgrade, carried, wanted).await });
            Ok(response)
        }
    });
    agreed.unwrap_or_else(|refusal| *refusal)
}

async fn over_websocket<R: Runtime>(
    server: Arc<Inner<R>>,
    upgrade: OnUpgrade,
    carried: Carried,
    wanted: PortForwardRequest,
) {
    let Ok(upgraded) = upgrade.await else { return };
    let upgraded = TokioIo::new(upgraded);
    match carried {
        Carried::Spdy => {
            over_spdy(server, tunnel(upgraded, Role::Server), wanted.pod_sandbox_id).await;
        }
        Carried::Channels(channels) => over_channels(server, upgraded, channels, wanted).await,
    }
}

/// Streams that wait for the other one of their pair.
struct Half {
    data: Option<(u16, Stream)>,
    error: Option<Stream>,
    until: Instant,
}

async fn over_spdy<R: Runtime, T>(server: Arc<Inner<R>>, io: T, sandbox: String)
where
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    let limits = Limits { idle: Some(server.config.idle_timeout), ..server.config.limits.clone() };
    let (connection, mut incoming) = Connection::server(io, limits);
    let connection = Closing(connection);
    let mut halves: HashMap<String, Half> = HashMap::new();
    let mut forwards = JoinSet::new();
    loop {
        let next = halves.values().map(|half| half.until).min();
        tokio::select! {
            opened = incoming.next() => {
                let Some(opened) = opened else { break };
                let until = Instant::now() + server.config.stream_creation_timeout;
                if let Some((port, data, error)) = pair(&mut halves, opened, until).await {
                    let (server, sandbox) = (server.clone(), sandbox.clone());
                    forwards.spawn(async move {
                        forward(&server, sandbox, port, Box::new(data), error).await;
                    });
                }
            }
            Some(_) = forwards.join_next() => {}
            () = server.stop.cancelled() => break,
            () = at(next) => give_up(&mut halves).await,
        }
    }
    // The client has gone, or we are: what it had forwarded goes too.
    forwards.shutdown().await;
    connection.finish().await;
}

/// Adds a stream to its pair; the pair, when it is complete. What can't be is refused.
async fn pair(
    halves: &mut HashMap<String, Half>,
    opened: Opened,
    until: Instant,
) -> Option<(u16, Stream, Stream)> {
    let headers = opened.headers();
    let port = headers.get(PORT).and_then(|port| port.parse().ok()).filter(|port| *port > 0);
    let is_data = match headers.get(STREAM_TYPE) {
        Some("data") => true,
        Some("error") => false,
        _ => return None,
    };
    let port: u16 = port?;
    // Old clients name no pair: they open the error stream, then its data stream.
    let name = match headers.get(REQUEST_ID) {
        Some(id) => id.to_owned(),
        None if is_data => format!("stream {}", opened.id().saturating_sub(2)),
        None => format!("stream {}", opened.id()),
    };
    let half = halves.entry(name.clone()).or_insert(Half { data: None, error: None, until });
    match is_data {
        true if half.data.is_none() => half.data = Some((port, opened.accept())),
        false if half.error.is_none() => half.error = Some(opened.accept()),
        _ => {
            if let Some(error) = &mut half.error {
                let words =
                    format!("error processing stream for request {name}: stream already assigned");
                let _ = error.write_all(words.as_bytes()).await;
            }
            return None;
        }
    }
    if half.data.is_none() || half.error.is_none() {
        return None;
    }
    let Half { data: Some((port, data)), error: Some(error), .. } = halves.remove(&name)? else {
        return None;
    };
    Some((port, data, error))
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Drops the halves whose time is over.
async fn give_up(halves: &mut HashMap<String, Half>) {
    let now = Instant::now();
    let late: Vec<String> =
        halves.iter().filter(|(_, half)| half.until <= now).map(|(name, _)| name.clone()).collect();
    for name in late {
        if let Some(Half { error: Some(mut error), .. }) = halves.remove(&name) {
            let words = format!("(request={name}) timed out waiting for streams");
            let _ = error.write_all(words.as_bytes()).await;
            let _ = error.shutdown().await;
        }
    }
}

/// One connection; what went wrong is said in the error stream, which ends with it.
async fn forward<R: Runtime>(
    server: &Inner<R>,
    sandbox: String,
    port: u16,
    data: Box<dyn Duplex>,
    mut error: impl AsyncWrite + Unpin,
) {
    let result = server.runtime.port_forward(sandbox.clone(), port, data).await;
    if let Err(why) = result.or_else(forgive) {
        let words = format!("error forwarding port {port} to pod {sandbox}: {why}");
        let _ = error.write_all(words.as_bytes()).await;
    }
    let _ = error.shutdown().await;
}

/// A target that resets its connection has been reached: clients would give up the whole forwarding for it.
fn forgive(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted => Ok(()),
        _ => Err(error),
    }
}

async fn over_channels<R: Runtime, T>(
    server: Arc<Inner<R>>,
    io: T,
    channels: Channels,
    wanted: PortForwardRequest,
) where
    T: AsyncRead + AsyncWrite + Send + 'static,
{
    let ports: Vec<u16> = wanted.port.iter().filter_map(|port| port_number(*port)).collect();
    let kinds: Vec<Channel> =
        ports.iter().flat_map(|_| [Channel::ReadWrite, Channel::Write]).collect();
    let idle = Some(server.config.idle_timeout);
    let mut socket = Multiplexed::start(io, Role::Server, channels, &kinds, idle);
    let mut forwards = JoinSet::new();
    for (index, port) in ports.into_iter().enumerate() {
        let number = 2 * index as u8;
        // Each channel begins with its port.
        socket.send(number, Bytes::copy_from_slice(&port.to_le_bytes())).await;
        socket.send(number + 1, Bytes::copy_from_slice(&port.to_le_bytes())).await;
        let (Some(reader), Some(writer), Some(error)) =
            (socket.reader(number), socket.writer(number), socket.writer(number + 1))
        else {
            continue;
        };
        let (server, sandbox) = (server.clone(), wanted.pod_sandbox_id.clone());
        let data = Box::new(tokio::io::join(reader, writer));
        forwards.spawn(async move { forward(&server, sandbox, port, data, error).await });
    }
    let all = async { while forwards.join_next().await.is_some() {} };
    tokio::select! {
        () = all => {}
        () = server.stop.cancelled() => {}
        () = socket.closed() => return,
    }
    socket.finish(FLUSH).await;
}
