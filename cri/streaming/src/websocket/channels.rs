//! Several streams in one WebSocket: the first byte of a message says which
//! (`k8s.io/apimachinery/pkg/util/httpstream/wsstream`). In version 5 a message to channel 255 ends the one it names.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard, PollSender};

use super::socket::{NORMAL, PROTOCOL_ERROR, Sink, Source};
use super::{Event, Opcode, Role};
use crate::protocol::{Channels, Version};

/// Closes the channel whose number follows.
const CLOSE: u8 = 255;
/// Pieces of 16 KiB that wait in one channel, and messages that wait to be written.
const WAITING: usize = 4;
/// The largest message that is written.
const MESSAGE: usize = 32 * 1024;
const LINGER: Duration = Duration::from_secs(5);

/// Which directions a channel has, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// What comes is thrown away.
    Ignored,
    Read,
    Write,
    ReadWrite,
}

enum Outgoing {
    Data(u8, Bytes),
    End(u8),
    Close,
}

/// How the other end has gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// It has closed as it should.
    Closed,
    Lost,
}

/// A WebSocket with channels. Its task ends with the connection, with this, or when idle for too long.
pub(crate) struct Multiplexed {
    _stop: DropGuard,
    out: mpsc::Sender<Outgoing>,
    gone: watch::Receiver<Option<Gone>>,
    readers: Vec<Option<ChannelReader>>,
    kinds: Vec<Channel>,
}

/// What comes in one channel.
pub(crate) struct ChannelReader {
    pieces: mpsc::Receiver<Bytes>,
    current: Bytes,
    gone: watch::Receiver<Option<Gone>>,
}

/// What goes out in one channel.
pub(crate) struct ChannelWriter {
    number: u8,
    sender: PollSender<Outgoing>,
    finished: bool,
}

impl Multiplexed {
    /// Starts the task. `idle`: after how long without a message it ends.
    pub fn start<T>(
        io: T,
        role: Role,
        protocol: Channels,
        kinds: &[Channel],
        idle: Option<Duration>,
    ) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (out, outgoing) = mpsc::channel(WAITING);
        let (ended, gone) = watch::channel(None);
        let (mut senders, mut readers) = (Vec::new(), Vec::new());
        for kind in kinds {
            let (sender, pieces) = mpsc::channel(WAITING);
            let reads = matches!(kind, Channel::Read | Channel::ReadWrite);
            senders.push(reads.then_some(sender));
            let gone = gone.clone();
            readers.push(reads.then_some(ChannelReader { pieces, current: Bytes::new(), gone }));
        }
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = Task { role, protocol, idle, active: Arc::default(), start: Instant::now() };
        tokio::spawn(async move { task.drive(io, senders, outgoing, ended, stopped).await });
        Self { _stop: stop.drop_guard(), out, gone, readers, kinds: kinds.to_vec() }
    }

    /// The reading end of a channel, once; none if it isn't read from here.
    pub fn reader(&mut self, number: u8) -> Option<ChannelReader> {
        self.readers.get_mut(usize::from(number))?.take()
    }

    /// A writing end of a channel; none if it isn't written from here.
    pub fn writer(&self, number: u8) -> Option<ChannelWriter> {
        let kind = self.kinds.get(usize::from(number))?;
        matches!(kind, Channel::Write | Channel::ReadWrite).then(|| ChannelWriter {
            number,
            sender: PollSender::new(self.out.clone()),
            finished: false,
        })
    }

    /// Writes one message as it is, also an empty one.
    pub async fn send(&self, number: u8, data: Bytes) {
        let _ = self.out.send(Outgoing::Data(number, data)).await;
    }

    /// Lets out what was written, and closes the connection; what takes longer than `most` is lost.
    pub async fn finish(self, most: Duration) {
        let _ = timeout(most, async {
            let _ = self.out.send(Outgoing::Close).await;
            self.closed().await;
        })
        .await;
    }

    /// Waits until the connection is gone.
    pub async fn closed(&self) {
        let _ = self.gone.clone().wait_for(Option::is_some).await;
    }
}

impl AsyncRead for ChannelReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.current.is_empty() {
            match ready!(self.pieces.poll_recv(cx)) {
                Some(piece) => self.current = piece,
                None if *self.gone.borrow() == Some(Gone::Lost) => {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                None => return Poll::Ready(Ok(())),
            }
        }
        let now = self.current.len().min(buf.remaining());
        buf.put_slice(&self.current[..now]);
        self.current.advance(now);
        Poll::Ready(Ok(()))
    }
}

impl ChannelWriter {
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        item: impl FnOnce() -> Outgoing,
    ) -> Poll<io::Result<()>> {
        let gone = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
        ready!(self.sender.poll_reserve(cx)).map_err(gone)?;
        Poll::Ready(self.sender.send_item(item()).map_err(gone))
    }
}

