//! A message is a little-endian `u32` length and that many bytes of JSON, on a stream
//! socket; descriptors travel as `SCM_RIGHTS` with its first byte.
//!
//! A connection carries at most one message with descriptors each way (the reply that opens a
//! session, the request that starts a container), so a receiver takes all that have arrived as belonging
//! to it. One call carries [`DESCRIPTORS_AT_ONCE`] of them; more travel with the message's next bytes, and
//! all of them have arrived when its last byte has.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest message, in bytes: arguments and environment of a process fit (Linux
/// takes 2 MiB of them by default).
pub const MAX_MESSAGE: usize = 4 << 20;

/// The most descriptors that a message carries, but for `Run`: a session's three streams.
pub const MAX_DESCRIPTORS: usize = 3;

/// The most descriptors that `Run` carries: published ports, and what belongs to a network namespace.
pub const MAX_HANDED: usize = 4096;

/// The most that the kernel takes in one call (`SCM_MAX_FD`).
pub const DESCRIPTORS_AT_ONCE: usize = 253;

const HEADER: usize = 4;
const CHUNK: usize = 16 * 1024;

/// Why a message could not be sent or understood.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Reading or writing the socket failed.
    #[error("control connection broke")]
    Io(#[from] io::Error),
    /// The other side closed the connection in the middle of a message.
    #[error("control connection ended within a message")]
    Truncated,
    /// A length above [`MAX_MESSAGE`].
    #[error("message of {0} bytes is larger than {MAX_MESSAGE}")]
    TooLarge(usize),
    /// More descriptors than [`MAX_HANDED`].
    #[error("{0} sockets and the like are more than the {MAX_HANDED} that a message carries")]
    TooMany(usize),
    /// Bytes that are no such message.
    #[error("malformed message")]
    Malformed(#[from] serde_json::Error),
}

/// The bytes of `message`, header included.
///
/// # Errors
/// It is larger than [`MAX_MESSAGE`], or can't be written as JSON.
pub fn encode(message: &impl Serialize) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; HEADER];
    serde_json::to_writer(&mut bytes, message)?;
    let length = bytes.len() - HEADER;
    let header = u32::try_from(length).ok().filter(|_| length <= MAX_MESSAGE);
    bytes[..HEADER].copy_from_slice(&header.ok_or(FrameError::TooLarge(length))?.to_le_bytes());
    Ok(bytes)
}

/// Sends as much of `bytes` as the socket takes in one call, `descriptors` with the first; at most
/// [`DESCRIPTORS_AT_ONCE`] of them.
///
/// # Errors
/// What `sendmsg(2)` returns; `WouldBlock` on a full non-blocking socket. Never SIGPIPE.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_AT_ONCE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    loop {
        match sendmsg(&socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}

/// Sends a whole message on a blocking socket, with as many descriptors as a message may have.
///
/// # Errors
/// What `sendmsg(2)` returns; nothing was sent where there are more than [`MAX_HANDED`] descriptors.
pub fn send_whole(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> Result<(), FrameError> {
    if descriptors.len() > MAX_HANDED {
        return Err(FrameError::TooMany(descriptors.len()));
    }
    let mut rest = bytes;
    let mut chunks = descriptors.chunks(DESCRIPTORS_AT_ONCE).peekable();
    while !rest.is_empty() {
        let chunk = chunks.next().unwrap_or_default();
        // What has to carry more descriptors is one byte long: no message has fewer than it takes.
        let part = if chunks.peek().is_some() { &rest[..1] } else { rest };
        let sent = send(&socket, part, chunk)?;
        rest = &rest[sent..];
    }
    Ok(())
}

/// Puts messages together from what a socket delivers.
#[derive(Debug)]
pub struct Decoder {
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
    limit: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::with_limit(MAX_DESCRIPTORS)
    }
}

