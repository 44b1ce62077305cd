//! The two directions of a WebSocket over a connection.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::handshake::random;
use super::{Decoder, Event, Opcode, Role, encode};

/// Bytes that are read at once.
const BUFFER: usize = 32 * 1024;
/// The connection ends as it should (RFC 6455, section 7.4.1).
pub(crate) const NORMAL: u16 = 1000;
/// The other end broke the protocol.
pub(crate) const PROTOCOL_ERROR: u16 = 1002;

/// The direction that is read.
pub(crate) struct Source<R> {
    input: R,
    decoder: Decoder,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Source<R> {
    pub fn new(input: R, role: Role) -> Self {
        Self { input, decoder: Decoder::new(role), buffer: BytesMut::with_capacity(BUFFER) }
    }

    /// The next event; none where the connection ends without a word.
    pub async fn next(&mut self) -> io::Result<Option<Event>> {
        loop {
            match self.decoder.next(&mut self.buffer) {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
            }
            self.buffer.reserve(BUFFER);
            if self.input.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Reads on and throws away, until the other end has closed the connection too.
    pub async fn drain(&mut self) {
        let mut scrap = [0; 4096];
        while self.input.read(&mut scrap).await.is_ok_and(|read| read > 0) {}
    }
}

/// The direction that is written.
pub(crate) struct Sink<W> {
    out: W,
    role: Role,
    buffer: BytesMut,
}

impl<W: AsyncWrite + Unpin> Sink<W> {
    pub fn new(out: W, role: Role) -> Self {
        Self { out, role, buffer: BytesMut::new() }
    }

    /// Writes one message of several parts that follow each other.
    pub async fn message(&mut self, opcode: Opcode, parts: &[&[u8]]) -> io::Result<()> {
        let mask = match self.role {
            Role::Server => None,
            Role::Client => Some(random()?),
        };
        self.buffer.clear();
        encode(opcode, parts, mask, &mut self.buffer);
        self.out.write_all(&self.buffer).await?;
        self.out.flush().await
    }

    pub async fn pong(&mut self, data: &Bytes) -> io::Result<()> {
        self.message(Opcode::Pong, &[data]).await
    }

    /// Says why this end closes, and ends the direction.
    pub async fn close(&mut self, code: u16) -> io::Result<()> {
        self.message(Opcode::Close, &[&code.to_be_bytes()]).await?;
        self.out.shutdown().await
    }
}
