//! A blob as a stream that survives broken connections.
//!
//! The stream holds the length; the digest is the caller's, who computes it anyway while the
//! bytes go by. Bytes of several servers may follow each other in one stream: that is safe
//! because nobody trusts a blob before its digest is verified.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use isopod_image::{Descriptor, LayerMediaType, Reference};
use reqwest::{Method, StatusCode};
use url::Url;

use crate::address::Reach;
use crate::answer::{Answer, next_piece};
use crate::attempts::{Attempts, Source};
use crate::client::{Ask, Client, Inner, Operation};
use crate::config::ForeignLayers;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::transport::{Payload, Request};

/// A failure after this much progress is a new one.
const PROGRESS: u64 = 256 << 10;

/// Bytes a second below which a server is left for the next one, if there is one.
const SLOWEST: f64 = 8192.0;

/// The bytes of a blob from an offset on.
///
/// ```text
///  connecting ──► reading ──► done
///      ▲  │          │
///      │  └── fails ─┴─► same server after a wait, then the next one, then an error
///      └─────────────────────┘
/// ```
pub struct BlobStream {
    client: Arc<Inner>,
    digest: String,
    size: u64,
    offset: u64,
    attempts: Attempts,
    body: Option<Body>,
    /// Bytes since the last failure.
    progress: u64,
    /// Who sent any of it.
    served: Vec<String>,
    done: bool,
}

struct Body {
    response: reqwest::Response,
    host: String,
    /// Bytes at its beginning that we already have.
    skip: u64,
    /// Its announced length ends where the blob ends.
    bounded: bool,
    /// It has brought something new.
    useful: bool,
    /// What has come since when.
    lately: (u64, Instant),
}

impl Body {
    /// Why it is better to ask somebody else, once in each `window`.
    fn slowness(&mut self, what: &str, window: Duration) -> Option<Error> {
        let (bytes, since) = self.lately;
        let within = since.elapsed();
        if within < window {
            return None;
        }
        self.lately = (0, Instant::now());
        #[expect(clippy::cast_precision_loss, reason = "it is a measure, not a count")]
        let is_slow = (bytes as f64) < within.as_secs_f64() * SLOWEST;
        let (what, host) = (what.to_owned(), self.host.clone());
        is_slow.then_some(Error::Slow { what, host, bytes, within })
    }
}

impl Client {
    /// Opens a blob at `offset` bytes from its beginning. The first answer is awaited, so that
    /// what cannot be had at all fails here.
    ///
    /// # Errors
    /// See [`Error`]; of several servers the last one's, with the others' in it.
    #[tracing::instrument(skip_all, fields(reference = %reference, digest = %descriptor.digest))]
    pub async fn open_blob(
        &self,
        reference: &Reference,
        descriptor: &Descriptor,
        offset: u64,
    ) -> Result<BlobStream, Error> {
        if offset > descriptor.size {
            let (what, host) = (descriptor.digest.to_string(), reference.registry().to_owned());
            return Err(Error::SizeMismatch {
                what,
                host,
                expected: descriptor.size,
                actual: offset,
            });
        }
        let foreign = foreign_urls(self.inner.config().foreign_layers, descriptor);
        let attempts = Attempts::new(&self.inner, reference, Operation::Pull, foreign)?;
        let mut stream = BlobStream::new(self, attempts, descriptor, offset);
        stream.connected().await?;
        Ok(stream)
    }
}

/// The URLs of a layer that registries may not have; only TLS, only where allowed.
fn foreign_urls(policy: ForeignLayers, descriptor: &Descriptor) -> Vec<Url> {
    let foreign = LayerMediaType::parse(&descriptor.media_type).is_some_and(|kind| kind.foreign);
    if policy == ForeignLayers::Refuse || !foreign {
        return Vec::new();
    }
    let urls = descriptor.urls.iter().filter_map(|text| Url::parse(text).ok());
    urls.filter(|url| url.scheme() == "https" && url.username().is_empty()).collect()
}

impl BlobStream {
    fn new(client: &Client, attempts: Attempts, descriptor: &Descriptor, offset: u64) -> Self {
        Self {
            client: Arc::clone(&client.inner),
            digest: descriptor.digest.to_string(),
            size: descriptor.size,
            offset,
            attempts,
            body: None,
            progress: 0,
            served: Vec::new(),
            done: false,
        }
    }

    /// A whole blob by one connection, which is not made yet.
    pub(crate) fn once(client: &Client, endpoint: Endpoint, descriptor: &Descriptor) -> Self {
        Self::new(client, Attempts::once(&client.inner, endpoint), descriptor, 0)
    }

    /// The blob's length in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes from its beginning have been had, counting the offset it was opened at.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The digest turned out wrong: the servers that sent any of it are asked last for a while.
    pub fn distrust(&self) {
        for origin in &self.served {
            self.client.penalise(origin.clone());
        }
    }

