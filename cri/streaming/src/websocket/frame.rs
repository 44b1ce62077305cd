//! Frames (RFC 6455, section 5).

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// The largest piece of a message that is handed on at once.
const PIECE: usize = 16 * 1024;
/// What a control frame may carry (section 5.5).
const CONTROL: usize = 125;

/// Which end this is: a client masks what it sends, a server must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The end that was connected to.
    Server,
    /// The end that has connected.
    Client,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text = 1,
    Binary = 2,
    Close = 8,
    Pong = 10,
}

/// Bytes that are no WebSocket's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A bit that belongs to an extension nobody agreed on.
    #[error("a reserved bit is set")]
    Reserved,
    /// An unknown kind of frame.
    #[error("a frame of kind {0}")]
    Opcode(u8),
    /// A control frame that is in parts or longer than 125 bytes.
    #[error("a control frame is in parts or too long")]
    Control,
    /// A length with its highest bit set.
    #[error("a frame's length is out of range")]
    Length,
    /// A client that doesn't mask, or a server that does.
    #[error("a frame is masked by the wrong end")]
    Mask,
    /// A part of a message that has not begun, or a message within another.
    #[error("the parts of a message are out of order")]
    Order,
}

/// What the bytes say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A piece of a message; only the first and the last may be empty.
    Data {
        /// Whether it is binary, not text.
        binary: bool,
        /// The message begins here.
        start: bool,
        /// Bytes in memory of their own.
        data: Bytes,
        /// The message ends here.
        end: bool,
    },
    /// To be answered by a pong with the same bytes.
    Ping(Bytes),
    /// An answer to a ping.
    Pong,
    /// The other end closes, with this code.
    Close(Option<u16>),
}

#[derive(Clone, Copy)]
struct Payload {
    left: u64,
    mask: Option<[u8; 4]>,
    /// How far into the mask the next byte is.
    at: usize,
    last: bool,
}

/// Reads the frames of one direction.
pub struct Decoder {
    role: Role,
    payload: Option<Payload>,
    /// The kind of the message that is under way.
    message: Option<bool>,
    /// Nothing of the message was handed on yet.
    fresh: bool,
}

impl Decoder {
    /// One for the end that `role` says.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self { role, payload: None, message: None, fresh: false }
    }

    /// Takes the next event from the front of `buffer`; none: more bytes are needed.
    ///
    /// # Errors
    ///
    /// Bytes that are no WebSocket's. The decoder is of no use after that.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Event>, FrameError> {
        if let Some(payload) = self.payload {
            return Ok(self.piece(payload, buffer));
        }
        let Some(&[first, second]) = buffer.first_chunk::<2>() else { return Ok(None) };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        let masked = second & 0x80 != 0;
        if first & 0x70 != 0 {
            return Err(FrameError::Reserved);
        }
        if masked != (self.role == Role::Server) {
            return Err(FrameError::Mask);
        }
        let short = second & 0x7f;
        let extended = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let head = 2 + extended + if masked { 4 } else { 0 };
        let control = opcode >= 8;
        if control && (!fin || usize::from(short) > CONTROL) {
            return Err(FrameError::Control);
        }
        // A control frame is taken as a whole.
        if buffer.len() < head + if control { usize::from(short) } else { 0 } {
            return Ok(None);
        }
        buffer.advance(2);
        let left = match extended {
            0 => u64::from(short),
            bytes => buffer.get_uint(bytes),
        };
        if left >> 63 != 0 {
            return Err(FrameError::Length);
        }
        let mask = masked.then(|| buffer.get_u32().to_be_bytes());
        if control {
            return Self::control(opcode, unmasked(buffer.split_to(left as usize), mask)).map(Some);
        }
        match (opcode, self.message) {
            (0, Some(_)) => {}
            (1 | 2, None) => {
                self.message = Some(opcode == 2);
                self.fresh = true;
            }
            (0..=2, _) => return Err(FrameError::Order),
            (other, _) => return Err(FrameError::Opcode(other)),
        }
        let payload = Payload { left, mask, at: 0, last: fin };
        self.payload = Some(payload);
        Ok(self.piece(payload, buffer))
    }

    fn control(opcode: u8, data: Bytes) -> Result<Event, FrameError> {
        match opcode {
            8 => Ok(Event::Close(data.first_chunk().map(|code| u16::from_be_bytes(*code)))),
            9 => Ok(Event::Ping(data)),
            10 => Ok(Event::Pong),
            other => Err(FrameError::Opcode(other)),
        }
    }

    fn piece(&mut self, mut payload: Payload, buffer: &mut BytesMut) -> Option<Event> {
        let now = usize::try_from(payload.left).unwrap_or(usize::MAX).min(buffer.len()).min(PIECE);
        if now == 0 && payload.left > 0 {
            return None;
        }
        let mut data = BytesMut::from(&buffer[..now]);
        buffer.advance(now);
        if let Some(mask) = payload.mask {
            for (index, byte) in data.iter_mut().enumerate() {
                *byte ^= mask[(payload.at + index) % 4];
            }
        }
        payload.left -= now as u64;
        payload.at = (payload.at + now) % 4;
        let end = payload.left == 0 && payload.last;
        self.payload = (payload.left > 0).then_some(payload);
        let binary = self.message.unwrap_or(true);
        let start = std::mem::take(&mut self.fresh);
        if end {
            self.message = None;
        }
        Some(Event::Data { binary, start, data: data.freeze(), end })
    }
}

