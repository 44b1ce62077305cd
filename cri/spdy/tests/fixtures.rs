//! Connections as another implementation writes them: Python, with C's zlib (`tests/fuzz/seeds/spdy`; their first byte is
//! for the fuzzer).

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::fs;
use std::path::Path;

use bytes::BytesMut;
use isopod_spdy::{
    Control, Decoder, Event, FrameError, GoAwayStatus, Headers, Limits, ResetStatus, Setting,
};

fn read(name: &str) -> Result<Vec<Event>, FrameError> {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/seeds/spdy");
    let bytes = fs::read(seeds.join(name)).unwrap();
    let (mut buffer, mut events) = (BytesMut::from(&bytes[1..]), Vec::new());
    let mut decoder = Decoder::new(&Limits::default());
    while let Some(event) = decoder.next(&mut buffer)? {
        events.push(event);
    }
    assert!(decoder.between_frames() && buffer.is_empty());
    Ok(events)
}

fn opens(stream: u32, headers: &[(&str, &str)]) -> Event {
    let headers = headers.iter().fold(Headers::new(), |all, (name, value)| all.with(name, *value));
    let (associated, priority) = (0, 0);
    let (fin, unidirectional) = (false, false);
    Event::Control(Control::SynStream {
        stream,
        associated,
        priority,
        fin,
        unidirectional,
        headers,
    })
}

fn data(stream: u32, data: &'static [u8], fin: bool) -> Event {
    Event::Data { stream, data: data.into(), fin }
}

#[test]
fn an_exec_is_read() {
    let away = Event::Control(Control::GoAway { last: 0, status: GoAwayStatus::OK });
    let expected = [
        opens(1, &[("streamtype", "error")]),
        opens(3, &[("streamtype", "stdin")]),
        opens(5, &[("streamtype", "stdout")]),
        opens(7, &[("streamtype", "stderr")]),
        opens(9, &[("streamtype", "resize")]),
        data(3, b"echo hello\n", false),
        data(9, b"{\"Width\":80,\"Height\":24}\n", false),
        data(3, b"", true),
        away,
    ];
    assert_eq!(read("exec").unwrap(), expected);
}

#[test]
fn a_port_forward_is_read() {
    let events = read("port_forward").unwrap();
    assert_eq!(events.len(), 13);
    for pair in 0..3_u32 {
        let (id, at) = (pair.to_string(), 4 * pair as usize);
        let opened = |stream, kind| {
            opens(stream, &[("port", "80"), ("requestid", &id), ("streamtype", kind)])
        };
        assert_eq!(events[at], opened(4 * pair + 1, "error"));
        assert_eq!(events[at + 1], opened(4 * pair + 3, "data"));
        assert_eq!(events[at + 2], data(4 * pair + 1, b"", true));
    }
    let reset = Control::RstStream { stream: 3, status: ResetStatus::CANCEL };
    assert_eq!(events[12], Event::Control(reset));
}

#[test]
fn a_servers_side_is_read() {
    let events = read("server").unwrap();
    let reply =
        |stream| Event::Control(Control::SynReply { stream, fin: false, headers: Headers::new() });
    assert_eq!(events[..2], [reply(1), reply(3)]);
    let pieces = events[2..4].iter().map(|event| match event {
        Event::Data { stream: 1, data, fin: false } if data.iter().all(|b| *b == b'x') => {
            data.len()
        }
        other => panic!("{other:?}"),
    });
    assert_eq!(pieces.sum::<usize>(), 20_000);
    let headers = Headers::new().with("a", "1").with("a", "2").with("b", "");
    let last = Control::Headers { stream: 1, fin: true, headers };
    assert_eq!(events[4..], [Event::Control(Control::Ping(2)), Event::Control(last)]);
}

#[test]
fn what_is_only_taken_note_of_is_read() {
    let settings = Control::Settings(vec![
        Setting { flags: 1, id: 4, value: 100 },
        Setting { flags: 0, id: 7, value: 65_536 },
    ]);
    let expected = [
        settings,
        Control::WindowUpdate { stream: 0, delta: 1 << 20 },
        Control::Ping(1),
        Control::Unknown(11),
        Control::GoAway { last: 0, status: GoAwayStatus::PROTOCOL_ERROR },
    ];
    assert_eq!(read("others").unwrap(), expected.map(Event::Control));
}

#[test]
fn what_must_not_be_taken_is_refused() {
    assert_eq!(read("bomb"), Err(FrameError::HeadersTooLarge));
    assert_eq!(read("twice"), Err(FrameError::Headers("a name comes twice")));
}
