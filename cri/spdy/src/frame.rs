//! The frames (SPDY/3 draft, section 2.2 and 2.6): eight bytes of head, then a payload.

use std::fmt;

use crate::error::FrameError;
use crate::headers::Headers;

/// The number of a stream, of 31 bits: odd ones the client opened, even ones the server.
pub type StreamId = u32;

/// Bytes of a frame's head.
pub(crate) const HEAD: usize = 8;
pub(crate) const VERSION: u16 = 3;
/// The largest payload a head can say.
pub(crate) const MAX_LENGTH: usize = (1 << 24) - 1;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const UNIDIRECTIONAL: u8 = 0x02;

pub(crate) const SYN_STREAM: u16 = 1;
pub(crate) const SYN_REPLY: u16 = 2;
pub(crate) const RST_STREAM: u16 = 3;
pub(crate) const SETTINGS: u16 = 4;
pub(crate) const PING: u16 = 6;
pub(crate) const GOAWAY: u16 = 7;
pub(crate) const HEADERS: u16 = 8;
pub(crate) const WINDOW_UPDATE: u16 = 9;
/// What data frames are called in errors: they have no type.
pub(crate) const DATA: u16 = 0;

/// A control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Opens a stream.
    SynStream {
        /// The new stream.
        stream: StreamId,
        /// The stream it belongs to, 0 for none.
        associated: StreamId,
        /// 0 (first) to 7.
        priority: u8,
        /// The opener will send nothing.
        fin: bool,
        /// The other end may send nothing.
        unidirectional: bool,
        /// What the stream is for.
        headers: Headers,
    },
    /// Accepts a stream.
    SynReply {
        /// The stream.
        stream: StreamId,
        /// The answerer will send nothing.
        fin: bool,
        /// Mostly none.
        headers: Headers,
    },
    /// Ends a stream in both directions.
    RstStream {
        /// The stream.
        stream: StreamId,
        /// Why.
        status: ResetStatus,
    },
    /// Settings, of which none matters here.
    Settings(Vec<Setting>),
    /// A question to be answered by the same frame, or the answer.
    Ping(u32),
    /// The sender takes no more streams.
    GoAway {
        /// The last stream of the other end that the sender has taken.
        last: StreamId,
        /// Why.
        status: GoAwayStatus,
    },
    /// More headers for an open stream.
    Headers {
        /// The stream.
        stream: StreamId,
        /// Nothing follows from the sender.
        fin: bool,
        /// The headers.
        headers: Headers,
    },
    /// More bytes may be sent. Nobody heeds it in Kubernetes' world.
    WindowUpdate {
        /// The stream, 0 for the connection (3.1).
        stream: StreamId,
        /// How many bytes.
        delta: u32,
    },
    /// A type that version 3 doesn't know: to be ignored (section 2.2.1).
    Unknown(u16),
}

/// One value of a SETTINGS frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Whether it is to be kept (1), or was (2).
    pub flags: u8,
    /// Which, of 24 bits.
    pub id: u32,
    /// Its value.
    pub value: u32,
}

/// Why a stream was reset (section 2.6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetStatus(pub u32);

impl ResetStatus {
    /// The frame can't be for this stream.
    pub const PROTOCOL_ERROR: Self = Self(1);
    /// No such stream.
    pub const INVALID_STREAM: Self = Self(2);
    /// The stream was refused before anything was done for it.
    pub const REFUSED: Self = Self(3);
    /// The stream is no longer needed.
    pub const CANCEL: Self = Self(5);
}

impl fmt::Display for ResetStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("protocol error"),
            2 => f.write_str("invalid stream"),
            3 => f.write_str("refused"),
            4 => f.write_str("unsupported version"),
            5 => f.write_str("cancelled"),
            6 => f.write_str("internal error"),
            other => write!(f, "status {other}"),
        }
    }
}

/// Why a connection ends (section 2.6.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GoAwayStatus(pub u32);

impl GoAwayStatus {
    /// All is well.
    pub const OK: Self = Self(0);
    /// The other end broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1);
}

/// The head of any frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    Control { kind: u16, flags: u8, length: usize },
    Data { stream: StreamId, flags: u8, length: usize },
}

impl Head {
    pub(crate) fn parse(bytes: [u8; HEAD]) -> Result<Self, FrameError> {
        let [a, b, c, d, flags, l1, l2, l3] = bytes;
        let length = u32::from_be_bytes([0, l1, l2, l3]) as usize;
        if a & 0x80 == 0 {
            let stream = u32::from_be_bytes([a, b, c, d]);
            if stream == 0 {
                return Err(FrameError::StreamZero(DATA));
            }
            return Ok(Self::Data { stream, flags, length });
        }
        let version = u16::from_be_bytes([a & 0x7f, b]);
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        Ok(Self::Control { kind: u16::from_be_bytes([c, d]), flags, length })
    }
}
