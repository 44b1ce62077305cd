//! Frames to bytes.

use bytes::{BufMut, BytesMut};

use crate::compress::Deflater;
use crate::frame::{
    Control, FIN, GOAWAY, HEADERS, MAX_LENGTH, PING, RST_STREAM, SETTINGS, SYN_REPLY, SYN_STREAM,
    StreamId, UNIDIRECTIONAL, VERSION, WINDOW_UPDATE,
};

/// Writes the frames of one direction: what it has compressed must be sent, in the order it was compressed.
#[derive(Default)]
pub struct Encoder {
    deflater: Deflater,
}

impl Encoder {
    /// Appends a control frame. [`Control::Unknown`] is written with an empty payload.
    pub fn control(&mut self, frame: &Control, out: &mut BytesMut) {
        let mut payload = BytesMut::new();
        let (kind, flags) = match frame {
            Control::SynStream { stream, associated, priority, fin, unidirectional, headers } => {
                payload.put_u32(*stream);
                payload.put_u32(*associated);
                payload.put_u8(priority << 5);
                payload.put_u8(0);
                payload.put_slice(&self.deflater.block(&headers.encode()));
                let only = if *unidirectional { UNIDIRECTIONAL } else { 0 };
                (SYN_STREAM, ending(*fin) | only)
            }
            Control::SynReply { stream, fin, headers } => {
                payload.put_u32(*stream);
                payload.put_slice(&self.deflater.block(&headers.encode()));
                (SYN_REPLY, ending(*fin))
            }
            Control::Headers { stream, fin, headers } => {
                payload.put_u32(*stream);
                payload.put_slice(&self.deflater.block(&headers.encode()));
                (HEADERS, ending(*fin))
            }
            Control::RstStream { stream, status } => {
                payload.put_u32(*stream);
                payload.put_u32(status.0);
                (RST_STREAM, 0)
            }
            Control::Settings(settings) => {
                payload.put_u32(settings.len() as u32);
                for setting in settings {
                    payload.put_u8(setting.flags);
                    payload.put_uint(u64::from(setting.id & 0x00ff_ffff), 3);
                    payload.put_u32(setting.value);
                }
                (SETTINGS, 0)
            }
            Control::Ping(id) => {
                payload.put_u32(*id);
                (PING, 0)
            }
            Control::GoAway { last, status } => {
                payload.put_u32(*last);
                payload.put_u32(status.0);
                (GOAWAY, 0)
            }
            Control::WindowUpdate { stream, delta } => {
                payload.put_u32(*stream);
                payload.put_u32(*delta);
                (WINDOW_UPDATE, 0)
            }
            Control::Unknown(kind) => (*kind, 0),
        };
        out.put_u16(0x8000 | VERSION);
        out.put_u16(kind);
        out.put_u8(flags);
        out.put_uint(payload.len() as u64, 3);
        out.unsplit(payload);
    }

    /// Appends data of a stream.
    ///
    /// # Panics
    ///
    /// If there is more than a frame can hold (16 MiB less a byte).
    pub fn data(&mut self, stream: StreamId, fin: bool, data: &[u8], out: &mut BytesMut) {
        assert!(data.len() <= MAX_LENGTH, "a frame holds {MAX_LENGTH} bytes");
        out.put_u32(stream);
        out.put_u8(ending(fin));
        out.put_uint(data.len() as u64, 3);
        out.put_slice(data);
    }
}

const fn ending(fin: bool) -> u8 {
    if fin { FIN } else { 0 }
}
