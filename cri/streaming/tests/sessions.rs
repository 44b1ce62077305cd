//! Our client against our server, over both transports. That both speak what others speak is held by `peers.rs`.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod support;

use std::sync::atomic::Ordering;

use isopod_streaming::client::{ClientError, Connector, RemoteCommand, Session, Transport};
use isopod_streaming::{Config, Outcome, TerminalSize};
use support::{Running, echo_server, soon, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BOTH: [Transport; 2] = [Transport::Spdy, Transport::WebSocket];
const ALL: RemoteCommand = RemoteCommand { stdin: true, stdout: true, stderr: true, tty: false };

/// Feeds a session and reads it out.
async fn talk(mut session: Session, input: Vec<u8>) -> (Vec<u8>, Vec<u8>, Outcome) {
    let stdin = session.stdin.take();
    let feeding = tokio::spawn(async move {
        if let Some(mut stdin) = stdin {
            // The command may end before it has read all.
            let _ = stdin.write_all(&input).await;
            let _ = stdin.shutdown().await;
        }
    });
    let (mut stdout, mut stderr) = (session.stdout.take().unwrap(), session.stderr.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let reading = async { stdout.read_to_end(&mut out).await.unwrap() };
    let complaints = async {
        if let Some(stderr) = &mut stderr {
            stderr.read_to_end(&mut err).await.unwrap();
        }
    };
    let (outcome, _, ()) =
        soon(async { tokio::join!(session.outcome(), reading, complaints) }).await;
    soon(feeding).await.unwrap();
    (out, err, outcome.unwrap())
}

#[tokio::test]
async fn a_command_gets_its_input_and_gives_output_errors_and_status() {
    let server = Running::start(Config::default()).await;
    for transport in BOTH {
        let script = "cat; echo careful >&2; exit 3";
        let url = server.exec(&["sh", "-c", script], true, false);
        let session = Connector::new(transport).remote_command(&url, ALL).await.unwrap();
        let (out, err, outcome) = talk(session, b"hello\n".to_vec()).await;
        assert_eq!((&out[..], &err[..]), (&b"hello\n"[..], &b"careful\n"[..]), "{transport:?}");
        assert_eq!(outcome, Outcome::Exited(3), "{transport:?}");
    }
    until(|| server.streaming.sessions() == 0).await;
}

#[tokio::test]
async fn thousands_of_kilobytes_come_through_in_both_directions_at_once() {
    let server = Running::start(Config::default()).await;
    let input: Vec<u8> = (0..6_000_000_u32).map(|n| (n * 31 % 251) as u8).collect();
    for transport in BOTH {
        let url = server.exec(&["cat"], true, false);
        let session = Connector::new(transport).remote_command(&url, ALL).await.unwrap();
        let (out, err, outcome) = talk(session, input.clone()).await;
        assert!(out == input, "{transport:?}: {} of {} bytes", out.len(), input.len());
        assert_eq!((err.len(), outcome), (0, Outcome::Success));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_sessions_burst_at_once() {
    let server = Running::start(Config::default()).await;
    let script = "head -c 2000000 /dev/zero; head -c 1000000 /dev/zero >&2; exit 7";
    let mut all = Vec::new();
    for number in 0..20 {
        let url = server.exec(&["sh", "-c", script], false, false);
        all.push(tokio::spawn(async move {
            let wanted = RemoteCommand { stdin: false, ..ALL };
            let connector = Connector::new(BOTH[number % 2]);
            let session = connector.remote_command(&url, wanted).await.unwrap();
            let (out, err, outcome) = talk(session, Vec::new()).await;
            assert_eq!((out.len(), err.len(), outcome), (2_000_000, 1_000_000, Outcome::Exited(7)));
        }));
    }
    for one in all {
        soon(one).await.unwrap();
    }
    until(|| server.streaming.sessions() == 0).await;
}

#[tokio::test]
async fn what_cannot_be_run_is_said_in_words() {
    let server = Running::start(Config::default()).await;
    for transport in BOTH {
        let session =
            Connector::new(transport).remote_command(&server.attach("missing"), ALL).await.unwrap();
        let (out, _, outcome) = talk(session, Vec::new()).await;
        let words =
            "Internal error occurred: error attaching to container: no such container: missing";
        assert_eq!((out.len(), outcome), (0, Outcome::Failed(words.to_owned())), "{transport:?}");
    }
}

#[tokio::test]
async fn an_attachment_ends_with_success() {
    let server = Running::start(Config::default()).await;
    for transport in BOTH {
        let url = server.attach("here");
        let session = Connector::new(transport).remote_command(&url, ALL).await.unwrap();
        let (out, err, outcome) = talk(session, b"typed\n".to_vec()).await;
        assert_eq!(String::from_utf8(out).unwrap(), "attached\ntyped\n");
        assert_eq!((&err[..], outcome), (&b"gone\n"[..], Outcome::Success), "{transport:?}");
    }
}

#[tokio::test]
async fn the_size_of_a_terminal_arrives() {
    let server = Running::start(Config::default()).await;
    for transport in BOTH {
        let url = server.exec(&["sizes"], false, true);
        let wanted = RemoteCommand { stdout: true, tty: true, ..RemoteCommand::default() };
        let mut session = Connector::new(transport).remote_command(&url, wanted).await.unwrap();
        let mut resizer = session.resizer.take().unwrap();
        let mut stdout = session.stdout.take().unwrap();
        for (width, height) in [(80, 24), (132, 50)] {
            resizer.resize(TerminalSize { width, height }).await.unwrap();
            let expected = format!("{width}x{height}\n");
            let mut line = vec![0; expected.len()];
            soon(stdout.read_exact(&mut line)).await.unwrap();
            assert_eq!(String::from_utf8(line).unwrap(), expected, "{transport:?}");
        }
        assert_eq!(soon(session.outcome()).await.unwrap(), Outcome::Success);
    }
}

#[tokio::test]
async fn ports_are_forwarded_many_connections_at_once() {
    let server = Running::start(Config::default()).await;
    let port = echo_server().await;
    for transport in BOTH {
        let url = server.port_forward(&[]);
        let forwarder = Connector::new(transport).port_forward(&url).await.unwrap();
        let each = async |number: usize| {
            let forwarded = forwarder.open(port).await.unwrap();
            let sent = vec![number as u8; 50_000 + number];
            let (mut read, mut write) = tokio::io::split(forwarded.data);
            let writing = async {
                write.write_all(&sent).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let mut got = Vec::new();
            let reading = async { read.read_to_end(&mut got).await.unwrap() };
            tokio::join!(writing, reading);
            assert!(got.starts_with(b"got:") && got[4..] == sent, "{}", got.len());
        };
        let all: Vec<_> = (0..50).map(each).collect();
        soon(async {
            let mut all: Vec<_> = all.into_iter().map(Box::pin).collect();
            std::future::poll_fn(|cx| {
                all.retain_mut(|one| one.as_mut().poll(cx).is_pending());
                if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
        })
        .await;
    }
    until(|| server.streaming.sessions() == 0).await;
    assert_eq!(server.host.running.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_port_where_nothing_answers_is_a_complaint_and_others_go_on() {
    let server = Running::start(Config::default()).await;
    let port = echo_server().await;
    // A port that was free a moment ago, and is nobody's.
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = free.local_addr().unwrap().port();
    drop(free);
    for transport in BOTH {
        let url = server.port_forward(&[]);
        let forwarder = Connector::new(transport).port_forward(&url).await.unwrap();
        let failed = forwarder.open(closed).await.unwrap();
        let complaint = soon(failed.complaint()).await.unwrap().unwrap();
        let expected = format!("error forwarding port {closed} to pod pod: Connection refused");
        assert!(complaint.starts_with(&expected), "{complaint}");
        let (mut near, far) = tokio::io::duplex(100);
        let (carried, got) = soon(async {
            tokio::join!(forwarder.carry(port, far), async {
                near.write_all(b"x").await.unwrap();
                near.shutdown().await.unwrap();
                let mut got = Vec::new();
                near.read_to_end(&mut got).await.unwrap();
                got
            })
        })
        .await;
        carried.unwrap();
        assert_eq!(got, b"got:x");
    }
}

#[tokio::test]
async fn an_address_works_once() {
    let server = Running::start(Config::default()).await;
    let url = server.exec(&["true"], false, false);
    let connector = Connector::new(Transport::Spdy);
    let wanted = RemoteCommand { stdin: false, ..ALL };
    let session = connector.remote_command(&url, wanted).await.unwrap();
    assert_eq!(talk(session, Vec::new()).await.2, Outcome::Success);
    let again = connector.remote_command(&url, wanted).await.err().unwrap();
    assert!(matches!(again, ClientError::Refused { status: 404, .. }), "{again}");
    // Nor does the token of one kind open another.
    let other = server.exec(&["true"], false, false).replace("/exec/", "/attach/");
    let refused = connector.remote_command(&other, wanted).await.err().unwrap();
    assert!(matches!(refused, ClientError::Refused { status: 404, .. }), "{refused}");
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_command_with_it() {
    let server = Running::start(Config::default()).await;
    for transport in BOTH {
        let url = server.exec(&["sleep", "1000"], true, false);
        let session = Connector::new(transport).remote_command(&url, ALL).await.unwrap();
        until(|| server.host.running.load(Ordering::SeqCst) == 1).await;
        drop(session);
        until(|| server.host.running.load(Ordering::SeqCst) == 0).await;
        until(|| server.streaming.sessions() == 0).await;
    }
}

#[tokio::test]
async fn stopping_cuts_off_what_goes_on() {
    let mut server = Running::start(Config::default()).await;
    let mut sessions = Vec::new();
    for transport in BOTH {
        let url = server.exec(&["sleep", "1000"], true, false);
        sessions.push(Connector::new(transport).remote_command(&url, ALL).await.unwrap());
    }
    until(|| server.host.running.load(Ordering::SeqCst) == 2).await;
    let later = server.exec(&["true"], false, false);
    server.stop().await;
    assert_eq!(server.host.running.load(Ordering::SeqCst), 0);
    for mut session in sessions {
        let outcome = soon(session.outcome()).await.unwrap();
        let words = "Internal error occurred: the streaming server was stopped";
        assert_eq!(outcome, Outcome::Failed(words.to_owned()));
    }
    let connector = Connector::new(Transport::Spdy);
    let refused = connector.remote_command(&later, ALL).await.err().unwrap();
    assert!(matches!(refused, ClientError::Connection(..)), "{refused}");
}
