//! The older forms of channels in a WebSocket, against Python's library, which the Kubernetes client for Python uses.
//!
//! `scripts/setup --tests` unpacks it.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use isopod_streaming::Config;
use serde_json::Value;
use support::{Running, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

struct Talk {
    subprotocol: Option<String>,
    pongs: u64,
    close: u64,
    channels: BTreeMap<u8, Vec<u8>>,
}

async fn talk(url: &str, subprotocol: &str, channel: u8, size: usize, pings: usize) -> Talk {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let library = here.join("../../target/peers/clients");
    assert!(library.exists(), "{} is missing: scripts/setup --tests", library.display());
    let output = Command::new("/usr/bin/python3")
        .arg(here.join("tests/support/talk.py"))
        .args([url, subprotocol, &channel.to_string(), &size.to_string(), &pings.to_string()])
        .env("PYTHONPATH", library)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .kill_on_drop(true)
        .output();
    let output = soon(output).await.unwrap();
    assert!(output.status.success(), "{subprotocol}: {}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let channels = said["channels"].as_object().unwrap().iter();
    Talk {
        subprotocol: said["subprotocol"].as_str().map(str::to_owned),
        pongs: said["pongs"].as_u64().unwrap(),
        close: said["close"].as_u64().unwrap(),
        channels: channels
            .map(|(number, data)| {
                let data = STANDARD.decode(data.as_str().unwrap()).unwrap();
                (number.parse().unwrap(), data)
            })
            .collect(),
    }
}

fn counted(size: usize) -> Vec<u8> {
    (0..size).map(|number| (number % 251) as u8).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_older_form_carries_a_command() {
    let server = Running::start(Config::default()).await;
    let json = r#"{"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status 3","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}"#;
    let words = "command terminated with non-zero exit code: exit status 3";
    for (subprotocol, error) in [
        ("v4.channel.k8s.io", json),
        ("v4.base64.channel.k8s.io", json),
        ("channel.k8s.io", words),
        ("base64.channel.k8s.io", words),
        ("", words),
    ] {
        // In one message of a megabyte, as that client sends a file.
        let size = 1_000_001;
        let script = format!("head -c {size}; echo careful >&2; exit 3");
        let url = server.exec(&["sh", "-c", &script], true, false);
        let talk = talk(&url, subprotocol, 0, size, 3).await;
        assert_eq!(talk.subprotocol.unwrap_or_default(), subprotocol);
        assert!(talk.channels[&1] == counted(size), "{subprotocol}: {}", talk.channels[&1].len());
        assert_eq!(talk.channels[&2], b"careful\n", "{subprotocol}");
        assert_eq!(String::from_utf8_lossy(&talk.channels[&3]), error, "{subprotocol}");
        assert_eq!((talk.pongs, talk.close), (3, 1000), "{subprotocol}");
    }
}

#[tokio::test]
async fn the_first_message_says_that_the_session_is_there() {
    let server = Running::start(Config::default()).await;
    let url = server.exec(&["true"], false, false);
    let talk = talk(&url, "v4.channel.k8s.io", 0, 0, 0).await;
    assert_eq!(talk.channels[&1], b"");
    assert_eq!(talk.channels[&3], br#"{"metadata":{},"status":"Success"}"#);
}

/// Gives back what comes, as it comes, until it has given so many bytes; then ends.
async fn parrot(bytes: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = vec![0; bytes];
        stream.read_exact(&mut all).await.unwrap();
        stream.write_all(&all).await.unwrap();
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_have_channels_of_their_own() {
    let server = Running::start(Config::default()).await;
    for subprotocol in ["v4.channel.k8s.io", "v4.base64.channel.k8s.io", ""] {
        let (idle, spoken) = (parrot(0).await, parrot(100_000).await);
        let url = server.port_forward(&[i32::from(idle), i32::from(spoken)]);
        let talk = talk(&url, subprotocol, 2, 100_000, 0).await;
        let (idle, spoken) = (idle.to_le_bytes(), spoken.to_le_bytes());
        assert_eq!((&talk.channels[&0][..], &talk.channels[&1][..]), (&idle[..], &idle[..]));
        assert_eq!(talk.channels[&3], spoken, "{subprotocol}: no complaint");
        assert_eq!(talk.channels[&2][..2], spoken);
        assert!(talk.channels[&2][2..] == counted(100_000), "{subprotocol}");
        assert_eq!(talk.close, 1000);
    }
}
