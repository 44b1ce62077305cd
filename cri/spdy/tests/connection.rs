//! Two ends of a connection, and one end against bytes written by hand.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

use std::time::Duration;

use bytes::BytesMut;
use isopod_spdy::{
    Connection, Control, Decoder, Encoder, Error, Event, FrameError, Headers, Incoming, Limits,
    ResetStatus,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

fn pair(limits: Limits) -> ((Connection, Incoming), (Connection, Incoming)) {
    let (left, right) = duplex(64 * 1024);
    (Connection::client(left, Limits::default()), Connection::server(right, limits))
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), what).await.expect("in time")
}

/// An end whose frames are written and read by hand.
struct Hand {
    io: DuplexStream,
    encoder: Encoder,
    decoder: Decoder,
    buffer: BytesMut,
}

impl Hand {
    fn new(limits: Limits) -> (Self, (Connection, Incoming)) {
        let (near, far) = duplex(64 * 1024);
        let hand = Self {
            io: near,
            encoder: Encoder::default(),
            decoder: Decoder::new(&Limits::default()),
            buffer: BytesMut::new(),
        };
        (hand, Connection::server(far, limits))
    }

    async fn control(&mut self, frame: &Control) {
        let mut out = BytesMut::new();
        self.encoder.control(frame, &mut out);
        self.io.write_all(&out).await.unwrap();
    }

    async fn data(&mut self, stream: u32, fin: bool, data: &[u8]) {
        let mut out = BytesMut::new();
        self.encoder.data(stream, fin, data, &mut out);
        self.io.write_all(&out).await.unwrap();
    }

    async fn open(&mut self, stream: u32) {
        let headers = Headers::new().with("streamtype", "stdin");
        self.control(&Control::SynStream {
            stream,
            associated: 0,
            priority: 0,
            fin: false,
            unidirectional: false,
            headers,
        })
        .await;
    }

    async fn event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.decoder.next(&mut self.buffer).unwrap() {
                return Some(event);
            }
            if soon(self.io.read_buf(&mut self.buffer)).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    }
}

