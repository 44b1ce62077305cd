//! A network namespace for one test: its «host». Commands run in it; what they make of networks is seen by
//! Debian's `ip` and `nft`, and goes with it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use crate::{Invocation, Outcome};

/// Kept by a descriptor; it goes when nobody is in it any more.
#[derive(Debug)]
pub struct NetworkNamespace {
    descriptor: OwnedFd,
}

impl NetworkNamespace {
    /// A new one with `lo` up and an address to the outside that leads nowhere, so that it looks like a
    /// host's: a default route is there.
    #[expect(clippy::new_without_default, reason = "it makes something in the kernel")]
    pub fn new() -> Self {
        // A thread of its own is the only part of this process that changes its namespace.
        let descriptor = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).expect("tests run as root");
            File::open("/proc/thread-self/ns/net").expect("procfs is mounted")
        });
        let descriptor = descriptor.join().expect("the thread does not panic").into();
        let namespace = Self { descriptor };
        namespace.run("ip", ["link", "set", "lo", "up"]).succeeds();
        namespace
            .run("ip", ["link", "add", "uplink", "type", "veth", "peer", "name", "world"])
            .succeeds();
        namespace.run("ip", ["address", "add", "198.51.100.2/24", "dev", "uplink"]).succeeds();
        for end in ["uplink", "world"] {
            namespace.run("ip", ["link", "set", end, "up"]).succeeds();
        }
        namespace.run("ip", ["route", "add", "default", "via", "198.51.100.1"]).succeeds();
        namespace
    }

    /// Runs a program in it.
    #[track_caller]
    pub fn run<const N: usize>(&self, program: &str, args: [&str; N]) -> Outcome {
        Invocation::new(program, args).within(self).run()
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