impl Decoder {
    /// One that takes `limit` descriptors with a message.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        Self { bytes: Vec::new(), descriptors: Vec::new(), limit }
    }

    /// From now on takes `limit` descriptors with a message; those that have come stay.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Receives what there is, once; 0 at the end of the connection.
    ///
    /// Descriptors that no message announces are closed when the decoder is dropped; more than a
    /// message may carry are closed at once.
    ///
    /// # Errors
    /// What `recvmsg(2)` returns; `WouldBlock` where nothing is there.
    pub fn receive(&mut self, socket: impl AsFd) -> io::Result<usize> {
        const FEW: usize = rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS));
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_AT_ONCE))];
        // Those that find no room are never ours: the kernel drops them.
        let room = if self.limit > MAX_DESCRIPTORS { space.len() } else { FEW };
        let mut control = RecvAncillaryBuffer::new(&mut space[..room]);
        let mut chunk = [0; CHUNK];
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut chunk)];
            match recvmsg(&socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                other => break other?.bytes,
            }
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
                self.descriptors.truncate(self.limit);
            }
        }
        self.bytes.extend_from_slice(&chunk[..received]);
        Ok(received)
    }

    /// The next whole message, if it has arrived.
    ///
    /// # Errors
    /// A message that is too large or malformed; the connection is then of no more use.
    pub fn next_message<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some((header, rest)) = self.bytes.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*header) as usize;
        if length > MAX_MESSAGE {
            return Err(FrameError::TooLarge(length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let message = serde_json::from_slice(body)?;
        self.bytes.drain(..HEADER + length);
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
        Ok(Some(message))
    }

    /// Whether bytes of an unfinished message are held.
    #[must_use]
    pub fn is_within_message(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The descriptors that arrived, in their order.
    pub fn take_descriptors(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.descriptors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    proptest! {
        #[test]
        fn messages_arrive_whole_however_the_stream_is_cut(
            messages in prop::collection::vec(".{0,300}", 0..8),
            cuts in prop::collection::vec(1usize..200, 1..40),
        ) {
            let (mut sender, receiver) = UnixStream::pair().unwrap();
            let bytes: Vec<u8> = messages.iter().flat_map(|m| encode(m).unwrap()).collect();
            let mut decoder = Decoder::default();
            let mut arrived: Vec<String> = Vec::new();
            let mut rest = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (part, later) = rest.split_at((*cut).min(rest.len()));
                sender.write_all(part).unwrap();
                rest = later;
                decoder.receive(&receiver).unwrap();
                while let Some(message) = decoder.next_message().unwrap() {
                    arrived.push(message);
                }
            }
            prop_assert_eq!(arrived, messages);
            prop_assert!(!decoder.is_within_message());
        }

        #[test]
        fn foreign_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (mut sender, receiver) = UnixStream::pair().unwrap();
            sender.write_all(&bytes).unwrap();
            drop(sender);
            let mut decoder = Decoder::default();
            while decoder.receive(&receiver).unwrap() > 0 {}
            while let Ok(Some(_)) = decoder.next_message::<crate::message::Envelope>() {}
        }
    }

    #[test]
    fn descriptors_arrive_with_their_message() {
        let (sender, receiver) = UnixStream::pair().unwrap();
        let (mut read, write) = std::io::pipe().unwrap();
        let bytes = encode(&"take this").unwrap();
        assert_eq!(send(&sender, &bytes, &[write.as_fd()]).unwrap(), bytes.len());
        drop(write);
        let mut decoder = Decoder::default();
        decoder.receive(&receiver).unwrap();
        assert_eq!(decoder.next_message::<String>().unwrap().unwrap(), "take this");
        let mut write = std::fs::File::from(decoder.take_descriptors().remove(0));
        write.write_all(b"x").unwrap();
        drop(write);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "x");
    }

    #[test]
    fn thousands_of_descriptors_arrive_in_their_order() {
        let (sender, receiver) = UnixStream::pair().unwrap();
        // Three numbers tell which pipe is which, without needing thousands of pipes.
        let pipes: Vec<_> = (0..3).map(|_| std::io::pipe().unwrap().1).collect();
        let which = |number: usize| pipes[(number / 7) % 3].as_fd();
        let all: Vec<BorrowedFd<'_>> = (0..900).map(which).collect();
        let bytes = encode(&"a message").unwrap();
        let mut decoder = Decoder::with_limit(MAX_HANDED);
        std::thread::scope(|scope| {
            scope.spawn(|| send_whole(&sender, &bytes, &all).unwrap());
            while decoder.next_message::<String>().unwrap().is_none() {
                assert!(decoder.receive(&receiver).unwrap() > 0);
            }
        });
        let inode = |fd: BorrowedFd<'_>| rustix::fs::fstat(fd).unwrap().st_ino;
        let arrived: Vec<u64> =
            decoder.take_descriptors().iter().map(|fd| inode(fd.as_fd())).collect();
        assert_eq!(arrived, all.iter().map(|fd| inode(*fd)).collect::<Vec<_>>());
        let many = vec![which(0); MAX_HANDED + 1];
        let refused = send_whole(&sender, &bytes, &many);
        assert!(matches!(refused, Err(FrameError::TooMany(4097))), "{refused:?}");
    }

    #[test]
    fn a_receiver_holds_no_more_descriptors_than_it_wants() {
        let (sender, receiver) = UnixStream::pair().unwrap();
        let (_, write) = std::io::pipe().unwrap();
        let bytes = encode(&"take these").unwrap();
        send_whole(&sender, &bytes, &vec![write.as_fd(); 600]).unwrap();
        let mut decoder = Decoder::default();
        while decoder.next_message::<String>().unwrap().is_none() {
            decoder.receive(&receiver).unwrap();
            assert!(decoder.descriptors.len() <= MAX_DESCRIPTORS);
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_its_bytes_arrive() {
        let (mut sender, receiver) = UnixStream::pair().unwrap();
        sender.write_all(&u32::MAX.to_le_bytes()).unwrap();
        let mut decoder = Decoder::default();
        decoder.receive(&receiver).unwrap();
        assert!(matches!(decoder.next_message::<String>(), Err(FrameError::TooLarge(_))));
    }
}
