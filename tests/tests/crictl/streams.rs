//! Streams of containers over both transports that containerd 1.6 has an answer for: SPDY, and not WebSocket's newer forms.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use isopod_tests::{Invocation, Terminal, binary, until};
use serde_json::json;

use crate::containerd::Containerd;

#[test]
fn exec_streams_both_ways_and_has_the_commands_status() {
    let containerd = Containerd::start();
    let script = "while :; do sleep 0.1; done";
    let file = containerd.container_file("server", script);
    let container = containerd.run(&["run", &file, &containerd.pod_file("four")]).ok();
    let container = container.trim();
    let told = containerd.run(&["exec", container, "sh", "-c", "echo out; echo err >&2; exit 5"]);
    assert_eq!((told.status, told.out.as_str(), told.err.as_str()), (5, "out\n", "err\n"));
    assert_eq!(containerd.run(&["exec", "-e", container, "sh", "-c", "exit 5"]).status, 0);

    // A megabyte through it, and its end.
    let mut child = containerd
        .command(&["exec", "-i", container, "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let sent: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    let mut stdin = child.stdin.take().unwrap();
    let copy = sent.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&copy).unwrap());
    let mut received = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut received).unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(received == sent, "{} of {} bytes, or others", received.len(), sent.len());

    // Chosen by filters; the first word is the command's then.
    let told = containerd.run(&["exec", "--name", "^server$", "echo", "here"]);
    assert_eq!(told.ok(), "here\n");
    let error = containerd.run(&["exec", "--name", "nosuch", "true"]).failed(1);
    assert!(error.contains("no container is found"), "{error}");
    assert!(containerd.run(&["exec", container, "nonono"]).failed(1).contains("nonono"));
    let error = containerd.run(&["exec", "-it", container, "sh"]).failed(1);
    assert!(error.contains("standard input is none"), "{error}");
}

#[test]
fn a_terminal_is_one_on_the_other_side_too() {
    let containerd = Containerd::start();
    let file = containerd.container_file("server", "while :; do sleep 0.1; done");
    let container = containerd.run(&["run", &file, &containerd.pod_file("five")]).ok();
    let endpoint = format!("unix://{}", containerd.socket().display());
    let open = |command: &[&str]| {
        let words = [&["crictl", "exec", "-it", container.trim()], command].concat();
        let exec = Invocation::new(binary::isopod(), words);
        Terminal::start(exec.env("CONTAINER_RUNTIME_ENDPOINT", &endpoint))
    };
    let mut terminal = open(&["sh"]);
    terminal.types("tty\n").expects("/dev/pts/0");
    terminal.types("until [ \"$(stty size)\" = '24 80' ]; do sleep 0.1; done; echo one''size\n");
    terminal.expects("onesize").resizes(31, 117);
    terminal
        .types("until [ \"$(stty size)\" = '31 117' ]; do sleep 0.1; done; echo another''size\n");
    terminal.expects("anothersize").types("exit 6\n");
    terminal.exits_with(6);
    let mut terminal = open(&["sh"]);
    terminal.types("echo he''re\n").expects("here").types("\x10\x11");
    terminal.exits_with(0);
    // All of it comes, however soon it ends.
    let screen = open(&["sh", "-c", "seq 1 3000; echo the end; exit 7"]).exits_with(7);
    assert!(screen.contains("\n3000") && screen.contains("the end"), "{screen}");
}

#[test]
fn attach_feeds_the_containers_own_process() {
    let containerd = Containerd::start();
    let file = containerd.container(
        "reader",
        json!({"command": ["sh", "-c", "read line; echo got $line; exit 0"], "stdin": true, "stdin_once": true}),
    );
    let container = containerd.run(&["run", &file, &containerd.pod_file("six")]).ok();
    let mut child = containerd
        .command(&["attach", "-i", container.trim()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"a word\n").unwrap();
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "got a word\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn ports_are_forwarded_for_one_connection_after_the_other() {
    let containerd = Containerd::start();
    // The pod is of the host's network: a port of loopback that is free now.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let file = containerd.container_file(
        "server",
        &format!("echo hello > /tmp/index.html; exec httpd -f -h /tmp -p 127.0.0.1:{free}"),
    );
    containerd.run(&["run", &file, &containerd.pod_file("seven")]).ok();
    let pod = containerd.run(&["pods", "-q"]).ok();
    let mut child = containerd
        .command(&["port-forward", pod.trim(), &format!(":{free}")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut first = Vec::new();
    while !first.ends_with(b"\n") {
        let mut byte = [0];
        assert_eq!(out.read(&mut byte).unwrap(), 1, "{first:?}");
        first.push(byte[0]);
    }
    let first = String::from_utf8(first).unwrap();
    let local = first.strip_prefix("Forwarding from 127.0.0.1:").unwrap();
    let (local, there) = local.trim().split_once(" -> ").unwrap();
    assert_eq!(there, free.to_string());
    let mut received = Vec::new();
    until("an answer through the pod", || {
        let mut connection = TcpStream::connect(format!("127.0.0.1:{local}")).unwrap();
        connection.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        received.clear();
        // Until it listens its port refuses, which must not block what comes after.
        connection.read_to_end(&mut received).is_ok() && received.ends_with(b"\r\n\r\nhello\n")
    });
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(child.id().cast_signed()),
        nix::sys::signal::Signal::SIGINT,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
