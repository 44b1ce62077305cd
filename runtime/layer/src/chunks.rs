//! The archive's bytes between the two threads: recycled buffers through two channels.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use isopod_image::digest::{Algorithm, Digest, Digester};

use crate::pipeline::Observer;

/// The size of one buffer: large enough that handing it over costs nothing beside its
/// bytes, small enough to still be in the second-level cache when it arrives.
const CHUNK: usize = 512 << 10;
/// Buffers a layer: one being filled, one being written, two between them.
const CHUNKS: usize = 4;

/// What the inflating thread sends; a closed channel without `End` means that it failed.
enum Message {
    Chunk(Vec<u8>),
    End,
}

/// A pair of ends, for the inflating and for the writing thread.
pub(crate) fn pair(
    algorithm: Algorithm,
    limit: u64,
    observer: &dyn Observer,
) -> (Filling, Chunks<'_>) {
    let (full_in, full_out) = sync_channel(CHUNKS);
    let (empty_in, empty_out) = sync_channel(CHUNKS);
    let filling = Filling { full: full_in, empty: empty_out, made: 0 };
    let chunks = Chunks {
        full: full_out,
        empty: empty_in,
        current: Vec::new(),
        taken: 0,
        ended: false,
        digester: Digester::new(algorithm),
        size: 0,
        limit,
        observer,
    };
    (filling, chunks)
}

/// The inflating thread's end.
pub(crate) struct Filling {
    full: SyncSender<Message>,
    empty: Receiver<Vec<u8>>,
    made: usize,
}

impl Filling {
    /// Hands all of `decoder`'s bytes over. `Ok` too if the other side wants no more.
    ///
    /// # Errors
    /// The decoder failed.
    pub fn fill_from(mut self, mut decoder: impl Read) -> io::Result<()> {
        while let Some(mut chunk) = self.empty_chunk() {
            let mut filled = 0;
            while filled < chunk.len() {
                match decoder.read(&mut chunk[filled..]) {
                    Ok(0) => break,
                    Ok(amount) => filled += amount,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            let last = filled < chunk.len();
            chunk.truncate(filled);
            if self.full.send(Message::Chunk(chunk)).is_err() {
                break;
            }
            if last {
                // Nobody there to hear it means that nobody needs to.
                self.full.send(Message::End).ok();
                break;
            }
        }
        Ok(())
    }

    fn empty_chunk(&mut self) -> Option<Vec<u8>> {
        if self.made < CHUNKS {
            self.made += 1;
            return Some(vec![0; CHUNK]);
        }
        let mut chunk = self.empty.recv().ok()?;
        chunk.resize(CHUNK, 0);
        Some(chunk)
    }
}

/// The writing thread's end: the archive as a buffered reader that digests all it reads.
pub(crate) struct Chunks<'a> {
    full: Receiver<Message>,
    empty: SyncSender<Vec<u8>>,
    current: Vec<u8>,
    taken: usize,
    ended: bool,
    digester: Digester,
    size: u64,
    limit: u64,
    observer: &'a dyn Observer,
}

impl Chunks<'_> {
    /// Reads and digests what is left.
    ///
    /// # Errors
    /// The archive is beyond its limit, or the other thread failed and knows why.
    pub fn finish(mut self) -> io::Result<(Digest, u64)> {
        loop {
            let length = self.fill_buf()?.len();
            if length == 0 {
                return Ok((self.digester.finish(), self.size));
            }
            self.consume(length);
        }
    }

    /// Whether the archive has shown to be larger than it may be.
    pub fn is_beyond_limit(&self) -> bool {
        self.size > self.limit
    }
}

impl Read for Chunks<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let amount = self.fill_buf()?.read(into)?;
        self.consume(amount);
        Ok(amount)
    }
}

impl BufRead for Chunks<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.taken == self.current.len() && !self.ended {
            let used = std::mem::take(&mut self.current);
            self.taken = 0;
            if used.capacity() > 0 {
                // At most as many as were made, so this never waits; the other side may
                // have ended already and needs no more.
                self.empty.send(used).ok();
            }
            match self.full.recv() {
                Ok(Message::Chunk(chunk)) => self.current = chunk,
                Ok(Message::End) => self.ended = true,
                Err(_) => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            self.digester.update(&self.current);
            self.size += self.current.len() as u64;
            self.observer.unpacked(self.current.len() as u64);
            if self.is_beyond_limit() {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
        }
        Ok(&self.current[self.taken..])
    }

    fn consume(&mut self, amount: usize) {
        self.taken = (self.taken + amount).min(self.current.len());
    }
}
