//! A streaming server in front of this machine instead of containers: commands are processes, ports are loopback's.

#![allow(dead_code, reason = "each test uses a part")]

pub mod api;

use std::future::Future;
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use isopod_cri_protocol::v1::{AttachRequest, ExecRequest, PortForwardRequest};
use isopod_streaming::{Config, Duplex, Runtime, Server, Streaming, Streams};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What runs commands. The container `missing` isn't there.
#[derive(Clone, Default)]
pub struct Host {
    /// Calls that are under way.
    pub running: Arc<AtomicUsize>,
}

struct Counted(Arc<AtomicUsize>);

impl Host {
    fn count(&self) -> Counted {
        self.running.fetch_add(1, Ordering::SeqCst);
        Counted(self.running.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Runtime for Host {
    async fn exec(&self, request: ExecRequest, mut streams: Streams) -> Result<i32, String> {
        let _counted = self.count();
        if request.container_id == "missing" {
            return Err("no such container: missing".to_owned());
        }
        if request.cmd == ["sizes"] {
            // What a terminal would be told.
            let mut stdout = streams.stdout.take().ok_or("no stdout")?;
            for _ in 0..2 {
                let Some(size) = streams.resizes.next().await else { break };
                let line = format!("{}x{}\n", size.width, size.height);
                stdout.write_all(line.as_bytes()).await.map_err(|error| error.to_string())?;
            }
            return Ok(0);
        }
        run(&request.cmd, streams).await
    }

    async fn attach(&self, request: AttachRequest, streams: Streams) -> Result<(), String> {
        let _counted = self.count();
        if request.container_id == "missing" {
            return Err("no such container: missing".to_owned());
        }
        let main = ["sh", "-c", "echo attached; cat; echo gone >&2"].map(str::to_owned);
        run(&main, streams).await.map(|_| ())
    }

    async fn port_forward(
        &self,
        _pod: String,
        port: u16,
        stream: Box<dyn Duplex>,
    ) -> io::Result<()> {
        let _counted = self.count();
        let target = TcpStream::connect(("127.0.0.1", port)).await?;
        isopod_streaming::carry(stream, target).await
    }
}

async fn run(command: &[String], streams: Streams) -> Result<i32, String> {
    let words = |error: io::Error| error.to_string();
    let [program, arguments @ ..] = command else { return Err("no command".to_owned()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(if streams.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(words)?;
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feeding = tokio::spawn(async move {
        if let (Some(mut stdin), Some(mut input)) = (streams.stdin, input) {
            let _ = tokio::io::copy(&mut stdin, &mut input).await;
        }
    });
    let showing = async {
        if let (Some(mut stdout), Some(mut output)) = (streams.stdout, output) {
            let _ = tokio::io::copy(&mut output, &mut stdout).await;
        }
    };
    let complaining = async {
        if let (Some(mut stderr), Some(mut errors)) = (streams.stderr, errors) {
            let _ = tokio::io::copy(&mut errors, &mut stderr).await;
        }
    };
    tokio::join!(showing, complaining);
    let status = child.wait().await.map_err(words)?;
    feeding.abort();
    status.code().ok_or_else(|| "killed".to_owned())
}

/// A server that runs until it is dropped.
pub struct Running {
    pub streaming: Streaming<Host>,
    pub host: Host,
    pub address: std::net::SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    pub task: Option<JoinHandle<()>>,
}

impl Running {
    pub async fn start(config: Config) -> Self {
        let host = Host::default();
        let server = Server::bind(config, host.clone()).await.unwrap();
        let (streaming, address) = (server.streaming(), server.address());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(server.run(async {
            let _ = stopped.await;
        }));
        Self { streaming, host, address, stop: Some(stop), task: Some(task) }
    }

    /// Stops it, and waits until it has.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(task) = self.task.take() {
            soon(task).await.unwrap();
        }
    }

    pub fn exec(&self, command: &[&str], stdin: bool, tty: bool) -> String {
        let request = ExecRequest {
            container_id: "here".to_owned(),
            cmd: command.iter().map(|&word| word.to_owned()).collect(),
            tty,
            stdin,
            stdout: true,
            stderr: !tty,
        };
        self.streaming.url_for_exec(request).unwrap()
    }

    pub fn attach(&self, container: &str) -> String {
        let request = AttachRequest {
            container_id: container.to_owned(),
            stdin: true,
            tty: false,
            stdout: true,
            stderr: true,
        };
        self.streaming.url_for_attach(request).unwrap()
    }

    pub fn port_forward(&self, ports: &[i32]) -> String {
        let pod_sandbox_id = "pod".to_owned();
        let request = PortForwardRequest { pod_sandbox_id, port: ports.to_vec() };
        self.streaming.url_for_port_forward(request).unwrap()
    }
}

pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), what).await.expect("in time")
}

/// Polls until `holds`.
pub async fn until(holds: impl Fn() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// A TCP server that gives back, after the connection's end, what it got, with a word before it. Its port.
pub async fn echo_server() -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut all = b"got:".to_vec();
                stream.read_to_end(&mut all).await.unwrap();
                stream.write_all(&all).await.unwrap();
            });
        }
    });
    port
}
