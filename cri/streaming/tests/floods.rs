//! Clients that flood cost no memory, descriptor or task (security row 9).

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod support;

use std::fs;
use std::sync::atomic::Ordering;

use isopod_streaming::client::{Connector, RemoteCommand, Transport};
use isopod_streaming::{Config, TerminalSize};
use support::{Running, soon, until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Mutex;

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// What is counted is the whole process's: one test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

const ALL: RemoteCommand = RemoteCommand { stdin: true, stdout: true, stderr: true, tty: false };

#[tokio::test(flavor = "multi_thread")]
async fn row_09_a_thousand_sessions_leave_nothing_behind() {
    let _alone = ALONE.lock().await;
    let server = Running::start(Config::default()).await;
    let round = async |number: usize| {
        let transport =
            if number.is_multiple_of(2) { Transport::Spdy } else { Transport::WebSocket };
        let connector = Connector::new(transport);
        match number % 5 {
            // Nobody comes for it.
            0 => drop(server.exec(&["true"], true, false)),
            // A client that goes in the middle.
            1 => {
                let url = server.exec(&["sleep", "1000"], true, false);
                drop(connector.remote_command(&url, ALL).await.unwrap());
            }
            // One that says half a request.
            2 => {
                let mut stream = TcpStream::connect(server.address).await.unwrap();
                stream.write_all(b"POST /exec/x HTTP/1.1\r\n").await.unwrap();
            }
            // One with another token.
            3 => {
                let url = format!("http://{}/exec/guess{number}", server.address);
                assert!(connector.remote_command(&url, ALL).await.is_err());
            }
            // One that does as it should.
            _ => {
                let url = server.exec(&["true"], true, false);
                let mut session = connector.remote_command(&url, ALL).await.unwrap();
                soon(session.outcome()).await.unwrap();
            }
        }
    };
    for number in 0..50 {
        round(number).await;
    }
    until(|| server.streaming.sessions() == 0).await;
    let (files, memory, alive) = (descriptors(), resident_kib(), tasks());
    for number in 0..1000 {
        round(number).await;
    }
    until(|| server.streaming.sessions() == 0).await;
    until(|| server.host.running.load(Ordering::SeqCst) == 0).await;
    // What lingers for the peer's last word is over then.
    until(|| descriptors() <= files && tasks() <= alive).await;
    let grown = resident_kib().saturating_sub(memory);
    assert!(grown < 8 * 1024, "{grown} KiB more after a thousand sessions");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_09_what_nobody_reads_waits_in_the_client() {
    let _alone = ALONE.lock().await;
    let server = Running::start(Config::default()).await;
    let before = resident_kib();
    let mut feeding = Vec::new();
    for number in 0..40_usize {
        let transport =
            if number.is_multiple_of(2) { Transport::Spdy } else { Transport::WebSocket };
        // Reads nothing of its input.
        let url = server.exec(&["sleep", "1000"], true, false);
        let mut session = Connector::new(transport).remote_command(&url, ALL).await.unwrap();
        let mut stdin = session.stdin.take().unwrap();
        feeding.push(tokio::spawn(async move {
            let mut fed = 0_usize;
            let chunk = vec![0; 64 * 1024];
            // The kernel's buffers take some megabytes; beyond, it waits.
            while fed < 64 << 20 {
                let write = stdin.write_all(&chunk);
                if tokio::time::timeout(std::time::Duration::from_secs(2), write).await.is_err() {
                    break;
                }
                fed += chunk.len();
            }
            (fed, session)
        }));
    }
    let mut sessions = Vec::new();
    for one in feeding {
        let (fed, session) = soon(one).await.unwrap();
        assert!(fed < 32 << 20, "{fed} bytes were taken of a session whose command reads nothing");
        sessions.push(session);
    }
    let grown = resident_kib().saturating_sub(before);
    // Both ends are in this process: a session may hold some hundred KiB.
    assert!(grown < 40 * 1536, "{grown} KiB for 40 sessions");
}

#[tokio::test(flavor = "multi_thread")]
async fn row_09_a_flood_of_sizes_is_only_the_newest() {
    let _alone = ALONE.lock().await;
    let server = Running::start(Config::default()).await;
    let before = resident_kib();
    for transport in [Transport::Spdy, Transport::WebSocket] {
        // A command that never looks at its terminal's size.
        let url = server.exec(&["sleep", "1000"], true, true);
        let wanted = RemoteCommand { stderr: false, tty: true, ..ALL };
        let mut session = Connector::new(transport).remote_command(&url, wanted).await.unwrap();
        let mut resizer = session.resizer.take().unwrap();
        for number in 0..100_000_u32 {
            let size = TerminalSize { width: number as u16, height: 1 };
            soon(resizer.resize(size)).await.unwrap();
        }
        drop((session, resizer));
        until(|| server.streaming.sessions() == 0).await;
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB after 200,000 sizes");
}
