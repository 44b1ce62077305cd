//! One stream: read what the peer sends, write what it is to get, end one's own direction with `shutdown`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;

use crate::frame::{Control, ResetStatus, StreamId};
use crate::headers::Headers;
use crate::table::{Condition, Outgoing, Piece, Shared};

/// The largest data frame that is written: others get their turn between two.
const FRAME: usize = 32 * 1024;

/// What both halves have of a stream. With the last of them an unfinished stream is reset, after what it was given.
struct Lease {
    id: StreamId,
    shared: Arc<Shared>,
    condition: Arc<Condition>,
    /// Keeps the connection while one of its streams is held.
    _connection: mpsc::Sender<Outgoing>,
}

impl Lease {
    /// Why nothing more can be read or written.
    fn broken(&self) -> io::Error {
        match self.condition.status() {
            Some(status) => crate::Error::Reset(self.id, status).into(),
            None => self.shared.reason().into(),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut table = self.shared.table();
        if let Some(entry) = table.streams.get_mut(&self.id) {
            entry.dropped = true;
            entry.pieces = None;
        }
        if let Some(reset) = table.settle(self.id) {
            self.shared.send(reset);
        }
    }
}

/// A stream. Dropped before both directions have ended, it is reset (status 5, cancel).
pub struct Stream {
    read: ReadHalf,
    write: WriteHalf,
}

/// The reading half of a stream: ends where the peer ended its direction; a reset, or the loss of the connection, is an
/// error. Dropped, what comes is thrown away.
pub struct ReadHalf {
    lease: Arc<Lease>,
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
}

/// The writing half of a stream. Writing waits while the connection is busy; `shutdown` ends the direction.
pub struct WriteHalf {
    lease: Arc<Lease>,
    sender: PollSender<Outgoing>,
    finished: bool,
}

impl Stream {
    pub(crate) fn new(
        id: StreamId,
        shared: Arc<Shared>,
        condition: Arc<Condition>,
        pieces: mpsc::Receiver<Piece>,
        data: mpsc::Sender<Outgoing>,
        finished: bool,
    ) -> Self {
        let lease = Arc::new(Lease { id, shared, condition, _connection: data.clone() });
        Self {
            read: ReadHalf { lease: lease.clone(), pieces, current: Bytes::new() },
            write: WriteHalf { lease, sender: PollSender::new(data), finished },
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.read.lease.id
    }

    /// Tells the peer that its stream is taken.
    pub(crate) fn reply(&self) {
        self.read.lease.shared.send(Control::SynReply {
            stream: self.id(),
            fin: false,
            headers: Headers::new(),
        });
    }

    /// Both directions by themselves. The stream is reset when both are gone, not before.
    #[must_use]
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }

    /// Ends both directions at once; what waits to be written is thrown away.
    pub fn reset(self, status: ResetStatus) {
        let lease = &self.read.lease;
        if lease.shared.table().streams.remove(&lease.id).is_some() {
            lease.shared.send(Control::RstStream { stream: lease.id, status });
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.current.is_empty() {
            loop {
                match ready!(self.pieces.poll_recv(cx)) {
                    Some(piece) if piece.data.is_empty() => {}
                    // Its share of the connection's memory is given back here: what is left of it is one piece.
                    Some(piece) => break self.current = piece.data,
                    None if self.lease.condition.is_finished() => return Poll::Ready(Ok(())),
                    None => return Poll::Ready(Err(self.lease.broken())),
                }
            }
        }
        let now = self.current.len().min(buf.remaining());
        buf.put_slice(&self.current[..now]);
        self.current.advance(now);
        Poll::Ready(Ok(()))
    }
}

impl WriteHalf {
    fn poll_send(&mut self, cx: &mut Context<'_>, data: &[u8], fin: bool) -> Poll<io::Result<()>> {
        let reserved = ready!(self.sender.poll_reserve(cx));
        if self.lease.condition.status().is_some() || reserved.is_err() {
            self.sender.abort_send();
            return Poll::Ready(Err(self.lease.broken()));
        }
        let item =
            Outgoing::Data { stream: self.lease.id, data: Bytes::copy_from_slice(data), fin };
        match self.lease.shared.table().streams.get_mut(&self.lease.id) {
            Some(entry) => {
                entry.queued += 1;
                entry.local_open &= !fin;
            }
            None => {
                self.sender.abort_send();
                return Poll::Ready(Err(self.lease.broken()));
            }
        }
        let sent = self.sender.send_item(item);
        Poll::Ready(sent.map_err(|_| self.lease.broken()))
    }
}

impl AsyncWrite for WriteHalf {
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
        let now = &buf[..buf.len().min(FRAME)];
        ready!(self.poll_send(cx, now, false))?;
        Poll::Ready(Ok(now.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What was taken is written as soon as the connection can.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.finished {
            ready!(self.poll_send(cx, &[], true))?;
            self.finished = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.read).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.write).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.write).poll_shutdown(cx)
    }
}
