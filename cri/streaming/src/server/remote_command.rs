//! Exec and attach: the channels of a session over either transport, the runtime between them, and the outcome.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use isopod_cri_protocol::v1::{AttachRequest, ExecRequest};
use isopod_spdy::{Connection, Limits, Stream};
use tokio::io::AsyncWriteExt;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::closing::{Closing, FLUSH};
use super::handshake::{self, Transport};
use super::http::Body;
use super::{Inner, Runtime};
use crate::ends::{BoxWriter, Reader, Resizes, Streams, Writer};
use crate::protocol::{Channels, STREAM_TYPE, Version};
use crate::size::{self, TerminalSize};
use crate::status::Outcome;
use crate::websocket::{Channel, Multiplexed, Role};

/// Which streams a session has.
#[derive(Clone, Copy)]
struct Wanted {
    stdin: bool,
    stdout: bool,
    stderr: bool,
    tty: bool,
}

type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

pub(crate) fn exec<R: Runtime>(
    inner: &Arc<Inner<R>>,
    request: Request<Incoming>,
    exec: ExecRequest,
) -> Response<Body> {
    let ExecRequest { stdin, stdout, stderr, tty, .. } = exec;
    let server = inner.clone();
    serve(inner, request, Wanted { stdin, stdout, stderr: stderr && !tty, tty }, move |streams| {
        Box::pin(async move {
            match server.runtime.exec(exec, streams).await {
                Ok(0) => Outcome::Success,
                Ok(code) => Outcome::Exited(code),
                Err(why) => Outcome::Failed(format!("error executing command in container: {why}")),
            }
        })
    })
}

pub(crate) fn attach<R: Runtime>(
    inner: &Arc<Inner<R>>,
    request: Request<Incoming>,
    attach: AttachRequest,
) -> Response<Body> {
    let AttachRequest { stdin, stdout, stderr, tty, .. } = attach;
    let server = inner.clone();
    serve(inner, request, Wanted { stdin, stdout, stderr: stderr && !tty, tty }, move |streams| {
        Box::pin(async move {
            match server.runtime.attach(attach, streams).await {
                Ok(()) => Outcome::Success,
                Err(why) => Outcome::Failed(format!("error attaching to container: {why}")),
            }
        })
    })
}

/// Upgrades, and leaves the rest to a task.
fn serve<R: Runtime>(
    inner: &Arc<Inner<R>>,
    mut request: Request<Incoming>,
    wanted: Wanted,
    run: impl FnOnce(Streams) -> Running + Send + 'static,
) -> Response<Body> {
    let server = inner.clone();
    let agreed = handshake::transport(request.headers()).and_then(|transport| match transport {
        Transport::Spdy => {
            let (version, response) = handshake::spdy(request.headers(), &Version::OVER_SPDY)?;
            let upgrade = hyper::upgrade::on(&mut request);
            inner.spawn(async move { over_spdy(&server, upgrade, version, wanted, run).await });
            Ok(response)
        }
        Transport::WebSocket => {
            let (channels, response) = handshake::websocket(&request, &Channels::REMOTE_COMMAND)?;
            let upgrade = hyper::upgrade::on(&mut request);
            inner.spawn(
                async move { over_websocket(&server, upgrade, channels, wanted, run).await },
            );
            Ok(response)
        }
    });
    agreed.unwrap_or_else(|refusal| *refusal)
}

/// The raw ends of a session.
#[derive(Default)]
struct Ends {
    stdin: Option<Reader>,
    stdout: Option<BoxWriter>,
    stderr: Option<BoxWriter>,
    error: Option<BoxWriter>,
    resize: Option<Reader>,
}

async fn over_spdy<R: Runtime>(
    server: &Inner<R>,
    upgrade: OnUpgrade,
    version: Version,
    wanted: Wanted,
    run: impl FnOnce(Streams) -> Running,
) {
    let Ok(upgraded) = upgrade.await else { return };
    let limits = Limits { idle: Some(server.config.idle_timeout), ..server.config.limits.clone() };
    let (connection, mut incoming) = Connection::server(TokioIo::new(upgraded), limits);
    let connection = Closing(connection);
    let collecting = collect(&mut incoming, version, wanted);
    let ends = match timeout(server.config.stream_creation_timeout, collecting).await {
        Ok(Some(ends)) => ends,
        Ok(None) => return,
        Err(_) => return tracing::warn!("a client didn't open its streams in time"),
    };
    // Nothing else is to be opened.
    drop(incoming);
    tokio::select! {
        () = session(server, ends, version, wanted.tty, run) => connection.finish().await,
        _ = connection.0.closed() => {}
    }
}

