//! Whatever is encoded is decoded again, however the bytes are cut; whatever is decoded, nothing panics.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use bytes::{Bytes, BytesMut};
use isopod_spdy::{
    Control, Decoder, Encoder, Event, GoAwayStatus, Headers, Limits, ResetStatus, Setting,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Frame {
    Control(Control),
    Data { stream: u32, fin: bool, data: Vec<u8> },
}

fn headers() -> impl Strategy<Value = Headers> {
    btree_map("[a-z0-9-]{1,20}", "[ -~äß]{0,40}", 0..8).prop_map(|map| {
        map.into_iter().fold(Headers::new(), |all, (name, value)| all.with(&name, value))
    })
}

fn frame() -> impl Strategy<Value = Frame> {
    let stream = || 1_u32..0x8000_0000;
    prop_oneof![
        (stream(), 0_u32..0x8000_0000, 0_u8..8, any::<bool>(), any::<bool>(), headers()).prop_map(
            |(stream, associated, priority, fin, unidirectional, headers)| {
                Frame::Control(Control::SynStream {
                    stream,
                    associated,
                    priority,
                    fin,
                    unidirectional,
                    headers,
                })
            }
        ),
        (stream(), any::<bool>(), headers()).prop_map(|(stream, fin, headers)| Frame::Control(
            Control::SynReply { stream, fin, headers }
        )),
        (stream(), any::<bool>(), headers()).prop_map(|(stream, fin, headers)| Frame::Control(
            Control::Headers { stream, fin, headers }
        )),
        (stream(), any::<u32>()).prop_map(|(stream, status)| Frame::Control(Control::RstStream {
            stream,
            status: ResetStatus(status)
        })),
        vec((any::<u8>(), 0_u32..1 << 24, any::<u32>()), 0..5).prop_map(|all| {
            let setting = |(flags, id, value)| Setting { flags, id, value };
            Frame::Control(Control::Settings(all.into_iter().map(setting).collect()))
        }),
        any::<u32>().prop_map(|id| Frame::Control(Control::Ping(id))),
        (0_u32..0x8000_0000, any::<u32>()).prop_map(|(last, status)| Frame::Control(
            Control::GoAway { last, status: GoAwayStatus(status) }
        )),
        (0_u32..0x8000_0000, 0_u32..0x8000_0000)
            .prop_map(|(stream, delta)| Frame::Control(Control::WindowUpdate { stream, delta })),
        (stream(), any::<bool>(), vec(any::<u8>(), 0..50_000))
            .prop_map(|(stream, fin, data)| Frame::Data { stream, fin, data }),
    ]
}

/// What events say together: pieces of one data frame are joined.
fn joined(events: Vec<Event>) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    for event in events {
        if let (
            Some(Event::Data { stream, data, fin }),
            Event::Data { stream: next, data: more, fin: end },
        ) = (all.last_mut(), &event)
            && *stream == *next
            && !*fin
        {
            *data = Bytes::from([&data[..], &more[..]].concat());
            *fin = *end;
        } else {
            all.push(event);
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn frames_survive_any_cutting(frames in vec(frame(), 1..12), cut in 1_usize..5000) {
        let (mut encoder, mut wire, mut sent) = (Encoder::default(), BytesMut::new(), Vec::new());
        for frame in frames {
            match frame {
                Frame::Control(control) => {
                    encoder.control(&control, &mut wire);
                    sent.push(Event::Control(control));
                }
                Frame::Data { stream, fin, data } => {
                    encoder.data(stream, fin, &data, &mut wire);
                    sent.push(Event::Data { stream, data: data.into(), fin });
                }
            }
        }
        let (mut decoder, mut buffer, mut got) =
            (Decoder::new(&Limits::default()), BytesMut::new(), Vec::new());
        for part in wire.chunks(cut) {
            buffer.extend_from_slice(part);
            while let Some(event) = decoder.next(&mut buffer).unwrap() {
                got.push(event);
            }
        }
        prop_assert!(decoder.between_frames() && buffer.is_empty());
        prop_assert_eq!(joined(got), joined(sent));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..2000)) {
        let (mut decoder, mut buffer) = (Decoder::new(&Limits::default()), BytesMut::from(&bytes[..]));
        while let Ok(Some(_)) = decoder.next(&mut buffer) {}
    }
}
