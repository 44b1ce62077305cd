//! What can go wrong with bytes, and with connections.

use std::io;

use crate::frame::{ResetStatus, StreamId};

/// Bytes that are no SPDY/3.1, or more of it than is allowed. After one of these a connection can't go on: the
/// compression of the headers has lost its place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A control frame of another version than 3.
    #[error("a frame of version {0}, not 3")]
    Version(u16),
    /// A length that its frame can't have.
    #[error("a frame of type {kind} with {length} bytes")]
    Length {
        /// The frame's type.
        kind: u16,
        /// What its header says.
        length: usize,
    },
    /// A frame that belongs to a stream says stream 0.
    #[error("a frame of type {0} for stream 0")]
    StreamZero(u16),
    /// A control frame beyond [`crate::Limits::control_frame`].
    #[error("a control frame of {0} bytes is larger than allowed")]
    FrameTooLarge(usize),
    /// A header block beyond [`crate::Limits::header_block`] or [`crate::Limits::headers`].
    #[error("a header block is larger than allowed")]
    HeadersTooLarge,
    /// A header block that ends early, goes on after its end, or names something twice.
    #[error("a header block is malformed: {0}")]
    Headers(&'static str),
    /// A header block whose compression is broken.
    #[error("a header block does not inflate")]
    Inflate,
}

/// Why a connection, or an operation on it, has ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The peer sent what is no SPDY/3.1.
    #[error("the peer broke the protocol")]
    Frame(#[from] FrameError),
    /// Reading or writing failed.
    #[error("the connection broke: {0}")]
    Io(io::ErrorKind),
    /// The peer makes us answer and doesn't read the answers.
    #[error("the peer asks without reading the answers")]
    Flood,
    /// No frame came or went for [`crate::Limits::idle`].
    #[error("the connection was idle for too long")]
    Idle,
    /// The connection has ended, by the peer or by us.
    #[error("the connection is closed")]
    Closed,
    /// The peer has said that it takes no more streams.
    #[error("the peer is going away")]
    GoingAway,
    /// As many streams as [`crate::Limits::streams`] are open, or all numbers are used up.
    #[error("too many streams on one connection")]
    TooManyStreams,
    /// The peer refused or reset the stream.
    #[error("the peer reset stream {0} ({1})")]
    Reset(StreamId, ResetStatus),
    /// The peer didn't reply in time.
    #[error("the peer didn't answer the opening of stream {0} in time")]
    NoReply(StreamId),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io(kind) => *kind,
            Error::Frame(_) | Error::Flood => io::ErrorKind::InvalidData,
            Error::Idle | Error::NoReply(_) => io::ErrorKind::TimedOut,
            Error::Closed | Error::GoingAway => io::ErrorKind::ConnectionAborted,
            Error::TooManyStreams => io::ErrorKind::QuotaExceeded,
            Error::Reset(..) => io::ErrorKind::ConnectionReset,
        };
        Self::new(kind, error)
    }
}