/// Accepts streams until all that are wanted are there; none if the client goes before.
async fn collect(
    incoming: &mut isopod_spdy::Incoming,
    version: Version,
    wanted: Wanted,
) -> Option<Ends> {
    let mut ends = Ends::default();
    let resized = wanted.tty && version >= Version::V3;
    loop {
        let complete = ends.error.is_some()
            && ends.stdin.is_some() == wanted.stdin
            && ends.stdout.is_some() == wanted.stdout
            && ends.stderr.is_some() == wanted.stderr
            && ends.resize.is_some() == resized;
        if complete {
            return Some(ends);
        }
        let opened = incoming.next().await?;
        let kind = opened.headers().get(STREAM_TYPE).unwrap_or_default().to_owned();
        let reader = |stream: Stream| Some(Box::new(stream) as Reader);
        let writer = |stream: Stream| Some(Box::new(stream) as BoxWriter);
        match kind.as_str() {
            "error" if ends.error.is_none() => ends.error = writer(opened.accept()),
            "stdin" if wanted.stdin && ends.stdin.is_none() => ends.stdin = reader(opened.accept()),
            "stdout" if wanted.stdout && ends.stdout.is_none() => {
                ends.stdout = writer(opened.accept());
            }
            "stderr" if wanted.stderr && ends.stderr.is_none() => {
                ends.stderr = writer(opened.accept());
            }
            "resize" if resized && ends.resize.is_none() => ends.resize = reader(opened.accept()),
            other => {
                tracing::debug!(kind = other, "a stream that is not wanted was refused");
                drop(opened);
            }
        }
    }
}

async fn over_websocket<R: Runtime>(
    server: &Inner<R>,
    upgrade: OnUpgrade,
    channels: Channels,
    wanted: Wanted,
    run: impl FnOnce(Streams) -> Running,
) {
    let Ok(upgraded) = upgrade.await else { return };
    let only = |wanted, kind| if wanted { kind } else { Channel::Ignored };
    let kinds = [
        only(wanted.stdin, Channel::Read),
        only(wanted.stdout, Channel::Write),
        only(wanted.stderr, Channel::Write),
        Channel::Write,
        only(wanted.tty, Channel::Read),
    ];
    let idle = Some(server.config.idle_timeout);
    let mut socket =
        Multiplexed::start(TokioIo::new(upgraded), Role::Server, channels, &kinds, idle);
    // An empty message says that the session is there: the original sends it, and clients wait for it.
    let first = if wanted.stdout {
        1
    } else if wanted.stderr {
        2
    } else {
        3
    };
    socket.send(first, Bytes::new()).await;
    let reader = |end| Some(Box::new(end) as Reader);
    let writer = |end| Some(Box::new(end) as BoxWriter);
    let ends = Ends {
        stdin: socket.reader(0).and_then(reader),
        stdout: socket.writer(1).and_then(writer),
        stderr: socket.writer(2).and_then(writer),
        error: socket.writer(3).and_then(writer),
        resize: socket.reader(4).and_then(reader),
    };
    tokio::select! {
        () = session(server, ends, channels.version, wanted.tty, run) => socket.finish(FLUSH).await,
        () = socket.closed() => {}
    }
}

/// Runs what was asked for between the ends, ends what it leaves open, and says how it went.
async fn session<R: Runtime>(
    server: &Inner<R>,
    ends: Ends,
    version: Version,
    tty: bool,
    run: impl FnOnce(Streams) -> Running,
) {
    let (back, mut left) = mpsc::unbounded_channel();
    let writer = |end: Option<BoxWriter>| end.map(|end| Writer::new(end, Some(back.clone())));
    let (newest, sizes) = watch::channel(None);
    let streams = Streams {
        stdin: ends.stdin,
        stdout: writer(ends.stdout),
        stderr: writer(ends.stderr),
        resizes: Resizes::new(sizes),
        tty,
    };
    let running = run(streams);
    let outcome = tokio::select! {
        outcome = running => outcome,
        () = server.stop.cancelled() => Outcome::Failed("the streaming server was stopped".to_owned()),
        never = resize(ends.resize, newest) => match never {},
    };
    let finish = async {
        while let Ok(mut writer) = left.try_recv() {
            let _ = writer.shutdown().await;
        }
        if let Some(mut error) = ends.error {
            if let Some(words) = outcome.encode(version) {
                let _ = error.write_all(&words).await;
            }
            let _ = error.shutdown().await;
        }
    };
    let _ = timeout(FLUSH, finish).await;
}

/// Hands sizes on. They may end long before the command does.
async fn resize(
    channel: Option<Reader>,
    newest: watch::Sender<Option<TerminalSize>>,
) -> Infallible {
    if let Some(channel) = channel {
        size::follow(channel, &newest).await;
    }
    drop(newest);
    std::future::pending().await
}
