//! The reading side of a connection: frames to streams, answers to the writer.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{Semaphore, mpsc};

use crate::connection::Opened;
use crate::decode::{Decoder, Event};
use crate::error::Error;
use crate::frame::{Control, ResetStatus, StreamId};
use crate::headers::Headers;
use crate::stream::Stream;
use crate::table::{Condition, Entry, Outgoing, Piece, Shared};

/// Bytes that are read at once.
const BUFFER: usize = 32 * 1024;
/// What a waiting piece costs besides its bytes.
const OVERHEAD: usize = 128;

pub(crate) struct Reader<R> {
    pub input: R,
    pub shared: Arc<Shared>,
    /// The memory of all waiting data.
    pub memory: Arc<Semaphore>,
    pub opened: mpsc::Sender<Opened>,
    /// Weak, or the reader would keep the connection that nobody holds.
    pub data: mpsc::WeakSender<Outgoing>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads until the peer ends the connection (`Ok`) or breaks it.
    pub async fn run(&mut self) -> Result<(), Error> {
        let mut decoder = Decoder::new(&self.shared.limits);
        let mut buffer = BytesMut::with_capacity(BUFFER);
        loop {
            while let Some(event) = decoder.next(&mut buffer)? {
                self.shared.touch();
                match event {
                    Event::Control(frame) => self.control(frame)?,
                    Event::Data { stream, data, fin } => self.data(stream, data, fin).await,
                }
            }
            buffer.reserve(BUFFER);
            if self.input.read_buf(&mut buffer).await? == 0 {
                let whole = decoder.between_frames() && buffer.is_empty();
                return if whole { Ok(()) } else { Err(Error::Io(io::ErrorKind::UnexpectedEof)) };
            }
        }
    }

    /// Reads on and throws away, until the peer has ended the connection too.
    pub async fn drain(&mut self) {
        let mut scrap = [0; 4096];
        while self.input.read(&mut scrap).await.is_ok_and(|read| read > 0) {}
    }

    fn control(&mut self, frame: Control) -> Result<(), Error> {
        match frame {
            Control::SynStream { stream, fin, unidirectional, headers, .. } => {
                self.open(stream, fin, unidirectional, headers)
            }
            Control::SynReply { stream, fin, .. } => {
                let reply = {
                    let mut table = self.shared.table();
                    table.streams.get_mut(&stream).and_then(|entry| entry.reply.take())
                };
                if let Some(reply) = reply {
                    let _ = reply.send(());
                }
                self.finish(stream, fin);
                Ok(())
            }
            Control::Headers { stream, fin, .. } => {
                self.finish(stream, fin);
                Ok(())
            }
            Control::RstStream { stream, status } => {
                if let Some(entry) = self.shared.table().streams.remove(&stream) {
                    entry.condition.reset(status);
                }
                Ok(())
            }
            Control::Ping(id) => {
                // Ours would have our parity; we send none.
                let theirs = (id % 2 == 1) == self.shared.server;
                if theirs {
                    self.shared.check_flood()?;
                    self.shared.send(Control::Ping(id));
                }
                Ok(())
            }
            Control::GoAway { .. } => {
                self.shared.table().peer_going_away = true;
                Ok(())
            }
            Control::Settings(_) | Control::WindowUpdate { .. } | Control::Unknown(_) => Ok(()),
        }
    }

    fn open(
        &mut self,
        stream: StreamId,
        fin: bool,
        unidirectional: bool,
        headers: Headers,
    ) -> Result<(), Error> {
        self.shared.check_flood()?;
        let refuse = |status| self.shared.send(Control::RstStream { stream, status });
        let (sender, receiver) = mpsc::channel(self.shared.limits.stream_pieces.max(1));
        let condition = Arc::new(Condition::default());
        {
            let mut table = self.shared.table();
            let theirs = (stream % 2 == 1) == self.shared.server;
            if !theirs || stream <= table.last_remote {
                refuse(ResetStatus::PROTOCOL_ERROR);
                return Ok(());
            }
            table.last_remote = stream;
            if table.streams.len() >= self.shared.limits.streams {
                refuse(ResetStatus::REFUSED);
                return Ok(());
            }
            if fin {
                condition.finish();
            }
            let entry = Entry {
                pieces: (!fin).then_some(sender),
                condition: condition.clone(),
                local_open: !unidirectional,
                remote_open: !fin,
                queued: 0,
                dropped: false,
                reply: None,
            };
            table.streams.insert(stream, entry);
        }
        // Nobody holds the connection any more: it is about to end.
        let Some(data) = self.data.upgrade() else { return Ok(()) };
        let new =
            Stream::new(stream, self.shared.clone(), condition, receiver, data, unidirectional);
        // Where nobody takes it, it is refused by being dropped.
        drop(self.opened.try_send(Opened::new(new, headers)));
        Ok(())
    }

    async fn data(&mut self, stream: StreamId, data: Bytes, fin: bool) {
        let sender = self.shared.table().streams.get(&stream).and_then(|e| e.pieces.clone());
        if let Some(sender) = sender.filter(|_| !data.is_empty()) {
            let cost = (data.len() + OVERHEAD).min(self.shared.limits.connection_bytes.max(1));
            // Both waits hold up the whole connection: that is what holds up the peer. A reader that goes away ends them.
            let share = tokio::select! {
                share = self.memory.clone().acquire_many_owned(cost as u32) => share.ok(),
                () = sender.closed() => None,
            };
            if let Some(share) = share {
                let _ = sender.send(Piece { data, _share: share }).await;
            }
        }
        self.finish(stream, fin);
    }

    /// Notes that nothing more comes in a stream.
    fn finish(&self, stream: StreamId, fin: bool) {
        if !fin {
            return;
        }
        let mut table = self.shared.table();
        if let Some(entry) = table.streams.get_mut(&stream) {
            entry.condition.finish();
            entry.pieces = None;
            entry.remote_open = false;
        }
        if let Some(reset) = table.settle(stream) {
            self.shared.send(reset);
        }
    }
}