#[tokio::test]
async fn a_stream_carries_both_ways_and_ends_one_way_at_a_time() {
    let ((client, _none), (_server, mut incoming)) = pair(Limits::default());
    let echo = tokio::spawn(async move {
        let opened = incoming.next().await.unwrap();
        assert_eq!(opened.headers().get("streamType"), Some("stdin"));
        let mut stream = opened.accept();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        // The client has ended its direction: ours still works.
        stream.write_all(&all).await.unwrap();
        stream.shutdown().await.unwrap();
        all.len()
    });
    let stream = client.open(Headers::new().with("streamType", "stdin"), false).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let sent: Vec<u8> = (0..3_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    write.write_all(&sent).await.unwrap();
    write.shutdown().await.unwrap();
    assert!(write.write_all(b"more").await.is_err(), "nothing goes out after the end");
    let mut got = Vec::new();
    soon(read.read_to_end(&mut got)).await.unwrap();
    assert!(got == sent, "{} of {} bytes", got.len(), sent.len());
    assert_eq!(echo.await.unwrap(), sent.len());
    assert_eq!(client.streams(), 0, "what has ended both ways is forgotten");
}

#[tokio::test]
async fn what_was_written_before_a_stream_is_dropped_arrives() {
    let ((client, _none), (_server, mut incoming)) = pair(Limits::default());
    tokio::spawn(async move {
        let mut stream = incoming.next().await.unwrap().accept();
        stream.write_all(&vec![b'x'; 300_000]).await.unwrap();
        stream.shutdown().await.unwrap();
        drop(stream);
        std::future::pending::<()>().await;
    });
    let mut stream = client.open(Headers::new(), false).await.unwrap();
    let mut got = Vec::new();
    soon(stream.read_to_end(&mut got)).await.unwrap();
    assert_eq!(got.len(), 300_000);
}

#[tokio::test]
async fn many_streams_carry_at_once() {
    let ((client, _none), (_server, mut incoming)) = pair(Limits::default());
    tokio::spawn(async move {
        while let Some(opened) = incoming.next().await {
            tokio::spawn(async move {
                let (mut read, mut write) = opened.accept().into_split();
                tokio::io::copy(&mut read, &mut write).await.unwrap();
                write.shutdown().await.unwrap();
            });
        }
    });
    let mut all = Vec::new();
    for number in 0..100_u32 {
        let client = client.clone();
        all.push(tokio::spawn(async move {
            let stream = client.open(Headers::new(), false).await.unwrap();
            let sent = vec![number as u8; 100_000 + number as usize];
            let (mut read, mut write) = stream.into_split();
            let expected = sent.clone();
            let writing = tokio::spawn(async move {
                write.write_all(&sent).await.unwrap();
                write.shutdown().await.unwrap();
            });
            let mut got = Vec::new();
            read.read_to_end(&mut got).await.unwrap();
            writing.await.unwrap();
            assert!(got == expected);
        }));
    }
    for one in all {
        soon(one).await.unwrap();
    }
}

#[tokio::test]
async fn a_refused_stream_says_so() {
    let ((client, _none), (_server, mut incoming)) = pair(Limits::default());
    let opening = client.open(Headers::new(), false);
    let refusing = async {
        drop(incoming.next().await.unwrap());
        incoming
    };
    let (opened, incoming) = tokio::join!(opening, refusing);
    assert!(matches!(opened, Err(Error::Reset(1, ResetStatus::REFUSED))));
    // And nobody takes any, when nobody listens.
    drop(incoming);
    let opened = soon(client.open(Headers::new(), false)).await;
    assert!(matches!(opened, Err(Error::Reset(3, ResetStatus::REFUSED))));
}

#[tokio::test]
async fn a_reset_breaks_reading_and_writing() {
    let ((client, _none), (_server, mut incoming)) = pair(Limits::default());
    let (mine, opened) = tokio::join!(client.open(Headers::new(), false), async {
        incoming.next().await.unwrap().accept()
    });
    let mut mine = mine.unwrap();
    opened.reset(ResetStatus::CANCEL);
    let error = soon(mine.read_u8()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(mine.write_all(b"x").await.is_err());
}

#[tokio::test]
async fn closing_lets_out_what_was_written_and_tells_the_peer() {
    let (mut hand, (server, mut incoming)) = Hand::new(Limits::default());
    hand.open(1).await;
    let mut stream = incoming.next().await.unwrap().accept();
    stream.write_all(b"last words").await.unwrap();
    stream.shutdown().await.unwrap();
    let closing = tokio::spawn(async move {
        server.close().await;
        server.closed().await
    });
    let mut seen = Vec::new();
    while let Some(event) = hand.event().await {
        seen.push(event);
    }
    assert!(matches!(closing.await.unwrap(), Error::Closed));
    assert!(
        matches!(
            &seen[..],
            [
                Event::Control(Control::SynReply { stream: 1, .. }),
                Event::Data { stream: 1, data, fin: false },
                Event::Data { stream: 1, fin: true, .. },
                Event::Control(Control::GoAway { last: 1, .. }),
            ] if data == "last words"
        ),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_connection_that_nobody_holds_ends() {
    let ((client, none), (server, mut incoming)) = pair(Limits::default());
    drop((client, none));
    assert!(soon(incoming.next()).await.is_none());
    assert!(matches!(soon(server.closed()).await, Error::Closed));
}

#[tokio::test]
async fn pings_are_answered_and_our_own_are_not() {
    let (mut hand, _server) = Hand::new(Limits::default());
    hand.control(&Control::Ping(2)).await;
    hand.control(&Control::Ping(7)).await;
    assert_eq!(hand.event().await, Some(Event::Control(Control::Ping(7))));
}

#[tokio::test]
async fn what_nobody_heeds_in_this_world_is_taken_without_harm() {
    let (mut hand, (_server, mut incoming)) = Hand::new(Limits::default());
    hand.control(&Control::Settings(Vec::new())).await;
    hand.control(&Control::WindowUpdate { stream: 0, delta: 1 << 20 }).await;
    hand.control(&Control::Unknown(11)).await;
    hand.data(99, true, b"for a stream that nobody opened").await;
    hand.control(&Control::RstStream { stream: 98, status: ResetStatus::CANCEL }).await;
    hand.open(1).await;
    assert_eq!(soon(incoming.next()).await.unwrap().id(), 1);
}

#[tokio::test]
async fn stream_numbers_must_be_the_peers_and_grow() {
    let (mut hand, (_server, mut incoming)) = Hand::new(Limits::default());
    for (number, good) in [(5, true), (3, false), (6, false), (5, false), (7, true)] {
        hand.open(number).await;
        if good {
            drop(soon(incoming.next()).await.unwrap().accept());
            let reply = hand.event().await;
            let expected = matches!(reply, Some(Event::Control(Control::SynReply { stream, .. })) if stream == number);
            assert!(expected, "{reply:?}");
        }
        let status = if good { ResetStatus::CANCEL } else { ResetStatus::PROTOCOL_ERROR };
        let reset = Control::RstStream { stream: number, status };
        assert_eq!(hand.event().await, Some(Event::Control(reset)));
    }
}

#[tokio::test]
async fn another_version_ends_the_connection_with_a_word() {
    let (mut hand, (server, _incoming)) = Hand::new(Limits::default());
    hand.io.write_all(&[0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]).await.unwrap();
    let away = hand.event().await;
    assert!(
        matches!(away, Some(Event::Control(Control::GoAway { status, .. })) if status.0 == 1),
        "{away:?}"
    );
    assert!(matches!(soon(server.closed()).await, Error::Frame(FrameError::Version(2))));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_and_a_busy_one_does_not() {
    let limits = Limits { idle: Some(Duration::from_secs(60)), ..Limits::default() };
    let (mut hand, (server, _incoming)) = Hand::new(limits);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(45)).await;
        hand.control(&Control::Ping(1)).await;
        hand.event().await.unwrap();
    }
    let start = tokio::time::Instant::now();
    assert!(matches!(server.closed().await, Error::Idle));
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(59) && took < Duration::from_secs(62), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_gets_no_reply_is_given_up() {
    let (near, _far) = duplex(1024);
    let (client, _incoming) = Connection::client(near, Limits::default());
    assert!(matches!(client.open(Headers::new(), false).await, Err(Error::NoReply(1))));
    assert_eq!(client.streams(), 0);
}
