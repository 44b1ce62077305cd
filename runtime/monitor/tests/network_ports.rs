//! Published ports, as far as the monitor carries their traffic.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use isopod_monitor_protocol::launch::Forward;
use isopod_monitor_protocol::message::{Reply, Request};
use support::eventually;
use support::net::{Net, descriptors, idle_descriptors, ip, private_memory, until_asleep};

const TARGET: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn target() -> SocketAddr {
    (TARGET, 8080).into()
}

/// Bytes that tell where they were cut or repeated.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect()
}

/// A server that does `act` with each connection, in a thread of its own.
fn server(net: &Net, act: fn(TcpStream)) {
    let listener = net.host.within(|| TcpListener::bind(target()).unwrap());
    net.host.serve(move || {
        for connection in listener.incoming() {
            let connection = connection.unwrap();
            std::thread::spawn(move || act(connection));
        }
    });
}

fn echo(mut connection: TcpStream) {
    let mut from = connection.try_clone().unwrap();
    // A client that is gone is no failure of this server's.
    std::io::copy(&mut from, &mut connection).ok();
}

fn port(net: &Net) -> SocketAddr {
    net.container.launch.forwards[0].host
}

fn connect(net: &Net) -> TcpStream {
    let address = port(net);
    net.host.within(|| TcpStream::connect(address).unwrap())
}

#[test]
fn what_comes_to_ipv6_reaches_a_container_that_has_ipv4_alone() {
    // The real way: the container has a device, an address and a server of its own.
    let script = "while true; do echo from inside | busybox nc -l -p 8080; done";
    let target = "10.99.0.2:8080".parse().unwrap();
    let mut net = Net::new(&["sh", "-c", script]).with_tcp("[::1]:0", target);
    net.host.within(|| {
        ip("link add outer type veth peer name eth0");
        ip("addr add 10.99.0.1/24 dev outer");
        ip("link set outer up");
    });
    net.move_in("eth0");
    net.inside.within(|| {
        ip("addr add 10.99.0.2/24 dev eth0");
        ip("link set eth0 up");
    });
    let running = net.run(None);
    let address = port(&net);
    assert!(address.is_ipv6());
    let mut text = String::new();
    eventually("the server is up", || {
        text.clear();
        let Ok(mut stream) = net.host.within(|| TcpStream::connect(address)) else { return false };
        stream.read_to_string(&mut text).is_ok() && !text.is_empty()
    });
    assert_eq!(text, "from inside\n");
    net.end(running);
}

#[test]
fn each_direction_ends_on_its_own() {
    let mut net = Net::new(&["sleep", "1000"]).with_tcp("[::1]:0", target());
    // Answers only when all was said.
    server(&net, |mut connection| {
        let mut all = Vec::new();
        connection.read_to_end(&mut all).unwrap();
        connection.write_all(&all).unwrap();
    });
    let running = net.run(None);
    let mut stream = connect(&net);
    let sent = pattern(3_000_000);
    stream.write_all(&sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).unwrap();
    assert!(back == sent);
    net.end(running);
}

#[test]
fn a_connection_on_which_nothing_happens_costs_nothing() {
    let mut net = Net::new(&["sleep", "1000"]).with_tcp("[::1]:0", target());
    // Says that it is done, or waits for the client to, and stays.
    server(&net, |mut connection| {
        let mut first = [0];
        connection.read_exact(&mut first).unwrap();
        if first == *b"e" {
            connection.shutdown(Shutdown::Write).unwrap();
        }
        connection.read_to_end(&mut Vec::new()).ok();
        std::thread::sleep(Duration::from_secs(1000));
    });
    let running = net.run(None);
    let monitor = net.container.monitor_pid();
    let before = idle_descriptors(monitor);
    for first in [b"e", b"s"] {
        let mut stream = connect(&net);
        stream.write_all(first).unwrap();
        if first == b"s" {
            stream.shutdown(Shutdown::Write).unwrap();
        } else {
            assert_eq!(stream.read(&mut [0]).unwrap(), 0);
        }
        until_asleep(monitor);
        // A client that breaks off is noticed though it had ended before.
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
        drop(stream);
        eventually("all is given back", || descriptors(monitor) == before);
        until_asleep(monitor);
    }
    net.end(running);
}