fn unmasked(mut data: BytesMut, mask: Option<[u8; 4]>) -> Bytes {
    if let Some(mask) = mask {
        for (index, byte) in data.iter_mut().enumerate() {
            *byte ^= mask[index % 4];
        }
    }
    // A copy: what comes is small, and the buffer it lies in is not.
    Bytes::copy_from_slice(&data)
}

/// Appends a whole message of several parts that follow each other, masked if there is a mask.
pub(crate) fn encode(opcode: Opcode, parts: &[&[u8]], mask: Option<[u8; 4]>, out: &mut BytesMut) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(length + 14);
    out.put_u8(0x80 | opcode as u8);
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match length {
        0..=125 => out.put_u8(masked | length as u8),
        126..=0xffff => {
            out.put_u8(masked | 126);
            out.put_u16(length as u16);
        }
        _ => {
            out.put_u8(masked | 127);
            out.put_u64(length as u64);
        }
    }
    if let Some(mask) = mask {
        out.put_slice(&mask);
    }
    let start = out.len();
    for part in parts {
        out.put_slice(part);
    }
    if let Some(mask) = mask {
        for (index, byte) in out[start..].iter_mut().enumerate() {
            *byte ^= mask[index % 4];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(role: Role, bytes: &[u8]) -> Result<Vec<Event>, FrameError> {
        let (mut decoder, mut buffer, mut events) =
            (Decoder::new(role), BytesMut::new(), Vec::new());
        for byte in bytes {
            buffer.put_u8(*byte);
            while let Some(event) = decoder.next(&mut buffer)? {
                events.push(event);
            }
        }
        Ok(events)
    }

    fn text(start: bool, data: &'static [u8], end: bool) -> Event {
        Event::Data { binary: false, start, data: Bytes::from_static(data), end }
    }

    /// Section 5.7 of the RFC.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let hello = [text(true, b"H", false), text(false, b"e", false), text(false, b"l", false)];
        let end = [text(false, b"l", false), text(false, b"o", true)];
        let expected = [&hello[..], &end[..]].concat();
        assert_eq!(all(Role::Client, b"\x81\x05Hello").unwrap(), expected);
        assert_eq!(
            all(Role::Server, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").unwrap(),
            expected
        );
        assert_eq!(all(Role::Client, b"\x01\x03Hel\x80\x02lo").unwrap(), expected);
        assert_eq!(
            all(Role::Client, b"\x89\x05Hello").unwrap(),
            [Event::Ping(Bytes::from_static(b"Hello"))]
        );
        assert_eq!(
            all(Role::Server, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").unwrap(),
            [Event::Pong]
        );
        assert_eq!(all(Role::Client, b"\x88\x02\x03\xe8").unwrap(), [Event::Close(Some(1000))]);
        assert_eq!(all(Role::Client, b"\x82\0").unwrap().len(), 1, "an empty message is one");
    }

    #[test]
    fn what_the_rfc_forbids_is_refused() {
        for (bytes, error) in [
            (&b"\xc1\x00"[..], FrameError::Reserved),
            (b"\x83\x00", FrameError::Opcode(3)),
            (b"\x8b\x00", FrameError::Opcode(11)),
            (b"\x09\x00", FrameError::Control),
            (b"\x89\x7e\x00\x7e", FrameError::Control),
            (b"\x82\x7f\x80\0\0\0\0\0\0\0", FrameError::Length),
            (b"\x82\x80\0\0\0\0", FrameError::Mask),
            (b"\x80\x00", FrameError::Order),
            (b"\x02\x00\x82\x00", FrameError::Order),
        ] {
            assert_eq!(all(Role::Client, bytes), Err(error), "{bytes:?}");
        }
        assert_eq!(all(Role::Server, b"\x82\x00"), Err(FrameError::Mask));
    }

    #[test]
    fn frames_of_every_length_survive() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 200_000] {
            for role in [Role::Server, Role::Client] {
                let mask = (role == Role::Server).then_some([1, 2, 3, 4]);
                let sent: Vec<u8> = (0..length).map(|n| (n % 253) as u8).collect();
                let mut buffer = BytesMut::new();
                encode(
                    Opcode::Binary,
                    &[&sent[..length / 3], &sent[length / 3..]],
                    mask,
                    &mut buffer,
                );
                let (mut decoder, mut got, mut ends) = (Decoder::new(role), Vec::new(), 0);
                while let Some(Event::Data { data, end, .. }) = decoder.next(&mut buffer).unwrap() {
                    got.extend_from_slice(&data);
                    ends += usize::from(end);
                }
                assert!(got == sent && ends == 1 && buffer.is_empty(), "{length} {role:?}");
            }
        }
    }
}
