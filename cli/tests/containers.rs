//! The built binary with real containers: streams, statuses, signals, terminals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Done, IMAGE, Instance};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

const RUN: [&str; 4] = ["run", "--rm", "--network", "none"];

fn run_args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    RUN.iter().copied().chain(more.iter().copied()).collect()
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Waits until `done` says so.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} never happened");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_status_of_run_is_the_container_s_own() {
    let instance = Instance::with_image();
    for (command, status) in [
        (&["box", "true"] as &[&str], 0),
        (&["box", "sh", "-c", "exit 7"], 7),
        (&["box", "no-such-program"], 127),
        (&["box", "/etc/passwd"], 126),
    ] {
        let done = instance.run(&run_args(command));
        assert_eq!(done.status, status, "{command:?}: {done:?}");
    }
    assert_eq!(instance.ok(&["ps", "-aq"]), "", "--rm leaves nothing");
}

#[test]
fn streams_are_kept_apart_and_input_ends() {
    let instance = Instance::with_image();
    let done = instance.run(&run_args(&["box", "sh", "-c", "echo out; echo err >&2"]));
    assert_eq!((done.out.as_str(), done.err.as_str()), ("out\n", "err\n"));
    let mut child = instance
        .command(&run_args(&["-i", "box", "sh", "-c", "cat; echo ended"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"hello\n").unwrap();
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!(done.out, "hello\nended\n");
    // Without -i there is no input, whatever the client's is.
    let mut child = instance
        .command(&run_args(&["box", "cat"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"unheard").unwrap();
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!((done.status, done.out.as_str()), (0, ""));
}

#[test]
fn signals_reach_the_container_and_the_third_interrupt_gives_up() {
    let instance = Instance::with_image();
    let start = |name: &str, script: &str| {
        let mut arguments = run_args(&["--name", name, "box", "sh", "-c"]);
        arguments.push(script);
        let child =
            instance.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.unwrap();
        // The trap is set once it has spoken.
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).unwrap();
        child
    };
    let mut polite =
        start("polite", "trap 'exit 6' INT; echo ready; while true; do sleep 0.1; done");
    signal(&polite, Signal::INT);
    assert_eq!(polite.wait().unwrap().code(), Some(6));
    let mut deaf = start("deaf", "trap '' INT; echo ready; while true; do sleep 0.1; done");
    for _ in 0..3 {
        signal(&deaf, Signal::INT);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(deaf.wait().unwrap().code(), Some(1));
    assert_eq!(
        instance.ok(&["ps", "--format", "{{.Names}}"]),
        "deaf",
        "it goes on without its client"
    );
}

#[test]
fn a_reader_that_leaves_ends_the_client_quietly() {
    let instance = Instance::with_image();
    let script = "while true; do echo 0123456789012345678901234567890123456789; done";
    let mut child = instance
        .command(&["run", "--network", "none", "box", "sh", "-c", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdout.take().unwrap().read_exact(&mut [0; 40]).unwrap();
    let done: Done = child.wait_with_output().unwrap().into();
    assert_eq!((done.status, done.err.as_str()), (141, ""));
}

#[test]
fn a_container_s_life_is_told_by_ps_logs_and_inspect() {
    let instance = Instance::with_image();
    let script = "trap 'exit 5' TERM; echo one; echo two >&2; while true; do sleep 0.1; done";
    let id = instance.ok(&[
        "run",
        "-d",
        "--name",
        "life",
        "-l",
        "a=b",
        "--network",
        "none",
        "box",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(id.len(), 64);
    until("the second line", || instance.run(&["logs", "life"]).err == "two\n");
    assert_eq!(instance.run(&["logs", "life"]).out, "one\n");
    let field = |template: &str| instance.ok(&["inspect", "-f", template, "life"]);
    assert_eq!(field("{{.State.Status}} {{.Name}} {{.Config.Labels.a}}"), "running /life b");
    assert_eq!(instance.ok(&["ps", "-q"]), id[..12]);
    assert_eq!(
        instance.ok(&["exec", "-e", "X=1", "-w", "/bin", "life", "sh", "-c", "echo $X; pwd"]),
        "1\n/bin"
    );
    instance.ok(&["pause", "life"]);
    assert!(instance.ok(&["ps", "--format", "{{.Status}}"]).ends_with("(Paused)"));
    instance.ok(&["unpause", "life"]);
    let busy = instance.run(&["rm", "life"]);
    assert_eq!(busy.status, 1, "{busy:?}");
    assert_eq!(instance.ok(&["stop", "life"]), "life");
    assert_eq!(instance.ok(&["wait", "life"]), "5");
    assert_eq!(field("{{.State.Status}} {{.State.ExitCode}}"), "exited 5");
    let taken = instance.run(&["run", "--name", "life", "--network", "none", "box", "true"]);
    assert_eq!(taken.status, 125, "{taken:?}");
    instance.ok(&["start", "life"]);
    instance.ok(&["kill", "life"]);
    assert_eq!(instance.ok(&["wait", "life"]), "137");
    assert_eq!(instance.ok(&["rm", "life"]), "life");
    assert_eq!(instance.ok(&["ps", "-aq"]), "");
}

#[test]
fn a_detached_container_with_rm_goes_by_itself() {
    let instance = Instance::with_image();
    instance.ok(&run_args(&["-d", "box", "true"]));
    until("the removal", || instance.ok(&["ps", "-aq"]).is_empty());
}

#[test]
fn ctr_has_containers_and_tasks() {
    let instance = Instance::with_image();
    instance.ok(&[
        "ctr",
        "run",
        "-d",
        IMAGE,
        "redis",
        "sh",
        "-c",
        "while true; do sleep 0.1; done",
    ]);
    let tasks = instance.ok(&["ctr", "tasks", "ls"]);
    let mut lines = tasks.lines();
    assert_eq!(
        lines.next().map(|l| l.split_whitespace().collect::<Vec<_>>()),
        Some(vec!["TASK", "PID", "STATUS"])
    );
    assert!(
        lines
            .next()
            .is_some_and(|line| line.starts_with("redis    ") && line.ends_with(" RUNNING")),
        "{tasks}"
    );
    assert_eq!(instance.ok(&["ctr", "t", "exec", "--exec-id", "x", "redis", "echo", "hi"]), "hi");
    assert_eq!(
        instance.run(&["ctr", "t", "exec", "--exec-id", "x", "redis", "sh", "-c", "exit 4"]).status,
        4
    );
    assert_eq!(instance.run(&["ctr", "c", "rm", "redis"]).status, 1);
    instance.ok(&["ctr", "t", "kill", "-s", "SIGKILL", "redis"]);
    until("the end", || instance.ok(&["ctr", "t", "ls"]).contains("STOPPED"));
    instance.ok(&["ctr", "t", "rm", "redis"]);
    assert_eq!(instance.ok(&["ctr", "t", "ls", "-q"]), "");
    assert_eq!(instance.ok(&["ctr", "c", "ls", "-q"]), "redis");
    instance.ok(&["ctr", "c", "rm", "redis"]);
    let root = instance.rootfs_for_ctr();
    let done = instance
        .run(&["ctr", "run", "--rm", "--rootfs", &root, "plain", "/bin/sh", "-c", "exit 3"]);
    assert_eq!(done.status, 3, "{done:?}");
    assert_eq!(instance.ok(&["ctr", "c", "ls", "-q"]), "");
}

/// A client on a pseudo-terminal, and the person in front of it.
struct Typist {
    child: Child,
    terminal: OwnedFd,
    user: std::fs::File,
    seen: String,
}

impl Typist {
    fn start(mut command: Command) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let user = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let size =
            |rows, columns| Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size(40, 100)).unwrap();
        let end = || Stdio::from(user.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { child, terminal, user, seen: String::new() }
    }

    fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.terminal, size).unwrap();
        signal(&self.child, Signal::WINCH);
    }

    fn echoes(&self) -> bool {
        tcgetattr(&self.user).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    fn write(&self, text: &str) {
        rustix::io::write(&self.terminal, text.as_bytes()).unwrap();
    }

    /// Reads until `text` has come, and forgets what came before.
    fn expect(&mut self, text: &str) {
        let begun = Instant::now();
        while !self.seen.contains(text) {
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "{text:?} is not in {:?}",
                self.seen
            );
            let mut fds = [PollFd::from_borrowed_fd(self.terminal.as_fd(), PollFlags::IN)];
            let wait = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            if poll(&mut fds, Some(&wait)).unwrap() > 0 {
                let mut buffer = [0; 4096];
                let count = rustix::io::read(&self.terminal, &mut buffer).unwrap();
                self.seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
            }
        }
        let end = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..end);
    }

    fn end(mut self) -> (i32, bool) {
        let status = self.child.wait().unwrap().code().unwrap_or(-1);
        (status, self.echoes())
    }
}

/// A script instead of an editing shell: what comes back is what was typed.
#[test]
fn a_terminal_is_raw_sized_and_restored() {
    let instance = Instance::with_image();
    let script = "stty size; read line; stty size; echo got $line; exit 9";
    let mut typist =
        Typist::start(instance.command(&run_args(&["-it", "box", "sh", "-c", script])));
    typist.expect("40 100");
    assert!(!typist.echoes(), "our own terminal leaves the echo to the container's");
    typist.resize(33, 77);
    typist.write("word\r");
    typist.expect("33 77");
    typist.expect("got word");
    assert_eq!(typist.end(), (9, true));
}

#[test]
fn the_detach_keys_leave_it_running_and_attach_comes_back() {
    let instance = Instance::with_image();
    let script = "echo ready; while read line; do test $line = end && exit 4; echo got $line; done";
    let arguments =
        ["run", "-it", "--name", "box1", "--network", "none", "box", "sh", "-c", script];
    let mut typist = Typist::start(instance.command(&arguments));
    typist.expect("ready");
    typist.write("\u{10}\u{11}");
    assert_eq!(typist.end(), (0, true));
    assert_eq!(instance.ok(&["ps", "--format", "{{.Names}}"]), "box1");
    let mut typist = Typist::start(instance.command(&["attach", "box1"]));
    until("raw mode", || !typist.echoes());
    typist.write("again\r");
    typist.expect("got again");
    typist.write("end\r");
    assert_eq!(typist.end(), (4, true));
}

#[test]
fn a_client_that_is_ended_leaves_its_terminal_as_it_was() {
    let instance = Instance::with_image();
    let id = instance.ok(&["run", "-dit", "--network", "none", "box", "cat"]);
    let typist = Typist::start(instance.command(&["attach", &id]));
    until("raw mode", || !typist.echoes());
    signal(&typist.child, Signal::TERM);
    assert_eq!(typist.end(), (143, true));
    assert_eq!(instance.ok(&["ps", "-q"]), id[..12]);
}

#[test]
fn a_terminal_is_not_fed_from_what_is_none() {
    let instance = Instance::with_image();
    let done = instance.run(&run_args(&["-it", "box", "true"]));
    assert_eq!(done.status, 125, "{done:?}");
    assert!(done.err.contains("not a terminal"), "{done:?}");
    assert_eq!(instance.ok(&["ps", "-aq"]), "", "nothing was created");
}

/// As docker's: an option whose value is empty is one that was not given, as scripts write it (`--name "$NAME"`).
#[test]
fn an_empty_value_is_none() {
    let instance = Instance::with_image();
    for option in [
        "--name",
        "--hostname",
        "--domainname",
        "--workdir",
        "--platform",
        "--log-driver",
        "--stop-signal",
        "--mac-address",
        "--detach-keys",
        "--user",
        "--restart",
        "--pid",
        "--cpuset-cpus",
    ] {
        let done = instance.run(&["run", "--rm", "--network", "none", option, "", "box", "pwd"]);
        assert_eq!((done.status, done.out.as_str()), (0, "/\n"), "{option}: {done:?}");
    }
}

/// The reason is said, and which part of the value is meant.
#[test]
fn a_device_that_is_no_path_is_named() {
    let instance = Instance::with_image();
    let done = instance.run(&["create", "--network", "none", "--device", "foo", "box"]);
    assert_eq!(done.status, 1, "{done:?}");
    assert!(done.err.contains("path \"foo\" is not absolute"), "{done:?}");
    assert_eq!(instance.ok(&["ps", "-aq"]), "");
}

/// Found when the container is made, not when it starts: nothing is left.
#[test]
fn a_cgroup_parent_that_is_no_path_is_named_and_leaves_nothing() {
    let instance = Instance::with_image();
    for (verb, status) in [("create", 1), ("run", 125)] {
        let done = instance.run(&[verb, "--network", "none", "--cgroup-parent", "foo", "box"]);
        assert_eq!(done.status, status, "{done:?}");
        assert!(done.err.contains("cgroup parent \"foo\" is not absolute"), "{done:?}");
        assert_eq!(instance.ok(&["ps", "-aq"]), "");
    }
}

#[test]
fn removing_by_force_what_is_not_there_is_said_and_no_failure() {
    let instance = Instance::with_image();
    let done = instance.run(&["rm", "-f", "nobody"]);
    assert_eq!((done.status, done.out.as_str()), (0, ""), "{done:?}");
    assert!(done.err.starts_with("isopod: no such container: nobody\n"), "{done:?}");
    assert_eq!(instance.run(&["rm", "nobody"]).status, 1);
}