#[test]
fn two_hundred_connections_at_once_are_all_carried() {
    let mut net = Net::new(&["sleep", "1000"]).with_tcp("[::1]:0", target());
    server(&net, echo);
    let running = net.run(None);
    let monitor = net.container.monitor_pid();
    let before = idle_descriptors(monitor);
    let streams: Vec<TcpStream> = (0..200).map(|_| connect(&net)).collect();
    let all = Barrier::new(streams.len());
    std::thread::scope(|scope| {
        for (number, mut stream) in streams.into_iter().enumerate() {
            let all = &all;
            scope.spawn(move || {
                all.wait();
                let sent = pattern(20_000 + number);
                let mut out = stream.try_clone().unwrap();
                std::thread::scope(|inner| {
                    inner.spawn(|| {
                        out.write_all(&sent).unwrap();
                        out.shutdown(Shutdown::Write).unwrap();
                    });
                    let mut back = Vec::new();
                    stream.read_to_end(&mut back).unwrap();
                    assert!(back == sent, "connection {number}");
                });
            });
        }
    });
    eventually("all is given back", || descriptors(monitor) == before);
    net.end(running);
}

#[test]
fn a_slow_reader_costs_a_chunk_and_loses_nothing() {
    let mut net = Net::new(&["sleep", "1000"]).with_tcp("[::1]:0", target());
    static WRITTEN: AtomicUsize = AtomicUsize::new(0);
    server(&net, |mut connection| {
        for chunk in pattern(64 << 20).chunks(1 << 16) {
            if connection.write_all(chunk).is_err() {
                return;
            }
            WRITTEN.fetch_add(chunk.len(), Ordering::Relaxed);
        }
    });
    let running = net.run(None);
    let monitor = net.container.monitor_pid();
    let memory = private_memory(monitor);
    let mut stream = connect(&net);
    // The server is held up: what the kernel's buffers and ours take is all that is on its way.
    let mut last = usize::MAX;
    eventually("it is held up", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = WRITTEN.load(Ordering::Relaxed);
        std::mem::replace(&mut last, now) == now && now > 0
    });
    assert!(last < 60 << 20, "{last}");
    until_asleep(monitor);
    let grown = private_memory(monitor).saturating_sub(memory);
    assert!(grown < 200 * 1024, "{grown}");
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    assert!(all == pattern(64 << 20));
    net.end(running);
}

