//! The streams of one connection, and what its tasks share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::error::Error;
use crate::frame::{Control, GoAwayStatus, ResetStatus, StreamId};
use crate::limits::Limits;

/// A piece of data on its way to whoever reads the stream, and its share of the connection's memory.
pub(crate) struct Piece {
    pub data: Bytes,
    pub _share: OwnedSemaphorePermit,
}

/// Data on its way to the peer.
pub(crate) enum Outgoing {
    Data {
        stream: StreamId,
        data: Bytes,
        fin: bool,
    },
    /// Everything before this is to be written, then the connection ends.
    Close,
}

/// What one stream's ends and its connection know of it.
#[derive(Default)]
pub(crate) struct Condition {
    /// The peer has said that nothing follows.
    finished: AtomicBool,
    /// How the peer ended it, or 0.
    reset: AtomicU64,
}

impl Condition {
    pub fn finish(&self) {
        self.finished.store(true, Ordering::Release);
    }

    pub fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    pub fn reset(&self, status: ResetStatus) {
        self.reset.store(1 << 32 | u64::from(status.0), Ordering::Release);
    }

    pub fn status(&self) -> Option<ResetStatus> {
        let value = self.reset.load(Ordering::Acquire);
        (value != 0).then_some(ResetStatus(value as u32))
    }
}

pub(crate) struct Entry {
    /// To the reader of the stream; none when nothing more is to come, or nobody reads.
    pub pieces: Option<mpsc::Sender<Piece>>,
    pub condition: Arc<Condition>,
    pub local_open: bool,
    pub remote_open: bool,
    /// Data frames that wait to be written.
    pub queued: usize,
    /// Nobody here holds the stream any more: it is reset once what was written to it is out.
    pub dropped: bool,
    /// Who waits for the reply to a stream of ours.
    pub reply: Option<oneshot::Sender<()>>,
}

#[derive(Default)]
pub(crate) struct Table {
    pub streams: HashMap<StreamId, Entry>,
    pub next_local: StreamId,
    pub last_remote: StreamId,
    pub peer_going_away: bool,
}

impl Table {
    /// Forgets a stream that is done; gives the reset that is to be sent for it.
    pub fn settle(&mut self, stream: StreamId) -> Option<Control> {
        let entry = self.streams.get(&stream)?;
        let ended = !entry.local_open && !entry.remote_open;
        if entry.queued > 0 || !(ended || entry.dropped) {
            return None;
        }
        self.streams.remove(&stream);
        (!ended).then_some(Control::RstStream { stream, status: ResetStatus::CANCEL })
    }

    /// Whether a data frame that waited may still go out, now that it is its turn.
    pub fn dequeue(&mut self, stream: StreamId) -> bool {
        let Some(entry) = self.streams.get_mut(&stream) else { return false };
        entry.queued -= 1;
        true
    }
}

/// What handles, streams and the task of a connection share.
pub(crate) struct Shared {
    pub limits: Limits,
    pub server: bool,
    table: Mutex<Table>,
    /// Control frames to be sent, and how many they are.
    control: mpsc::UnboundedSender<Control>,
    queued: AtomicUsize,
    /// Why the connection has ended.
    pub ended: watch::Sender<Option<Error>>,
    start: Instant,
    /// When the last frame came or went, in milliseconds after `start`.
    active: AtomicU64,
}

impl Shared {
    pub fn new(limits: Limits, server: bool, control: mpsc::UnboundedSender<Control>) -> Self {
        let next_local = if server { 2 } else { 1 };
        Self {
            limits,
            server,
            table: Mutex::new(Table { next_local, ..Table::default() }),
            control,
            queued: AtomicUsize::new(0),
            ended: watch::Sender::new(None),
            start: Instant::now(),
            active: AtomicU64::new(0),
        }
    }

    pub fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a control frame sent before any data that waits. What provokes frames without end is to call `check_flood`.
    pub fn send(&self, frame: Control) {
        self.queued.fetch_add(1, Ordering::AcqRel);
        // Nobody takes it any more when the connection has ended.
        let _ = self.control.send(frame);
    }

    /// Notes that a control frame is out.
    pub fn sent(&self) {
        self.queued.fetch_sub(1, Ordering::AcqRel);
    }

    /// Whether the peer makes us answer faster than it reads. Each open stream may have its reply and its reset.
    pub fn check_flood(&self) -> Result<(), Error> {
        let most = self.limits.answers + 2 * self.limits.streams;
        if self.queued.load(Ordering::Acquire) >= most { Err(Error::Flood) } else { Ok(()) }
    }

    pub fn go_away(&self, status: GoAwayStatus) -> Control {
        Control::GoAway { last: self.table().last_remote, status }
    }

    /// Notes that a frame came or went.
    pub fn touch(&self) {
        self.active.store(self.start.elapsed().as_millis() as u64, Ordering::Relaxed);
    }

    /// When the connection will have been idle for too long, as things are.
    pub fn idle_at(&self) -> Option<Instant> {
        let active = std::time::Duration::from_millis(self.active.load(Ordering::Relaxed));
        self.limits.idle.map(|idle| self.start + active + idle)
    }

    /// The reason of an end that has come.
    pub fn reason(&self) -> Error {
        self.ended.borrow().clone().unwrap_or(Error::Closed)
    }

    /// Notes the end, and wakes everybody who waits for something.
    pub fn end(&self, reason: Error) {
        self.ended.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                *ended = Some(reason);
            }
            first
        });
        let streams = std::mem::take(&mut self.table().streams);
        drop(streams);
    }
}
