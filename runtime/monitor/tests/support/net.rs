//! Network namespaces that a test makes for itself: one in the place of the host's, one that the
//! container gets. They go with their last descriptor.

use std::fs::File;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::process::Command;

use isopod_monitor_protocol::VERSION;
use isopod_monitor_protocol::launch::{Forward, Resolver};
use isopod_monitor_protocol::message::{ErrorKind, Handed, Streams};
use isopod_monitor_protocol::resolver::Names;
use nix::sched::{CloneFlags, setns, unshare};

use super::{Container, Running};

/// A network namespace with a loopback interface.
pub struct Namespace {
    file: File,
}

impl Namespace {
    pub fn new() -> Self {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            ip("link set lo up");
            File::open("/proc/thread-self/ns/net").unwrap()
        };
        Self { file: std::thread::spawn(make).join().unwrap() }
    }

    /// Does something in there, in a thread of its own.
    pub fn within<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let run = || {
                setns(&self.file, CloneFlags::CLONE_NEWNET).unwrap();
                act()
            };
            scope.spawn(run).join().unwrap()
        })
    }

    /// As [`Namespace::within`], for as long as it takes.
    pub fn serve(&self, act: impl FnOnce() + Send + 'static) {
        let file = self.file.try_clone().unwrap();
        std::thread::spawn(move || {
            setns(file, CloneFlags::CLONE_NEWNET).unwrap();
            act();
        });
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Runs `ip` in this thread's namespace.
pub fn ip(words: &str) {
    assert!(Command::new("ip").args(words.split_whitespace()).status().unwrap().success());
}

/// A host, a container in it, and what the one hands to the other.
pub struct Net {
    pub host: Namespace,
    pub inside: Namespace,
    pub container: Container,
    pub names: Names,
    ports: Vec<(Forward, Port)>,
    server: Option<(UdpSocket, TcpListener)>,
}

enum Port {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Net {
    /// `args` run in a namespace that is handed over.
    pub fn new(args: &[&str]) -> Self {
        let container = Container::new(args).with(|launch, spec| {
            let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
            let network = namespaces.iter_mut().find(|n| n["type"] == "network").unwrap();
            network["path"] = launch.state.join("netns").to_str().unwrap().into();
        });
        let names = Names { version: VERSION, ..Names::default() };
        let (host, inside) = (Namespace::new(), Namespace::new());
        Self { host, inside, container, names, ports: Vec::new(), server: None }
    }

    /// Moves a device of the host into the container's namespace.
    pub fn move_in(&self, device: &str) {
        std::thread::scope(|scope| {
            // A thread that waits in there is what `ip` knows the namespace by.
            let (tell, told) = std::sync::mpsc::channel();
            let (done, wait) = std::sync::mpsc::channel::<()>();
            let inside = &self.inside;
            scope.spawn(move || {
                inside.within(move || {
                    tell.send(rustix::thread::gettid()).unwrap();
                    wait.recv().ok();
                });
            });
            let thread = told.recv().unwrap().as_raw_nonzero();
            self.host.within(|| ip(&format!("link set {device} netns {thread}")));
            drop(done);
        });
    }

    fn file(&self, name: &str) -> PathBuf {
        self.container.path(name)
    }

    /// Replaces a file, as its writers do: at once.
    pub fn put(&self, name: &str, text: &str) {
        let new = self.file("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.file(name)).unwrap();
    }

    /// Gives it a name server, with one network that knows `names`.
    pub fn with_names(mut self, names: &str) -> Self {
        self.put("names", names);
        self.names.networks = vec![self.file("names")];
        self.names.host_config = self.file("resolv.conf");
        self.put_names();
        self.container.launch.resolver = Some(Resolver { names: self.file("resolver.json") });
        let bind = || {
            let address = "127.0.0.11:53";
            (UdpSocket::bind(address).unwrap(), TcpListener::bind(address).unwrap())
        };
        self.server = Some(self.inside.within(bind));
        self
    }

    pub fn with_servers(mut self, servers: &[&str]) -> Self {
        self.names.servers = servers.iter().map(|server| server.parse().unwrap()).collect();
        self.put_names();
        self
    }

    pub fn put_names(&self) {
        self.put("resolver.json", &serde_json::to_string(&self.names).unwrap());
    }

    pub fn with_tcp(self, host: &str, target: SocketAddr) -> Self {
        let socket = self.host.within(|| TcpListener::bind(host).unwrap());
        let address = socket.local_addr().unwrap();
        self.with_port("tcp", address, target, Port::Tcp(socket))
    }

    pub fn with_udp(self, host: &str, target: SocketAddr) -> Self {
        let socket = self.host.within(|| UdpSocket::bind(host).unwrap());
        let address = socket.local_addr().unwrap();
        self.with_port("udp", address, target, Port::Udp(socket))
    }

    fn with_port(
        mut self,
        protocol: &str,
        host: SocketAddr,
        target: SocketAddr,
        port: Port,
    ) -> Self {
        let forward = serde_json::json!({"protocol": protocol, "host": host, "target": target});
        let forward: Forward = serde_json::from_value(forward).unwrap();
        self.container.launch.forwards.push(forward);
        self.ports.push((forward, port));
        self
    }

    pub fn try_run(&mut self, attach: Option<Streams>) -> Result<Running, (ErrorKind, String)> {
        let mut handed = vec![(Handed::NetworkNamespace, self.inside.as_fd())];
        if let Some((datagram, stream)) = &self.server {
            handed.push((Handed::ResolverDatagram, datagram.as_fd()));
            handed.push((Handed::ResolverStream, stream.as_fd()));
        }
        for (_, port) in &self.ports {
            let socket = match port {
                Port::Tcp(socket) => socket.as_fd(),
                Port::Udp(socket) => socket.as_fd(),
            };
            handed.push((Handed::Forward, socket));
        }
        let container = &self.container;
        let running = self.host.within(|| container.run_with(attach, &handed));
        // What was handed over is the monitor's alone.
        self.server = None;
        self.ports.clear();
        running
    }

    pub fn run(&mut self, attach: Option<Streams>) -> Running {
        self.try_run(attach).unwrap()
    }

    /// Asks the name server by `dig`, in the container's namespace.
    pub fn dig(&self, words: &str) -> String {
        let dig = || {
            let words = words.split_whitespace();
            let fixed = ["@127.0.0.11", "+tries=1", "+time=10"];
            let output = Command::new("dig").args(fixed).args(words).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        self.inside.within(dig)
    }

    /// The container and its monitor are ended.
    pub fn end(self, running: Running) {
        self.container.kill();
        running.exit();
        self.container.wait_until_gone();
        assert_eq!(self.container.leftovers(), Vec::<String>::new());
    }
}

/// How many descriptors a process has.
pub fn descriptors(pid: i32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// How many descriptors a monitor has when it has nothing to do: those of what it has just done go a
/// moment after its answer.
pub fn idle_descriptors(pid: i32) -> usize {
    let sample = |_| {
        std::thread::sleep(std::time::Duration::from_millis(5));
        descriptors(pid)
    };
    (0..20).map(sample).min().unwrap()
}

/// Bytes of memory that a process has written to. Not what is dirty: of a program that was just linked,
/// pages of the file are.
pub fn private_memory(pid: i32) -> usize {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = rollup.lines().find(|line| line.starts_with("Anonymous:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

/// Waits until a process has nothing to do: one that is woken again and again by something it does
/// nothing about never sleeps.
pub fn until_asleep(pid: i32) {
    let sleeps = |_| {
        std::thread::sleep(std::time::Duration::from_millis(2));
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().starts_with('S')
    };
    super::eventually("the monitor sleeps", || (0..30).all(sleeps));
}