impl AsyncWrite for ChannelWriter {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let now = &buf[..buf.len().min(MESSAGE)];
        let number = self.number;
        ready!(self.poll_send(cx, || Outgoing::Data(number, Bytes::copy_from_slice(now))))?;
        Poll::Ready(Ok(now.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.finished {
            let number = self.number;
            ready!(self.poll_send(cx, || Outgoing::End(number)))?;
            self.finished = true;
        }
        Poll::Ready(Ok(()))
    }
}

struct Task {
    role: Role,
    protocol: Channels,
    idle: Option<Duration>,
    active: Arc<AtomicU64>,
    start: Instant,
}

impl Task {
    async fn drive<T: AsyncRead + AsyncWrite>(
        self,
        io: T,
        mut senders: Vec<Option<mpsc::Sender<Bytes>>>,
        outgoing: mpsc::Receiver<Outgoing>,
        ended: watch::Sender<Option<Gone>>,
        stopped: CancellationToken,
    ) {
        let (input, out) = tokio::io::split(io);
        let (mut source, mut sink) = (Source::new(input, self.role), Sink::new(out, self.role));
        let (pings, pongs) = mpsc::channel(4);
        let (gone, code) = tokio::select! {
            read = self.read(&mut source, &mut senders, pings) => match read {
                Ok(gone) => (gone, NORMAL),
                Err(error) if error.kind() == io::ErrorKind::InvalidData => (Gone::Lost, PROTOCOL_ERROR),
                Err(_) => (Gone::Lost, NORMAL),
            },
            written = self.write(&mut sink, outgoing, pongs) => match written {
                Ok(()) => (Gone::Closed, NORMAL),
                Err(_) => (Gone::Lost, NORMAL),
            },
            () = self.idled() => (Gone::Lost, NORMAL),
            () = stopped.cancelled() => (Gone::Lost, NORMAL),
        };
        ended.send_replace(Some(gone));
        drop(senders);
        if timeout(LINGER, sink.close(code)).await.is_ok() {
            let _ = timeout(LINGER, source.drain()).await;
        }
    }

    fn touch(&self) {
        self.active.store(self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    async fn idled(&self) {
        let Some(idle) = self.idle else { return std::future::pending().await };
        loop {
            let active = Duration::from_millis(self.active.load(Ordering::Relaxed));
            let at = self.start + active + idle;
            if at <= Instant::now() {
                return;
            }
            sleep_until(at).await;
        }
    }

    async fn read<R: AsyncRead + Unpin>(
        &self,
        source: &mut Source<R>,
        senders: &mut [Option<mpsc::Sender<Bytes>>],
        pings: mpsc::Sender<Bytes>,
    ) -> io::Result<Gone> {
        let mut message = Message::new(self.protocol.base64);
        while let Some(event) = source.next().await? {
            self.touch();
            match event {
                Event::Data { start, data, end, .. } => {
                    let Some((channel, data)) = message.next(start, data, end)? else { continue };
                    self.deliver(senders, channel, data).await;
                }
                Event::Ping(data) => drop(pings.try_send(data)),
                Event::Pong => {}
                Event::Close(_) => return Ok(Gone::Closed),
            }
        }
        Ok(Gone::Lost)
    }

    /// Hands a piece to whoever reads the channel, and waits for that: the whole connection does. Nobody reads: it is
    /// thrown away.
    async fn deliver(&self, senders: &mut [Option<mpsc::Sender<Bytes>>], channel: u8, data: Bytes) {
        if channel == CLOSE && self.protocol.version >= Version::V5 {
            let named = data.first().and_then(|number| senders.get_mut(usize::from(*number)));
            if let Some(named) = named {
                *named = None;
            }
            return;
        }
        match senders.get(usize::from(channel)) {
            Some(Some(sender)) if !data.is_empty() => drop(sender.send(data).await),
            _ => {}
        }
    }

    async fn write<W: AsyncWrite + Unpin>(
        &self,
        sink: &mut Sink<W>,
        mut outgoing: mpsc::Receiver<Outgoing>,
        mut pongs: mpsc::Receiver<Bytes>,
    ) -> io::Result<()> {
        loop {
            tokio::select! {
                Some(data) = pongs.recv() => sink.pong(&data).await?,
                item = outgoing.recv() => match item {
                    None | Some(Outgoing::Close) => return Ok(()),
                    Some(Outgoing::Data(number, data)) => self.message(sink, number, &data).await?,
                    // Only a client of version 5 has a word for it.
                    Some(Outgoing::End(number)) => {
                        if self.role == Role::Client && self.protocol.version >= Version::V5 {
                            self.message(sink, CLOSE, &[number]).await?;
                        }
                    }
                },
            }
            self.touch();
        }
    }

    async fn message<W: AsyncWrite + Unpin>(
        &self,
        sink: &mut Sink<W>,
        number: u8,
        data: &[u8],
    ) -> io::Result<()> {
        if self.protocol.base64 {
            let text = STANDARD.encode(data);
            return sink.message(Opcode::Text, &[&[b'0' + number], text.as_bytes()]).await;
        }
        sink.message(Opcode::Binary, &[&[number], data]).await
    }
}

/// What of a message has come: its channel, and base64 that isn't a whole group of four yet.
struct Message {
    base64: bool,
    channel: Option<u8>,
    group: Vec<u8>,
}

impl Message {
    fn new(base64: bool) -> Self {
        Self { base64, channel: None, group: Vec::new() }
    }

    /// The channel, and what can be handed on to it now; none before the message has said its channel.
    fn next(&mut self, start: bool, mut data: Bytes, end: bool) -> io::Result<Option<(u8, Bytes)>> {
        if start {
            (self.channel, self.group) = (None, Vec::new());
        }
        if self.channel.is_none() && !data.is_empty() {
            let number = data.get_u8();
            self.channel = Some(if self.base64 { number.wrapping_sub(b'0') } else { number });
        }
        let Some(channel) = self.channel else { return Ok(None) };
        if self.base64 {
            self.group.extend_from_slice(&data);
            let whole = if end { self.group.len() } else { self.group.len() / 4 * 4 };
            let text: Vec<u8> = self.group.drain(..whole).collect();
            let broken = |error| io::Error::new(io::ErrorKind::InvalidData, error);
            data = STANDARD.decode(text).map_err(broken)?.into();
        }
        Ok(Some((channel, data)))
    }
}