    /// The next bytes; `None` once exactly the descriptor's size has come and nothing follows.
    /// Dropping the future loses no bytes that it has not returned.
    ///
    /// # Errors
    /// See [`Error`]: what remains when tries and servers are used up. The stream is then over.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.done {
            self.connected().await?;
            match self.read().await {
                Ok(Some(bytes)) => return Ok(Some(bytes)),
                Ok(None) => {}
                Err(error) => self.recover(error).await?,
            }
        }
        Ok(None)
    }

    /// Everything that is left. The caller has checked that it is small.
    pub(crate) async fn into_bytes(mut self) -> Result<Bytes, Error> {
        let mut bytes = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }

    /// Makes sure that there is a body to read, unless nothing is left to be read.
    async fn connected(&mut self) -> Result<(), Error> {
        while self.body.is_none() && !self.done {
            if self.offset == self.size {
                self.done = true;
                break;
            }
            match self.connect().await {
                Ok(body) => self.body = Some(body),
                Err(error) => self.recover(error).await?,
            }
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Body, Error> {
        let range_from = (self.offset > 0).then_some(self.offset);
        let what = &self.digest;
        let answer = match self.attempts.source() {
            Source::Registry(endpoint) => {
                let url = self.client.transport.url(endpoint, "blobs", &self.digest)?;
                let ask = Ask { range_from, ..Ask::get(url, what, "*/*") };
                self.client.get(endpoint, ask).await?
            }
            Source::Foreign(url, endpoint) => {
                let request = Request {
                    endpoint,
                    url: url.clone(),
                    what,
                    accept: "*/*",
                    authorization: None,
                    range_from,
                    method: Method::GET,
                    payload: Payload::None,
                    // Whoever wrote the manifest chose it, and may be anywhere.
                    sent_by: Some(Reach::Elsewhere),
                    is_own: true,
                };
                self.client.transport.send(request).await?.success(what).await?
            }
        };
        self.accept(answer)
    }

    /// Checks that a response is the part of the blob that was asked for.
    fn accept(&self, answer: Answer) -> Result<Body, Error> {
        let length = answer.response.content_length();
        let partial = answer.response.status() == StatusCode::PARTIAL_CONTENT;
        let left = self.size - self.offset;
        if !partial {
            if let Some(actual) = length.filter(|length| *length != self.size) {
                return Err(self.size_mismatch(&answer.host, actual));
            }
            return Ok(Body {
                bounded: length.is_some(),
                skip: self.offset,
                response: answer.response,
                host: answer.host,
                useful: false,
                lately: (0, Instant::now()),
            });
        }
        let Some((start, total)) = answer.header("content-range").and_then(parse_content_range)
        else {
            return Err(protocol(answer.host, "it sends a part without a usable Content-Range"));
        };
        if start != self.offset || self.offset == 0 {
            return Err(protocol(answer.host, "it sends another part than was asked for"));
        }
        if let Some(actual) = total.filter(|total| *total != self.size) {
            return Err(self.size_mismatch(&answer.host, actual));
        }
        if length.is_some_and(|length| length > left) {
            let actual = self.offset.saturating_add(length.unwrap_or_default());
            return Err(self.size_mismatch(&answer.host, actual));
        }
        Ok(Body {
            bounded: length == Some(left),
            skip: 0,
            response: answer.response,
            host: answer.host,
            useful: false,
            lately: (0, Instant::now()),
        })
    }

    /// The next new bytes of the present body; `None` if it has to be looked at again.
    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        let idle = self.client.config().timeouts.idle;
        let Some(body) = &mut self.body else { return Ok(None) };
        if self.offset == self.size && body.bounded {
            self.done = true;
            return Ok(None);
        }
        if self.attempts.has_next()
            && let Some(slow) = body.slowness(&self.digest, idle)
        {
            return Err(slow);
        }
        let piece = next_piece(&mut body.response, &body.host, &self.digest, idle).await;
        let Some(mut bytes) = (match piece {
            Ok(piece) => piece,
            // Everything is here; only the end of the response is not.
            Err(_) if self.offset == self.size => None,
            Err(error) => return Err(error),
        }) else {
            return self.end_of_body();
        };
        body.lately.0 += bytes.len() as u64;
        let skipped = body.skip.min(bytes.len() as u64);
        body.skip -= skipped;
        bytes = bytes.slice(usize::try_from(skipped).expect("no longer than the piece")..);
        if bytes.is_empty() {
            return Ok(None);
        }
        let count = bytes.len() as u64;
        if count > self.size - self.offset {
            let host = body.host.clone();
            return Err(self.size_mismatch(&host, self.offset + count));
        }
        body.useful = true;
        self.note_progress(count);
        Ok(Some(bytes))
    }

    fn note_progress(&mut self, count: u64) {
        if self.progress == 0 {
            let origin = self.attempts.endpoint().origin();
            if !self.served.contains(&origin) {
                self.served.push(origin);
            }
        }
        self.offset += count;
        self.progress += count;
        if self.progress >= PROGRESS {
            self.attempts.note_progress();
        }
    }

    fn end_of_body(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(body) = self.body.take() else { return Ok(None) };
        if self.offset == self.size {
            self.done = true;
            return Ok(None);
        }
        // A body without announced length ends like this too when its connection breaks.
        if body.useful {
            let have = format!("the body ended after {} of {} bytes", self.offset, self.size);
            return Err(Error::Unreachable { host: body.host, source: have.into() });
        }
        Err(self.size_mismatch(&body.host, self.offset - body.skip.min(self.offset)))
    }

    /// Waits and lets the same server try again, or turns to the next.
    async fn recover(&mut self, error: Error) -> Result<(), Error> {
        self.body = None;
        self.progress = 0;
        let waited = self.attempts.after(error).await;
        self.done = waited.is_err();
        waited
    }

    fn size_mismatch(&self, host: &str, actual: u64) -> Error {
        let (what, host) = (self.digest.clone(), host.to_owned());
        Error::SizeMismatch { what, host, expected: self.size, actual }
    }
}

impl std::fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlobStream({}, {} of {})", self.digest, self.offset, self.size)
    }
}

fn protocol(host: String, problem: &str) -> Error {
    Error::Protocol { host, problem: problem.to_owned() }
}

/// `bytes first-last/total`, where the total may be unknown (RFC 9110, 14.4).
fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse::<u64>().ok()?);
    let total = match total.trim() {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    (first <= last).then_some((first, total))
}