#[test]
fn where_nothing_listens_a_client_is_reset_and_nothing_stays() {
    let mut net = Net::new(&["sleep", "1000"]).with_tcp("[::1]:0", target());
    let running = net.run(None);
    let monitor = net.container.monitor_pid();
    let before = idle_descriptors(monitor);
    for _ in 0..20 {
        let error = connect(&net).read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    eventually("nothing stays", || descriptors(monitor) == before);
    // One that listens, and resets what it has accepted.
    server(&net, |connection| {
        rustix::net::sockopt::set_socket_linger(&connection, Some(Duration::ZERO)).unwrap();
    });
    let error = connect(&net).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    eventually("all is given back", || descriptors(monitor) == before);
    net.end(running);
}

#[test]
fn row_09_connections_beyond_the_bound_wait_until_others_end() {
    let mut net = Net::new(&["sleep", "1000"]).with_tcp("[::1]:0", target());
    server(&net, echo);
    let running = net.run(None);
    let monitor = net.container.monitor_pid();
    let before = idle_descriptors(monitor);
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let mut streams: Vec<TcpStream> = (0..1100).map(|_| connect(&net)).collect();
    eventually("as many as may be are carried", || descriptors(monitor) == before + 2 * 1024);
    until_asleep(monitor);
    let mut last = streams.pop().unwrap();
    last.write_all(b"x").unwrap();
    last.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    last.read_exact(&mut [0]).unwrap_err();
    assert_eq!(descriptors(monitor), before + 2 * 1024);
    drop(streams);
    last.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    last.read_exact(&mut [0]).unwrap();
    drop(last);
    eventually("all is given back", || descriptors(monitor) == before);
    net.end(running);
}

#[test]
fn a_paused_containers_clients_wait() {
    let script = "while true; do echo hello | busybox nc -l -p 8080; done";
    let mut net =
        Net::new(&["sh", "-c", script]).with_tcp("[::1]:0", "10.99.0.2:8080".parse().unwrap());
    net.host.within(|| {
        ip("link add outer type veth peer name eth0");
        ip("addr add 10.99.0.1/24 dev outer");
        ip("link set outer up");
    });
    net.move_in("eth0");
    net.inside.within(|| {
        ip("addr add 10.99.0.2/24 dev eth0");
        ip("link set eth0 up");
    });
    let running = net.run(None);
    let inside = || {
        let listens = std::process::Command::new("ss").args(["-Hltn", "sport = :8080"]).output();
        !listens.unwrap().stdout.is_empty()
    };
    eventually("the server is up", || net.inside.within(inside));
    assert_eq!(net.container.ask(Request::Pause), Reply::Ok);
    let mut stream = connect(&net);
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    stream.read_exact(&mut [0]).unwrap_err();
    assert_eq!(net.container.ask(Request::Resume), Reply::Ok);
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello\n");
    net.end(running);
}

/// Which answers by its own address, once.
fn named_server(net: &Net, address: SocketAddr) {
    let listener = net.host.within(|| TcpListener::bind(address).unwrap());
    net.host.serve(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            connection.write_all(address.to_string().as_bytes()).unwrap();
            // It stays open: whoever carries it ends it.
            std::mem::forget(connection);
        }
    });
}

#[test]
fn ports_can_be_led_elsewhere_and_nowhere_while_they_stay_held() {
    let targets: [SocketAddr; 2] =
        ["127.0.0.2:8080", "127.0.0.3:8080"].map(|to| to.parse().unwrap());
    let mut net = Net::new(&["sleep", "1000"])
        .with_tcp("[::1]:0", targets[0])
        .with_udp("[::1]:0", targets[0]);
    for target in targets {
        named_server(&net, target);
    }
    let sockets = targets.map(|target| net.host.within(|| UdpSocket::bind(target).unwrap()));
    let forwards = net.container.launch.forwards.clone();
    let running = net.run(None);
    let monitor = net.container.monitor_pid();
    let before = idle_descriptors(monitor);
    let lead = |target: Option<SocketAddr>| {
        let led = |target| forwards.iter().map(move |one| Forward { target, ..*one }).collect();
        let forwards: Vec<Forward> = target.map_or(Vec::new(), led);
        assert_eq!(net.container.ask(Request::SetForwards { forwards }), Reply::Ok);
    };
    let client = net.host.within(|| UdpSocket::bind("[::1]:0").unwrap());
    let mut open: Option<TcpStream> = None;
    for (nth, target) in targets.iter().enumerate() {
        if nth > 0 {
            lead(Some(*target));
            // What was carried to the other one has ended.
            let mut open = open.take().unwrap();
            open.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let end = open.read(&mut [0]);
            assert!(!matches!(&end, Err(e) if e.kind() == ErrorKind::WouldBlock), "{end:?}");
        }
        let mut stream = connect(&net);
        let mut text = vec![0; target.to_string().len()];
        stream.read_exact(&mut text).unwrap();
        assert_eq!(text, target.to_string().into_bytes());
        open = Some(stream);
        client.send_to(b"question", forwards[1].host).unwrap();
        sockets[nth].set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(sockets[nth].recv(&mut [0; 16]).unwrap(), 8);
    }
    lead(None);
    drop(open);
    let error = connect(&net).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    client.send_to(b"question", forwards[1].host).unwrap();
    let held = net.host.within(|| TcpListener::bind(forwards[0].host).unwrap_err());
    assert_eq!(held.kind(), ErrorKind::AddrInUse);
    eventually("nothing stays", || descriptors(monitor) == before);
    lead(Some(targets[0]));
    let mut text = vec![0; targets[0].to_string().len()];
    connect(&net).read_exact(&mut text).unwrap();
    assert_eq!(text, targets[0].to_string().into_bytes());
    net.end(running);
}

