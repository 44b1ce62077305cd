//! A blob on its way to a registry: read and digested in a thread of its own, sent as it is read, and
//! never finished where its bytes are not what its digest says.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use isopod_image::digest::Digester;
use isopod_image::{Descriptor, Digest};
use reqwest::RequestBuilder;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use tokio::sync::mpsc;

use crate::error::Error;
use crate::failure::failure;

/// What is read and sent at once, in bytes.
const PIECE: usize = 128 << 10;
/// Pieces that are read ahead.
const AHEAD: usize = 2;
/// How often a caller hears of progress.
const TICK: Duration = Duration::from_millis(100);
/// A server that has all of a blob digests it and moves it to its place before it answers, which takes
/// longer than any pause between two pieces.
const COMMIT_PATIENCE: u32 = 10;

/// A blob's bytes, as often as they are needed.
pub trait BlobSource: Send + Sync {
    /// Opens them at their beginning.
    ///
    /// # Errors
    /// They can't be had.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
}

/// Told how many of a blob's bytes have been sent.
pub type Sent<'a> = &'a (dyn Fn(u64) + Sync);

/// One attempt at sending a blob, or what is left of it.
pub(crate) struct Outgoing<'a> {
    pub(crate) source: &'a Arc<dyn BlobSource>,
    pub(crate) descriptor: &'a Descriptor,
    /// Bytes that the server has.
    pub(crate) from: u64,
    pub(crate) progress: Sent<'a>,
}

/// What the reading thread and the sender share.
#[derive(Default)]
struct Shared {
    /// Bytes that the connection has taken.
    taken: AtomicU64,
    /// Why there are no more.
    fault: Mutex<Option<Fault>>,
}

enum Fault {
    Unreadable(io::Error),
    Damaged(String),
}

impl Outgoing<'_> {
    /// Sends it. The connection must take some of it within `idle`, again and again.
    pub(crate) async fn send(
        &self,
        request: RequestBuilder,
        host: &str,
        what: &str,
        idle: Duration,
    ) -> Result<reqwest::Response, Error> {
        let shared = Arc::new(Shared::default());
        let mut sending = std::pin::pin!(self.with_body(request, &shared).send());
        let all = self.descriptor.size - self.from;
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            match tokio::time::timeout(TICK, sending.as_mut()).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => {
                    let fault = shared.fault.lock().unwrap_or_else(PoisonError::into_inner).take();
                    return Err(match fault {
                        Some(fault) => fault.into_error(what),
                        None => failure(host, what, error, idle),
                    });
                }
                Err(_) => {}
            }
            let taken = shared.taken.load(Ordering::Relaxed);
            if taken != seen {
                (seen, since) = (taken, Instant::now());
                (self.progress)(self.from + taken);
            }
            let patience = if taken == all { idle * COMMIT_PATIENCE } else { idle };
            if since.elapsed() > patience {
                let (what, host) = (what.to_owned(), host.to_owned());
                return Err(Error::NotTaken { what, host, idle: patience });
            }
        }
    }

    fn with_body(&self, request: RequestBuilder, shared: &Arc<Shared>) -> RequestBuilder {
        let (sender, mut receiver) = mpsc::channel(AHEAD);
        let reader = Reader {
            source: Arc::clone(self.source),
            digest: self.descriptor.digest.clone(),
            size: self.descriptor.size,
            from: self.from,
            shared: Arc::clone(shared),
            sender,
        };
        // It ends when the last piece is taken, or when nobody takes any more.
        tokio::task::spawn_blocking(move || reader.run());
        let counted = Arc::clone(shared);
        let pieces = stream::poll_fn(move |context| {
            let polled = receiver.poll_recv(context);
            if let std::task::Poll::Ready(Some(Ok(piece))) = &polled {
                let piece: &Bytes = piece;
                counted.taken.fetch_add(piece.len() as u64, Ordering::Relaxed);
            }
            polled
        });
        let mut request = request
            .header(CONTENT_TYPE, "application/octet-stream")
            .header(CONTENT_LENGTH, self.descriptor.size - self.from);
        if self.from > 0 {
            let range = format!("{}-{}", self.from, self.descriptor.size.saturating_sub(1));
            request = request.header(CONTENT_RANGE, range);
        }
        request.body(reqwest::Body::wrap_stream(pieces))
    }
}

impl Fault {
    fn into_error(self, what: &str) -> Error {
        let what = what.to_owned();
        match self {
            Self::Unreadable(source) => Error::Unreadable { what, source },
            Self::Damaged(detail) => Error::Damaged { what, detail },
        }
    }
}

struct Reader {
    source: Arc<dyn BlobSource>,
    digest: Digest,
    size: u64,
    from: u64,
    shared: Arc<Shared>,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Reader {
    fn run(self) {
        if let Err(fault) = self.read() {
            let mut place = self.shared.fault.lock().unwrap_or_else(PoisonError::into_inner);
            *place = Some(fault);
            drop(place);
            // Breaks the request off: the server must not take this for the end.
            self.sender.blocking_send(Err(io::Error::other("the blob can't be sent"))).ok();
        }
    }

    /// The last piece goes only when the digest of all is right.
    fn read(&self) -> Result<(), Fault> {
        let mut source = self.source.open().map_err(Fault::Unreadable)?;
        let mut digester = Digester::new(self.digest.algorithm());
        let mut at = 0;
        let mut held = Bytes::new();
        loop {
            let piece = piece(&mut source).map_err(Fault::Unreadable)?;
            if piece.is_empty() {
                break;
            }
            digester.update(&piece);
            let begin = self.from.saturating_sub(at).min(piece.len() as u64);
            at += piece.len() as u64;
            if at > self.size {
                return Err(Fault::Damaged(format!("it has more than its {} bytes", self.size)));
            }
            if !held.is_empty() && self.sender.blocking_send(Ok(std::mem::take(&mut held))).is_err()
            {
                return Ok(());
            }
            held = piece.slice(usize::try_from(begin).expect("no longer than the piece")..);
        }
        let actual = digester.finish();
        if actual != self.digest {
            return Err(Fault::Damaged(format!("the digest of its {at} bytes is {actual}")));
        }
        if !held.is_empty() {
            // Nobody takes it where the server has answered already.
            self.sender.blocking_send(Ok(held)).ok();
        }
        Ok(())
    }
}

fn piece(source: &mut impl Read) -> io::Result<Bytes> {
    let mut buffer = Vec::with_capacity(PIECE);
    source.by_ref().take(PIECE as u64).read_to_end(&mut buffer)?;
    Ok(buffer.into())
}
