//! A network namespace for one test: its «host». Commands run in it; what they make of networks is seen by
//! Debian's `ip` and `nft`, and goes with it.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};

use crate::{Invocation, Outcome};

/// Kept by a descriptor; it goes when nobody is in it any more.
#[derive(Debug)]
pub struct NetworkNamespace {
    descriptor: OwnedFd,
}

impl NetworkNamespace {
    /// A new one with `lo` up and an address beside it, 198.51.100.2. Nothing leads further: what is not in there
    /// can't be reached, and that shows at once.
    #[expect(clippy::new_without_default, reason = "it makes something in the kernel")]
    pub fn new() -> Self {
        let namespace = Self::bare();
        let pair = ["link", "add", "uplink", "type", "veth", "peer", "name", "world"];
        namespace.run("ip", pair).succeeds();
        namespace.run("ip", ["address", "add", "198.51.100.2/24", "dev", "uplink"]).succeeds();
        for end in ["uplink", "world"] {
            namespace.run("ip", ["link", "set", end, "up"]).succeeds();
        }
        namespace
    }

    /// A new one with nothing but `lo`, up.
    pub fn bare() -> Self {
        // A thread of its own is the only part of this process that changes its namespace.
        let descriptor = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("tests run as root");
            File::open("/proc/thread-self/ns/net").expect("procfs is mounted")
        });
        let descriptor = descriptor.join().expect("the thread does not panic").into();
        let namespace = Self { descriptor };
        namespace.run("ip", ["link", "set", "lo", "up"]).succeeds();
        namespace
    }

    /// The one that a process is in, a container's for example.
    pub fn of(pid: i32) -> Self {
        let file = File::open(format!("/proc/{pid}/ns/net")).expect("the process runs");
        Self { descriptor: file.into() }
    }

    /// What `work` returns, done in it: sockets that it opens stay there.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let working = scope.spawn(|| {
                setns(self.descriptor.as_fd(), CloneFlags::CLONE_NEWNET).expect("it can be joined");
                work()
            });
            working.join().expect("the thread does not panic")
        })
    }

    /// Moves a device to another namespace.
    pub fn give(&self, device: &str, other: &Self) {
        let number = other.descriptor.as_raw_fd();
        let path = format!("/proc/{}/fd/{number}", std::process::id());
        self.run("ip", ["link", "set", device, "netns", &path]).succeeds();
    }

    /// Runs a program in it.
    #[track_caller]
    pub fn run<const N: usize>(&self, program: &str, args: [&str; N]) -> Outcome {
        Invocation::new(program, args).within(self).run()
    }

    /// A socket that listens in it.
    pub fn listener(&self, address: &str) -> TcpListener {
        self.within(|| TcpListener::bind(address).expect("the address is free"))
    }

    /// A datagram socket bound in it, which waits for ten seconds at most.
    pub fn datagrams(&self, address: &str) -> UdpSocket {
        let socket = self.within(|| UdpSocket::bind(address).expect("the address is free"));
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("it can be bounded");
        socket
    }

    /// Devices in it but for its own two.
    pub fn devices(&self) -> Vec<String> {
        let listed = self.run("ip", ["-j", "link", "show"]);
        let links: serde_json::Value = listed.succeeds().json();
        let names = links.as_array().expect("ip prints a list").iter();
        let names = names.filter_map(|link| link["ifname"].as_str().map(str::to_owned));
        names.filter(|name| !["lo", "uplink", "world"].contains(&name.as_str())).collect()
    }

    /// The firewall in it, as nft prints it.
    pub fn rules(&self) -> String {
        self.run("nft", ["list", "ruleset"]).succeeds().stdout.clone()
    }

    /// What a namespace's own file is called, for `--network ns:`.
    pub fn descriptor(&self) -> OwnedFd {
        self.descriptor.try_clone().expect("descriptors can be copied")
    }
}

/// Starts a command inside a namespace: it inherits that of the thread.
pub(crate) fn spawn(command: &mut Command, namespace: &OwnedFd) -> std::io::Result<Child> {
    thread::scope(|scope| {
        let spawned = scope.spawn(|| {
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)?;
            command.spawn()
        });
        spawned.join().expect("the thread does not panic")
    })
}
