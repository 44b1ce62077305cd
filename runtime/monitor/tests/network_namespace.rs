//! A network namespace that is handed over with `Run`, and the rest of what is.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;

use isopod_monitor_protocol::client::connect;
use isopod_monitor_protocol::frame::send;
use isopod_monitor_protocol::launch::Restart;
use isopod_monitor_protocol::message::{ErrorKind, Handed, Reply, Request};
use isopod_monitor_protocol::status::Phase;
use rustix::process::{Pid, Resource, Signal, getrlimit};
use support::net::{Namespace, Net, descriptors, idle_descriptors, ip};
use support::{Container, OUT, eventually, read};

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
fn a_restart_by_policy_finds_everything_in_its_place() {
    let target = "127.0.0.2:8080".parse().unwrap();
    let script = "busybox nslookup -type=a db 127.0.0.11 | grep Address: | grep 172; sleep 1000";
    let mut net = Net::new(&["sh", "-c", script])
        .with_names("172.18.0.2 db\n")
        .with_servers(&["127.0.0.99"])
        .with_tcp("127.0.0.1:0", target);
    net.container = net.container.with_json_log();
    net.container.launch.restart = Restart::Always;
    let address = net.container.launch.forwards[0].host;
    let running = net.run(None);
    let monitor = net.container.monitor_pid();
    let found = || {
        let log = std::fs::read_to_string(net.container.path("log")).unwrap_or_default();
        log.matches("Address: 172.18.0.2").count()
    };
    eventually("it finds a name", || found() == 1);
    let first = running.pid;
    let kill = Pid::from_raw(first).unwrap();
    rustix::process::kill_process(kill, Signal::KILL).unwrap();
    eventually("it finds it again", || found() == 2);
    let status = net.container.status();
    assert_eq!((status.restarts, status.monitor), (1, monitor));
    assert_ne!(status.pid, first);
    assert_eq!(inode_of(status.pid), inode(net.inside.as_fd()));
    assert!(net.host.within(|| TcpListener::bind(address)).is_err(), "the port is held");
    let stop = Request::Kill { exec_id: None, signal: libc::SIGKILL, all: false, stop: true };
    assert_eq!(net.container.ask(stop), Reply::Ok);
    net.container.wait_until_gone();
    net.host.within(|| TcpListener::bind(address)).unwrap();
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
        // Its lock goes before its guard does.
        eventually("only a cgroup is left", || {
            container.leftovers().iter().all(|left| left.starts_with("cgroup"))
        });
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
fn row_09_only_the_first_connection_may_hand_over() {
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
    // Nor with a message that never ends.
    let (half, more) = ([200, 0, 0, 0], [0; 8]);
    let sockets: Vec<UnixStream> =
        (0..4).map(|_| connect(&net.container.launch.state).unwrap()).collect();
    for socket in &sockets {
        send(socket, &half, &many[..250]).unwrap();
        send(socket, &more, &many[..250]).unwrap();
    }
    assert!(matches!(net.container.ask(Request::Status), Reply::Status { .. }));
    let most = before + connections.len() + sockets.len();
    eventually("none is held", || descriptors(monitor) == most);
    drop((connections, sockets));
    net.container.kill();
    running.exit();
    net.container.wait_until_gone();
}

#[test]
fn two_thousand_ports_are_held_and_the_containers_limit_is_its_callers() {
    // This process needs to have them first.
    let mut limit = getrlimit(Resource::Nofile);
    let soft = Some(3000);
    limit.current = limit.maximum;
    rustix::process::setrlimit(Resource::Nofile, limit).unwrap();
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
