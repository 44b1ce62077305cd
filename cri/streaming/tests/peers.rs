//! Kubernetes' own client against our server: an old one that speaks SPDY, and a new one that speaks both.
//!
//! `scripts/setup --tests` unpacks them. What is expected is what they print with any cluster.

#![allow(clippy::unwrap_used, reason = "all of this is a test")]

mod support;

use std::path::PathBuf;
use std::process::{Output, Stdio};

use isopod_streaming::Config;
use support::{Running, api, echo_server, soon};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

/// A client, and whether it is to use WebSockets.
#[derive(Clone, Copy, Debug)]
struct Client {
    release: &'static str,
    websockets: bool,
}

/// 1.20 knows nothing but SPDY; 1.36 is told.
const CLIENTS: [Client; 3] = [
    Client { release: "bookworm", websockets: false },
    Client { release: "sid", websockets: false },
    Client { release: "sid", websockets: true },
];

struct Cluster {
    _server: Running,
    port: u16,
    upgrades: api::Upgrades,
    home: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let server = Running::start(Config::default()).await;
        let (port, upgrades) = api::serve(server.streaming.clone()).await;
        Self { _server: server, port, upgrades, home: tempfile::tempdir().unwrap() }
    }

    /// What the client asked for since the last time: it must not have fallen back to something else.
    fn spoke(&self, client: Client, websocket: &str) {
        let asked = std::mem::take(&mut *self.upgrades.lock().unwrap());
        let expected = if client.websockets {
            format!("websocket {websocket}")
        } else {
            "SPDY/3.1 ".to_owned()
        };
        assert_eq!(asked, [expected], "{client:?}");
    }

    fn kubectl(&self, client: Client, arguments: &[&str]) -> Command {
        let top = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let program = top.join("target/peers/clients/kubectl").join(client.release).join("kubectl");
        assert!(program.exists(), "{} is missing: scripts/setup --tests", program.display());
        let websockets = client.websockets.to_string();
        let mut command = Command::new(program);
        command
            .args([&format!("--server=http://127.0.0.1:{}", self.port), "--namespace=default"])
            .args(arguments)
            .env_clear()
            .env("HOME", self.home.path())
            .env("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", &websockets)
            .env("KUBECTL_PORT_FORWARD_WEBSOCKETS", &websockets)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, client: Client, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = self.kubectl(client, arguments).spawn().unwrap();
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
        tokio::spawn(async move {
            let _ = stdin.write_all(&input).await;
        });
        soon(child.wait_with_output()).await.unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_carries_input_output_errors_and_status() {
    let cluster = Cluster::start().await;
    for client in CLIENTS {
        let script = "cat; echo careful >&2; exit 3";
        let arguments = ["exec", "-i", "x", "-c", "c", "--", "sh", "-c", script];
        let output = cluster.run(client, &arguments, b"hello\n").await;
        assert_eq!(text(&output.stdout), "hello\n", "{client:?}: {output:?}");
        assert_eq!(
            text(&output.stderr),
            "careful\ncommand terminated with exit code 3\n",
            "{client:?}"
        );
        assert_eq!(output.status.code(), Some(3), "{client:?}");
        cluster.spoke(client, "v5.channel.k8s.io");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exec_without_input_succeeds() {
    let cluster = Cluster::start().await;
    for client in CLIENTS {
        let arguments = ["exec", "x", "-c", "c", "--", "echo", "a", "b  c"];
        let output = cluster.run(client, &arguments, b"").await;
        assert_eq!(text(&output.stdout), "a b  c\n", "{client:?}: {output:?}");
        assert_eq!((text(&output.stderr), output.status.code()), (String::new(), Some(0)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn megabytes_go_through_in_both_directions() {
    let cluster = Cluster::start().await;
    let input: Vec<u8> = (0..8_000_000_u32).map(|n| (n * 17 % 249) as u8).collect();
    for client in CLIENTS {
        let arguments = ["exec", "-i", "x", "-c", "c", "--", "cat"];
        let output = cluster.run(client, &arguments, &input).await;
        assert!(
            output.stdout == input,
            "{client:?}: {} of {} bytes, {}",
            output.stdout.len(),
            input.len(),
            text(&output.stderr)
        );
        assert_eq!(output.status.code(), Some(0), "{client:?}");
        cluster.spoke(client, "v5.channel.k8s.io");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_is_an_error_of_the_server() {
    let cluster = Cluster::start().await;
    for client in CLIENTS {
        let arguments = ["exec", "x", "-c", "c", "--", "/no/such/program"];
        let output = cluster.run(client, &arguments, b"").await;
        let words = "Internal error occurred: error executing command in container: No such file";
        assert!(text(&output.stderr).contains(words), "{client:?}: {output:?}");
        assert_eq!(output.status.code(), Some(1), "{client:?}");
        cluster.spoke(client, "v5.channel.k8s.io");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attach_carries_the_containers_own_streams() {
    let cluster = Cluster::start().await;
    for client in CLIENTS {
        let arguments = ["attach", "-i", "x", "-c", "c"];
        let output = cluster.run(client, &arguments, b"typed\n").await;
        assert_eq!(text(&output.stdout), "attached\ntyped\n", "{client:?}: {output:?}");
        assert!(text(&output.stderr).ends_with("gone\n"), "{client:?}: {output:?}");
        assert_eq!(output.status.code(), Some(0), "{client:?}");
        cluster.spoke(client, "v5.channel.k8s.io");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn port_forward_carries_many_connections_and_outlives_a_reset() {
    let cluster = Cluster::start().await;
    let target = echo_server().await;
    for client in CLIENTS {
        let arguments = ["port-forward", "--address=127.0.0.1", "pod/x", &format!(":{target}")];
        let mut child = cluster.kubectl(client, &arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = soon(lines.next_line()).await.unwrap().unwrap_or_default();
        let port =
            line.strip_prefix("Forwarding from 127.0.0.1:").and_then(|l| l.split(' ').next());
        let port: u16 = port.unwrap_or_else(|| panic!("{client:?}: {line}")).parse().unwrap();
        // Its output must be read, or it stops.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        for round in 0..2 {
            let mut all = Vec::new();
            for number in 0..20_usize {
                all.push(tokio::spawn(async move {
                    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let sent = vec![number as u8; 100_000 + number];
                    stream.write_all(&sent).await.unwrap();
                    stream.shutdown().await.unwrap();
                    let mut got = Vec::new();
                    stream.read_to_end(&mut got).await.unwrap();
                    (got.starts_with(b"got:") && got[4..] == sent, got.len())
                }));
            }
            for one in all {
                let (right, length) = soon(one).await.unwrap();
                assert!(right, "{client:?}, round {round}: {length} bytes");
            }
            // A local client that goes without a word: the next round must not notice.
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            stream.set_zero_linger().unwrap();
            drop(stream);
        }
        assert!(child.try_wait().unwrap().is_none(), "{client:?}: it still runs");
        child.kill().await.unwrap();
        cluster.spoke(client, "SPDY/3.1+portforward.k8s.io");
    }
}