#[test]
fn row_09_datagrams_of_many_clients_are_bounded() {
    let mut net = Net::new(&["sleep", "1000"]).with_udp("[::1]:0", target());
    let socket = net.host.within(|| UdpSocket::bind(target()).unwrap());
    net.host.serve(move || {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            socket.send_to(&buffer[..length], from).unwrap();
        }
    });
    let running = net.run(None);
    let monitor = net.container.monitor_pid();
    let before = idle_descriptors(monitor);
    let address = port(&net);
    let client = |_| {
        let socket = net.host.within(|| UdpSocket::bind("[::1]:0").unwrap());
        socket.connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket
    };
    // More clients than are remembered, each of which gets its own answers.
    let clients: Vec<UdpSocket> = (0..300).map(client).collect();
    let mut buffer = vec![0; 65_535];
    for (number, client) in clients.iter().enumerate() {
        let sent = pattern(number * 200);
        client.send(&sent).unwrap();
        let length = client.recv(&mut buffer).unwrap();
        assert!(buffer[..length] == sent, "client {number}");
    }
    assert_eq!(descriptors(monitor), before + 256);
    // One that was forgotten may come back.
    clients[0].send(b"again").unwrap();
    assert_eq!(clients[0].recv(&mut buffer).unwrap(), 5);
    net.end(running);
}

#[test]
fn answers_come_from_the_address_that_was_asked() {
    for (bound, asked, client) in
        [("0.0.0.0:0", "127.0.0.5", "127.0.0.1:0"), ("[::]:0", "fd00:1::2", "[::1]:0")]
    {
        let mut net = Net::new(&["sleep", "1000"]).with_udp(bound, target());
        net.host.within(|| ip("addr add fd00:1::2/128 dev lo nodad"));
        let server = net.host.within(|| UdpSocket::bind(target()).unwrap());
        let running = net.run(None);
        let address = SocketAddr::new(asked.parse().unwrap(), port(&net).port());
        let client = net.host.within(|| UdpSocket::bind(client).unwrap());
        client.send_to(b"question", address).unwrap();
        let mut buffer = [0; 16];
        let (_, from) = server.recv_from(&mut buffer).unwrap();
        server.send_to(b"answer", from).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(client.recv_from(&mut buffer).unwrap(), (6, address));
        net.end(running);
    }
}

#[test]
fn a_datagram_to_where_nothing_listens_does_not_spoil_the_next() {
    let mut net = Net::new(&["sleep", "1000"]).with_udp("127.0.0.1:0", target());
    let running = net.run(None);
    let address = port(&net);
    let client = net.host.within(|| UdpSocket::bind("127.0.0.1:0").unwrap());
    client.connect(address).unwrap();
    let monitor = net.container.monitor_pid();
    let before = idle_descriptors(monitor);
    client.send(b"lost").unwrap();
    eventually("it is passed on", || descriptors(monitor) > before);
    // The monitor does one thing after the other: when it answers, that is done.
    assert!(matches!(net.container.ask(Request::Status), Reply::Status { .. }));
    let server = Arc::new(net.host.within(|| UdpSocket::bind(target()).unwrap()));
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.send(b"kept").unwrap();
    let mut buffer = [0; 16];
    let (length, from) = server.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"kept");
    server.send_to(b"back", from).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(client.recv(&mut buffer).unwrap(), 4);
    net.end(running);
}
