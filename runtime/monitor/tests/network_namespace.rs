//! A network namespace that is handed over with `Run`, and the rest of what is.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;

use isopod_monitor_protocol::message::{ErrorKind, Handed, Reply, Request};
use isopod_monitor_protocol::status::Phase;
use rustix::process::{Resource, getrlimit};
use support::net::{Namespace, Net, descriptors, idle_descriptors, ip};
use support::{Container, OUT, read};

fn inode(fd: impl AsFd) -> u64 {
    rustix::fs::fstat(fd).unwrap().st_ino
}

fn inode_of(pid: i32) -> u64 {
    std::fs::metadata(format!("/proc/{pid}/ns/net")).unwrap().ino()
}

fn namespace(container: &Container) -> File {
    let mut connection = container.connect();
    assert_eq!(connection.ask(Request::NetworkNamespace).unwrap(), Reply::Ok);
    File::from(connection.take_descriptors().pop().unwrap())
}

#[test]
fn a_container_runs_in_the_namespace_that_was_handed_over() {
    let mut net = Net::new(&["sleep", "1000"]);
    net.inside.within(|| ip("addr add 198.51.100.7 dev lo"));
    let running = net.run(None);
    assert_eq!(inode_of(running.pid), inode(net.inside.as_fd()));
    // An exec is there too, and the monitor isn't: what it connects to, it connects to from the host.
    let mut connection = net.container.connect();
    let process = support::process(&["busybox", "ip", "-o", "addr"]);
    let request = Request::Exec { exec_id: "e".into(), process, streams: OUT, size: None };
    assert!(matches!(connection.ask(request).unwrap(), Reply::Started { .. }));
    let streams: Vec<String> =
        connection.take_descriptors().into_iter().map(|fd| read(File::from(fd))).collect();
    assert!(streams[0].contains("198.51.100.7"), "{streams:?}");
    assert_eq!(inode_of(net.container.monitor_pid()), inode(net.host.as_fd()));
    assert_eq!(inode(namespace(&net.container)), inode(net.inside.as_fd()));
    net.end(running);
}

#[test]
fn the_namespace_stays_as_long_as_the_monitor_and_no_longer() {
    let mut net = Net::new(&["sleep", "1000"]);
    let running = net.run(None);
    let monitor = net.container.monitor_pid();
    let held = |inode: u64| {
        let all = std::fs::read_dir(format!("/proc/{monitor}/fd")).unwrap();
        let links = all.map(|fd| std::fs::read_link(fd.unwrap().path()).unwrap());
        links.filter(|link| link.to_str() == Some(&format!("net:[{inode}]"))).count()
    };
    assert_eq!(held(inode(net.inside.as_fd())), 1);
    // No descriptor of it is in the container.
    assert_eq!(descriptors(running.pid), 3);
    net.end(running);
}

#[test]
fn a_namespace_of_its_own_is_told_and_the_hosts_is_not() {
    let container = Container::new(&["sleep", "1000"]);
    let running = container.run(None);
    assert_eq!(inode(namespace(&container)), inode_of(running.pid));
    container.kill();
    running.exit();
    container.wait_until_gone();

    let container = Container::new(&["sleep", "1000"]).with(|_, spec| {
        let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|namespace| namespace["type"] != "network");
    });
    let running = container.run(None);
    let reply = container.ask(Request::NetworkNamespace);
    assert!(matches!(reply, Reply::Error { kind: ErrorKind::Invalid, .. }), "{reply:?}");
    container.kill();
    running.exit();
    container.wait_until_gone();
}

#[test]
fn what_is_handed_over_must_be_what_was_announced() {
    let refused = |container: &Container, handed: &[(Handed, BorrowedFd<'_>)]| {
        let (_, message) = container.run_with(None, handed).err().expect("refused");
        container.wait_until_gone();
        assert_eq!(container.status().phase, Phase::Failed);
        assert!(container.leftovers().iter().all(|l| l.starts_with("cgroup")), "{message}");
        message
    };
    let inside = Namespace::new();
    let fd = inside.as_fd();
    let plain = Container::new(&["true"]);
    let message = refused(&plain, &[(Handed::NetworkNamespace, fd)]);
    assert!(message.contains("doesn't name"), "{message}");
    let twice = [(Handed::NetworkNamespace, fd), (Handed::NetworkNamespace, fd)];
    assert!(refused(&plain, &twice).contains("twice"));
    assert!(refused(&plain, &[(Handed::Forward, fd)]).contains("0 forwards"));
    assert!(refused(&plain, &[(Handed::ResolverStream, fd)]).contains("name server"));
    let net = Net::new(&["true"]);
    assert!(refused(&net.container, &[]).contains("not handed over"));
    let named = Net::new(&["true"]).with_names("");
    let message = refused(&named.container, &[(Handed::NetworkNamespace, named.inside.as_fd())]);
    assert!(message.contains("disagree about the name server"), "{message}");
}

#[test]
fn only_the_first_connection_may_hand_over() {
    let net = &mut Net::new(&["sleep", "1000"]);
    let running = net.run(None);
    let monitor = net.container.monitor_pid();
    let before = idle_descriptors(monitor);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let many = vec![socket.as_fd(); 2000];
    let mut connections: Vec<_> = (0..4).map(|_| net.container.connect()).collect();
    for connection in &mut connections {
        let handed = vec![Handed::Forward; many.len()];
        let run = Request::Run { attach: None, size: None, handed };
        let reply = connection.ask_with(run, &many).unwrap();
        assert!(matches!(reply, Reply::Error { kind: ErrorKind::Invalid, .. }), "{reply:?}");
    }
    assert_eq!(descriptors(monitor), before + connections.len());
    drop(connections);
    net.container.kill();
    running.exit();
    net.container.wait_until_gone();
}

#[test]
fn two_thousand_ports_are_held_and_the_containers_limit_is_its_callers() {
    // This process needs to have them first.
    let mut limit = getrlimit(Resource::Nofile);
    let soft = limit.current;
    limit.current = limit.maximum;
    rustix::process::setrlimit(Resource::Nofile, limit.clone()).unwrap();
    let mut net = Net::new(&["sh", "-c", "ulimit -n; sleep 1000"]);
    for _ in 0..2000 {
        net = net.with_tcp("127.0.0.1:0", "127.0.0.1:9".parse().unwrap());
    }
    let first = net.container.launch.forwards[0].host;
    limit.current = soft;
    // The sockets above stay; new ones have to do with less, as in a shell.
    rustix::process::setrlimit(Resource::Nofile, limit).unwrap();
    let mut running = net.run(Some(OUT));
    let text = support::read_until(&mut running.streams[0], "\n");
    assert_eq!(text.trim().parse().ok(), soft);
    assert!(descriptors(net.container.monitor_pid()) > 2000);
    let bind = || TcpListener::bind(first);
    assert!(net.host.within(bind).is_err(), "the port is held");
    net.container.kill();
    let host = net.host;
    running.exit();
    // Whoever is told of the end can have the port at once.
    host.within(bind).unwrap();
    net.container.wait_until_gone();
}
