//! What clients of the streaming server send: SPDY and WebSocket frames say the same however their bytes are cut, and never
//! more than they may.

use bytes::{Bytes, BytesMut};
use isopod_spdy::{Control, Decoder, Encoder, Event, FrameError, Limits};
use isopod_streaming::websocket;

/// A piece of data is no longer than this in either protocol.
const PIECE: usize = 16 * 1024;

/// One direction of a SPDY connection. The first byte says how it is cut.
pub fn spdy(data: &[u8]) {
    let [cut, bytes @ ..] = data else { return };
    let limits = Limits { header_block: 4096, headers: 16, ..Limits::default() };
    let (whole, end) = spdy_events(bytes, bytes.len().max(1), &limits);
    let (parts, other_end) = spdy_events(bytes, usize::from(*cut).max(1), &limits);
    assert_eq!((joined(whole.clone()), &end), (joined(parts), &other_end));
    let (mut encoder, mut wire) = (Encoder::default(), BytesMut::new());
    for event in &whole {
        match event {
            Event::Control(control) => {
                if let Control::SynStream { headers, .. }
                | Control::SynReply { headers, .. }
                | Control::Headers { headers, .. } = control
                {
                    let size: usize = headers.iter().map(|(n, v)| n.len() + v.len()).sum();
                    assert!(size <= limits.header_block * 16, "{size} bytes of headers");
                }
                encoder.control(control, &mut wire);
            }
            Event::Data { stream, data, fin } => {
                assert!(*stream > 0 && data.len() <= PIECE, "{} bytes at once", data.len());
                encoder.data(*stream, *fin, data, &mut wire);
            }
        }
    }
    // What was understood can be said, and is understood again.
    let plenty = Limits { control_frame: 1 << 24, header_block: 1 << 20, ..limits };
    let (again, end) = spdy_events(&wire, wire.len().max(1), &plenty);
    assert_eq!((joined(again), end), (joined(whole), None));
}

fn spdy_events(bytes: &[u8], cut: usize, limits: &Limits) -> (Vec<Event>, Option<FrameError>) {
    let (mut decoder, mut buffer, mut events) = (Decoder::new(limits), BytesMut::new(), Vec::new());
    for part in bytes.chunks(cut) {
        buffer.extend_from_slice(part);
        loop {
            match decoder.next(&mut buffer) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
    }
    (events, None)
}

/// Data of one stream, joined: how it is cut is the reader's.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    for event in events {
        match (all.last_mut(), event) {
            (
                Some(Event::Data { stream, data, fin }),
                Event::Data { stream: next, data: more, fin: end },
            ) if *stream == next && !*fin => {
                *data = Bytes::from([&data[..], &more[..]].concat());
                *fin = end;
            }
            (_, event) => all.push(event),
        }
    }
    all
}

/// One direction of a WebSocket. The first byte says which end reads it, and how it is cut.
pub fn websocket(data: &[u8]) {
    let [how, bytes @ ..] = data else { return };
    let role = if how & 1 == 0 { websocket::Role::Server } else { websocket::Role::Client };
    let whole = websocket_events(bytes, bytes.len().max(1), role);
    let parts = websocket_events(bytes, usize::from(how >> 1).max(1), role);
    assert_eq!(whole, parts);
}

/// What is said: messages, with their pieces joined, and the end.
fn websocket_events(
    bytes: &[u8],
    cut: usize,
    role: websocket::Role,
) -> (Vec<websocket::Event>, Option<websocket::FrameError>) {
    use websocket::Event;
    let mut decoder = websocket::Decoder::new(role);
    let (mut buffer, mut said, mut message) = (BytesMut::new(), Vec::new(), None::<Event>);
    for part in bytes.chunks(cut) {
        buffer.extend_from_slice(part);
        loop {
            let event = match decoder.next(&mut buffer) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                Err(error) => {
                    said.extend(message);
                    return (said, Some(error));
                }
            };
            let Event::Data { binary, start, data, end } = event else {
                if let Event::Ping(data) = &event {
                    assert!(data.len() <= 125, "{} bytes to be answered", data.len());
                }
                said.push(event);
                continue;
            };
            assert!(data.len() <= PIECE, "{} bytes at once", data.len());
            assert_eq!(start, message.is_none(), "a message begins once");
            let before = match message.take() {
                Some(Event::Data { data, binary: same, .. }) => {
                    assert_eq!(same, binary);
                    data
                }
                _ => Bytes::new(),
            };
            let data = Bytes::from([&before[..], &data[..]].concat());
            let joined = Event::Data { binary, start: true, data, end };
            if end { said.push(joined) } else { message = Some(joined) }
        }
    }
    said.extend(message);
    (said, None)
}
