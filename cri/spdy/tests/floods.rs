//! What a hostile peer sends costs no more than the limits say (security row 9).

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::time::Duration;

use bytes::BytesMut;
use isopod_spdy::{Connection, Control, Encoder, Error, FrameError, Headers, Limits, ResetStatus};
use tokio::io::{AsyncWrite, AsyncWriteExt, duplex};
use tokio::time::timeout;

fn syn(stream: u32) -> Control {
    Control::SynStream {
        stream,
        associated: 0,
        priority: 0,
        fin: false,
        unidirectional: false,
        headers: Headers::new().with("streamtype", "stdin"),
    }
}

/// Writes `bytes` for as long as they are taken; how many were.
async fn push(io: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> usize {
    let mut taken = 0;
    while taken < bytes.len() {
        match timeout(Duration::from_millis(500), io.write(&bytes[taken..])).await {
            Ok(Ok(n)) if n > 0 => taken += n,
            _ => break,
        }
    }
    taken
}

#[tokio::test]
async fn row_09_a_stream_that_nobody_reads_holds_up_the_sender() {
    let limits = Limits { stream_pieces: 4, ..Limits::default() };
    let (mut near, far) = duplex(64 * 1024);
    let (_server, mut incoming) = Connection::server(far, limits);
    let (mut encoder, mut out) = (Encoder::default(), BytesMut::new());
    encoder.control(&syn(1), &mut out);
    encoder.data(1, false, &vec![0; 8 << 20], &mut out);
    push(&mut near, &out[..100]).await;
    let stream = incoming.next().await.unwrap().accept();
    let taken = push(&mut near, &out[100..]).await;
    // Four pieces of 16 KiB, one in hand, the reader's buffer, and the pipe.
    assert!(taken < 5 * 16 * 1024 + 64 * 1024 + 64 * 1024, "{taken} bytes were taken");
    // Once nobody holds the stream its data are thrown away, and the connection goes on.
    drop(stream);
    assert_eq!(push(&mut near, &out[100 + taken..]).await, out.len() - 100 - taken);
}

#[tokio::test]
async fn row_09_all_streams_together_hold_no_more_than_the_connection_may() {
    let limits = Limits { connection_bytes: 256 * 1024, ..Limits::default() };
    let (mut near, far) = duplex(64 * 1024);
    let (_server, mut incoming) = Connection::server(far, limits);
    let (mut encoder, mut out) = (Encoder::default(), BytesMut::new());
    let mut streams = Vec::new();
    for number in 0..200 {
        let id = 2 * number + 1;
        out.clear();
        encoder.control(&syn(id), &mut out);
        near.write_all(&out).await.unwrap();
        streams.push(incoming.next().await.unwrap().accept());
    }
    out.clear();
    for number in 0..200 {
        encoder.data(2 * number + 1, false, &vec![0; 100 * 1024], &mut out);
    }
    let taken = push(&mut near, &out).await;
    assert!(taken < 256 * 1024 + 16 * 1024 + 64 * 1024 + 64 * 1024, "{taken} bytes were taken");
}

#[tokio::test]
async fn row_09_streams_beyond_the_limit_are_refused() {
    let limits = Limits { streams: 10, ..Limits::default() };
    let (near, far) = duplex(64 * 1024);
    let (server, mut incoming) = Connection::server(far, limits);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Some(opened) = incoming.next().await {
            kept.push(opened.accept());
        }
    });
    let (client, _none) = Connection::client(near, Limits::default());
    let mut kept = Vec::new();
    for number in 0..30 {
        match client.open(Headers::new(), false).await {
            Ok(stream) => kept.push(stream),
            Err(Error::Reset(_, ResetStatus::REFUSED)) => assert!(number >= 10),
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!((kept.len(), server.streams()), (10, 10));
}

/// A peer that sends `frame` over and over and never reads must be cut off.
async fn cut_off(mut frames: impl FnMut(u32) -> Vec<Control>) {
    let limits = Limits { answers: 100, streams: 50, ..Limits::default() };
    let (mut near, far) = duplex(4 * 1024);
    let (server, mut incoming) = Connection::server(far, limits);
    tokio::spawn(async move {
        while let Some(opened) = incoming.next().await {
            drop(opened.accept());
        }
    });
    let mut encoder = Encoder::default();
    let flood = async {
        for number in 0..100_000 {
            let mut out = BytesMut::new();
            for frame in frames(number) {
                encoder.control(&frame, &mut out);
            }
            if near.write_all(&out).await.is_err() {
                return number;
            }
        }
        panic!("it takes everything")
    };
    let (rounds, reason) =
        timeout(Duration::from_secs(20), async { tokio::join!(flood, server.closed()) })
            .await
            .expect("it is cut off");
    assert!(matches!(reason, Error::Flood), "{reason}");
    assert!(rounds > 100, "an honest peer may ask as much: {rounds}");
}

#[tokio::test]
async fn row_09_who_pings_without_reading_is_cut_off() {
    cut_off(|_| vec![Control::Ping(1)]).await;
}

#[tokio::test]
async fn row_09_who_opens_and_resets_without_reading_is_cut_off() {
    cut_off(|number| {
        let stream = 2 * number + 1;
        vec![syn(stream), Control::RstStream { stream, status: ResetStatus::CANCEL }]
    })
    .await;
}

#[tokio::test]
async fn row_09_a_header_bomb_ends_the_connection() {
    let (mut near, far) = duplex(64 * 1024);
    let (server, _incoming) = Connection::server(far, Limits::default());
    let (mut encoder, mut out) = (Encoder::default(), BytesMut::new());
    let headers = Headers::new().with("bomb", "x".repeat(4 << 20));
    encoder.control(&Control::SynReply { stream: 1, fin: false, headers }, &mut out);
    assert!(out.len() < 16 * 1024, "a small frame: {}", out.len());
    near.write_all(&out).await.unwrap();
    let reason = timeout(Duration::from_secs(20), server.closed()).await.unwrap();
    assert!(matches!(reason, Error::Frame(FrameError::HeadersTooLarge)), "{reason}");
}

#[tokio::test]
async fn row_09_a_huge_control_frame_is_refused_by_its_head() {
    let (mut near, far) = duplex(1024);
    let (server, _incoming) = Connection::server(far, Limits::default());
    near.write_all(&[0x80, 3, 0, 8, 0, 0xff, 0xff, 0xff]).await.unwrap();
    let reason = timeout(Duration::from_secs(20), server.closed()).await.unwrap();
    assert!(matches!(reason, Error::Frame(FrameError::FrameTooLarge(0x00ff_ffff))), "{reason}");
}
