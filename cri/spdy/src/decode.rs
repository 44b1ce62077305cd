//! Bytes to frames, however they are cut.

use bytes::{Buf, Bytes, BytesMut};

use crate::compress::Inflater;
use crate::error::FrameError;
use crate::frame::{
    Control, FIN, GOAWAY, GoAwayStatus, HEAD, HEADERS, Head, PING, RST_STREAM, ResetStatus,
    SETTINGS, SYN_REPLY, SYN_STREAM, Setting, StreamId, UNIDIRECTIONAL, WINDOW_UPDATE,
};
use crate::headers::Headers;
use crate::limits::Limits;

/// The largest piece of data that is handed on at once: a frame may have 16 MiB, and nobody waits for the whole of it.
pub(crate) const PIECE: usize = 16 * 1024;

/// What the bytes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole control frame.
    Control(Control),
    /// A piece of a data frame, the last one of the last frame with `fin`.
    Data {
        /// The stream.
        stream: StreamId,
        /// The bytes, in memory of their own: a small piece doesn't keep a large buffer.
        data: Bytes,
        /// Nothing follows in this stream.
        fin: bool,
    },
}

enum State {
    Head,
    Control {
        kind: u16,
        flags: u8,
        length: usize,
    },
    /// A control frame nobody knows, of any length.
    Skip {
        kind: u16,
        left: usize,
    },
    Data {
        stream: StreamId,
        fin: bool,
        left: usize,
    },
}

/// Reads the frames of one direction.
pub struct Decoder {
    state: State,
    inflater: Inflater,
    control_frame: usize,
    header_block: usize,
    headers: usize,
}

impl Decoder {
    /// One that allows what `limits` allow.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            state: State::Head,
            inflater: Inflater::default(),
            control_frame: limits.control_frame,
            header_block: limits.header_block,
            headers: limits.headers,
        }
    }

    /// Whether the next byte begins a frame: where a connection may end.
    #[must_use]
    pub fn between_frames(&self) -> bool {
        matches!(self.state, State::Head)
    }

    /// Takes the next frame, or piece of data, from the front of `buffer`; none: more bytes are needed.
    ///
    /// # Errors
    ///
    /// Bytes that are no SPDY/3.1 or more than is allowed. The decoder is of no use after that.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, FrameError> {
        loop {
            match self.state {
                State::Head => {
                    let Some(head) = buffer.first_chunk::<HEAD>() else { return Ok(None) };
                    self.state = self.begin(Head::parse(*head)?)?;
                    buffer.advance(HEAD);
                }
                State::Control { kind, flags, length } => {
                    if buffer.len() < length {
                        return Ok(None);
                    }
                    let payload = buffer.split_to(length);
                    self.state = State::Head;
                    return self.control(kind, flags, &payload).map(|c| Some(Event::Control(c)));
                }
                State::Skip { kind, left } => {
                    let now = left.min(buffer.len());
                    buffer.advance(now);
                    if now < left {
                        self.state = State::Skip { kind, left: left - now };
                        return Ok(None);
                    }
                    self.state = State::Head;
                    return Ok(Some(Event::Control(Control::Unknown(kind))));
                }
                State::Data { stream, fin, left } => {
                    if left > 0 && buffer.is_empty() {
                        return Ok(None);
                    }
                    let now = left.min(buffer.len()).min(PIECE);
                    let data = Bytes::copy_from_slice(&buffer[..now]);
                    buffer.advance(now);
                    let last = now == left;
                    self.state = if last {
                        State::Head
                    } else {
                        State::Data { stream, fin, left: left - now }
                    };
                    return Ok(Some(Event::Data { stream, data, fin: fin && last }));
                }
            }
        }
    }

    fn begin(&self, head: Head) -> Result<State, FrameError> {
        match head {
            Head::Data { stream, flags, length } => {
                Ok(State::Data { stream, fin: flags & FIN != 0, left: length })
            }
            Head::Control { kind: kind @ (0 | 5 | 10..), length, .. } => {
                Ok(State::Skip { kind, left: length })
            }
            Head::Control { length, .. } if length > self.control_frame => {
                Err(FrameError::FrameTooLarge(length))
            }
            Head::Control { kind, flags, length } => Ok(State::Control { kind, flags, length }),
        }
    }

    fn control(&mut self, kind: u16, flags: u8, payload: &[u8]) -> Result<Control, FrameError> {
        let fixed: &[usize] = match kind {
            RST_STREAM | GOAWAY | WINDOW_UPDATE => &[8],
            PING => &[4],
            _ => &[],
        };
        let least = match kind {
            SYN_STREAM => 10,
            _ => 4,
        };
        let fits =
            if fixed.is_empty() { payload.len() >= least } else { fixed.contains(&payload.len()) };
        if !fits {
            return Err(FrameError::Length { kind, length: payload.len() });
        }
        let mut rest = payload;
        let first = rest.get_u32();
        let stream = first & 0x7fff_ffff;
        if stream == 0 && matches!(kind, SYN_STREAM | SYN_REPLY | RST_STREAM | HEADERS) {
            return Err(FrameError::StreamZero(kind));
        }
        let fin = flags & FIN != 0;
        Ok(match kind {
            SYN_STREAM => {
                let associated = rest.get_u32() & 0x7fff_ffff;
                let priority = rest.get_u8() >> 5;
                rest.advance(1);
                let unidirectional = flags & UNIDIRECTIONAL != 0;
                let headers = self.block(rest)?;
                Control::SynStream { stream, associated, priority, fin, unidirectional, headers }
            }
            SYN_REPLY => Control::SynReply { stream, fin, headers: self.block(rest)? },
            HEADERS => Control::Headers { stream, fin, headers: self.block(rest)? },
            RST_STREAM => Control::RstStream { stream, status: ResetStatus(rest.get_u32()) },
            SETTINGS => settings(first as usize, rest)
                .ok_or(FrameError::Length { kind, length: payload.len() })?,
            PING => Control::Ping(first),
            GOAWAY => Control::GoAway { last: stream, status: GoAwayStatus(rest.get_u32()) },
            WINDOW_UPDATE => Control::WindowUpdate { stream, delta: rest.get_u32() & 0x7fff_ffff },
            other => Control::Unknown(other),
        })
    }

    fn block(&mut self, wire: &[u8]) -> Result<Headers, FrameError> {
        Headers::decode(&self.inflater.block(wire, self.header_block)?, self.headers)
    }
}

fn settings(count: usize, mut rest: &[u8]) -> Option<Control> {
    if count.checked_mul(8)? != rest.len() {
        return None;
    }
    let mut settings = Vec::with_capacity(count);
    while rest.has_remaining() {
        let flags = rest.get_u8();
        let id = rest.get_uint(3) as u32;
        settings.push(Setting { flags, id, value: rest.get_u32() });
    }
    Some(Control::Settings(settings))
}
