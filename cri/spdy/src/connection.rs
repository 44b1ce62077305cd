//! A connection: opens streams, hands out those the peer opens, and has one task that reads and writes.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{sleep_until, timeout};

use crate::error::Error;
use crate::frame::{Control, GoAwayStatus, ResetStatus};
use crate::headers::Headers;
use crate::limits::Limits;
use crate::reader::Reader;
use crate::stream::Stream;
use crate::table::{Condition, Entry, Outgoing, Shared};
use crate::writer::Writer;

/// Data frames of all streams that wait to be written.
const WAITING: usize = 4;
/// How long a peer may take the news that it is cut off.
const FAREWELL: std::time::Duration = std::time::Duration::from_millis(200);

/// One end of a connection. It lives as long as this, a clone, or one of its streams is held; then the peer gets what
/// was written, a GOAWAY, and the end.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    data: mpsc::Sender<Outgoing>,
}

/// The streams that the peer opens. Dropped, all later ones are refused.
pub struct Incoming(mpsc::Receiver<Opened>);

/// A stream that the peer wants. Dropped, it is refused.
pub struct Opened {
    stream: Option<Stream>,
    headers: Headers,
}

impl Connection {
    /// The server's end over what has been upgraded. Must be called within a tokio runtime: the task is started here.
    pub fn server<T>(io: T, limits: Limits) -> (Self, Incoming)
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        Self::start(io, limits, true)
    }

    /// The client's end.
    pub fn client<T>(io: T, limits: Limits) -> (Self, Incoming)
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        Self::start(io, limits, false)
    }

    fn start<T>(io: T, limits: Limits, server: bool) -> (Self, Incoming)
    where
        T: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (control_sender, control) = mpsc::unbounded_channel();
        let (data_sender, data) = mpsc::channel(WAITING);
        let (opened, incoming) = mpsc::channel(limits.backlog.max(1));
        let memory = Arc::new(Semaphore::new(limits.connection_bytes.max(1)));
        let shared = Arc::new(Shared::new(limits, server, control_sender));
        let (input, out) = tokio::io::split(io);
        let weak = data_sender.downgrade();
        let reader = Reader { input, shared: shared.clone(), memory, opened, data: weak };
        let writer = Writer { out, control, data };
        tokio::spawn(drive(reader, writer, shared.clone()));
        (Self { shared, data: data_sender }, Incoming(incoming))
    }

    /// Opens a stream and waits for the peer's reply. With `fin` nothing will be written to it.
    ///
    /// # Errors
    ///
    /// The peer refuses, doesn't reply within [`Limits::reply`], or goes away; or there are too many streams.
    pub async fn open(&self, headers: Headers, fin: bool) -> Result<Stream, Error> {
        let (replied, reply) = oneshot::channel();
        let (sender, receiver) = mpsc::channel(self.shared.limits.stream_pieces.max(1));
        let condition = Arc::new(Condition::default());
        let id = {
            let mut table = self.shared.table();
            if self.shared.ended.borrow().is_some() {
                return Err(self.shared.reason());
            }
            if table.peer_going_away {
                return Err(Error::GoingAway);
            }
            let id = table.next_local;
            if table.streams.len() >= self.shared.limits.streams || id > 0x7fff_ffff {
                return Err(Error::TooManyStreams);
            }
            table.next_local += 2;
            let entry = Entry {
                pieces: Some(sender),
                condition: condition.clone(),
                local_open: !fin,
                remote_open: true,
                queued: 0,
                dropped: false,
                reply: Some(replied),
            };
            table.streams.insert(id, entry);
            // Under the lock: numbers must reach the peer in their order.
            self.shared.send(Control::SynStream {
                stream: id,
                associated: 0,
                priority: 0,
                fin,
                unidirectional: false,
                headers,
            });
            id
        };
        let stream = Stream::new(
            id,
            self.shared.clone(),
            condition.clone(),
            receiver,
            self.data.clone(),
            fin,
        );
        match timeout(self.shared.limits.reply, reply).await {
            Ok(Ok(())) => Ok(stream),
            Ok(Err(_)) => Err(match condition.status() {
                Some(status) => Error::Reset(id, status),
                None => self.shared.reason(),
            }),
            Err(_) => Err(Error::NoReply(id)),
        }
    }

    /// Ends the connection once everything that was written before is out. Streams that are open break.
    pub async fn close(&self) {
        let _ = self.data.send(Outgoing::Close).await;
    }

    /// Ends the connection at once; what waits is thrown away.
    pub fn abort(&self) {
        self.shared.end(Error::Closed);
    }

    /// Waits for the end, whoever brings it about, and says why.
    pub async fn closed(&self) -> Error {
        let mut ended = self.shared.ended.subscribe();
        match ended.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or(Error::Closed),
            Err(_) => Error::Closed,
        }
    }

    /// How many streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.shared.table().streams.len()
    }
}

impl Incoming {
    /// The next stream; none when the connection has ended.
    pub async fn next(&mut self) -> Option<Opened> {
        self.0.recv().await
    }
}

impl Opened {
    pub(crate) fn new(stream: Stream, headers: Headers) -> Self {
        Self { stream: Some(stream), headers }
    }

    /// What the peer says of it.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.stream.as_ref().map_or(0, Stream::id)
    }

    /// Replies, and hands the stream out.
    #[must_use]
    pub fn accept(mut self) -> Stream {
        let stream = self.stream.take().expect("only this and the end take it");
        stream.reply();
        stream
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.reset(ResetStatus::REFUSED);
        }
    }
}

/// Reads and writes until one of them ends.
async fn drive<R, W>(mut reader: Reader<R>, mut writer: Writer<W>, shared: Arc<Shared>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let (reason, wrote) = {
        let idle = idle(&shared);
        tokio::select! {
            result = reader.run() => (result.err().unwrap_or(Error::Closed), false),
            result = writer.run(&shared) => (result.err().map_or(Error::Closed, Error::from), true),
            () = idle => (Error::Idle, false),
            () = aborted(&shared) => (Error::Closed, false),
        }
    };
    let broken = matches!(reason, Error::Frame(_));
    let orderly = wrote && matches!(reason, Error::Closed);
    shared.end(reason);
    if broken {
        // It may come in the middle of a frame that was half written: it is a courtesy.
        let _ = timeout(FAREWELL, writer.go_away(GoAwayStatus::PROTOCOL_ERROR, &shared)).await;
    }
    if orderly && timeout(shared.limits.linger, writer.out.shutdown()).await.is_ok() {
        // Closing a socket with unread bytes in it would take back what the peer has not read yet.
        let _ = timeout(shared.limits.linger, reader.drain()).await;
    }
}

/// Ends when the connection was ended from here.
async fn aborted(shared: &Shared) {
    let _ = shared.ended.subscribe().wait_for(Option::is_some).await;
}

/// Ends when nothing has happened for too long.
async fn idle(shared: &Shared) {
    while let Some(at) = shared.idle_at() {
        if at <= tokio::time::Instant::now() {
            return;
        }
        sleep_until(at).await;
    }
    std::future::pending().await
}
