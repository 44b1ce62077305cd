//! Control: pausing, signals, the out-of-memory killer, logs, hooks, requests that make no sense.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::io::Write;

use isopod_monitor_protocol::VERSION;
use isopod_monitor_protocol::frame::{Decoder, encode, send};
use isopod_monitor_protocol::launch::Log;
use isopod_monitor_protocol::message::{Envelope, ErrorKind, Reply, Request};
use isopod_monitor_protocol::status::Phase;
use serde_json::{Value, json};
use support::{Container, OUT, eventually, read_until};

fn kill(signal: i32, all: bool) -> Request {
    Request::Kill { exec_id: None, signal, all, stop: false }
}

#[test]
fn a_paused_container_stands_still_until_it_is_resumed() {
    let container = Container::shell("while :; do echo x; sleep 0.01; done").with_json_log();
    let running = container.run(None);
    let size = || fs::metadata(container.path("log")).map_or(0, |about| about.len());
    eventually("it writes", || size() > 0);
    assert_eq!(container.ask(Request::Pause), Reply::Ok);
    assert_eq!(container.status().phase, Phase::Paused);
    assert!(matches!(
        container.ask(Request::Pause),
        Reply::Error { kind: ErrorKind::WrongPhase, .. }
    ));
    std::thread::sleep(std::time::Duration::from_millis(50));
    let before = size();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(size(), before);
    assert_eq!(container.ask(Request::Resume), Reply::Ok);
    eventually("it writes again", || size() > before);
    // A paused container can be killed.
    assert_eq!(container.ask(Request::Pause), Reply::Ok);
    container.kill();
    assert_eq!(running.exit().code, 137);
    container.wait_until_gone();
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_signal_reaches_one_process_or_all() {
    let script = "trap 'echo first' USR1; (trap 'echo second; exit' USR1; echo up; while :; do sleep 0.05; done) & while :; do sleep 0.05; done";
    let container = Container::shell(script);
    let mut running = container.run(Some(OUT));
    read_until(&mut running.streams[0], "up\n");
    assert_eq!(container.ask(kill(libc::SIGUSR1, false)), Reply::Ok);
    assert_eq!(read_until(&mut running.streams[0], "\n"), "first\n");
    assert_eq!(container.ask(kill(libc::SIGUSR1, true)), Reply::Ok);
    let mut lines =
        [read_until(&mut running.streams[0], "\n"), read_until(&mut running.streams[0], "\n")];
    lines.sort();
    assert_eq!(lines, ["first\n", "second\n"]);
    for bad in [0, -1, 65, 1000] {
        assert!(matches!(
            container.ask(kill(bad, false)),
            Reply::Error { kind: ErrorKind::Invalid, .. }
        ));
    }
    container.kill();
    running.exit();
}

#[test]
fn a_real_time_signal_is_a_signal() {
    let container = Container::new(&["sleep", "1000"]);
    let running = container.run(None);
    // To a first process without a handler only SIGKILL and SIGSTOP do anything.
    assert_eq!(container.ask(kill(37, false)), Reply::Ok);
    container.kill();
    running.exit();
}

#[test]
fn the_out_of_memory_killer_is_noticed() {
    let container =
        Container::shell("dd if=/dev/zero of=/dev/null bs=200M count=1").with(|_, spec| {
            spec["linux"]["resources"]["memory"] = json!({"limit": 20 << 20});
        });
    // The shell runs dd within itself, as busybox-static does.
    let exit = container.output().2;
    assert!(exit.oom_killed, "{exit:?}");
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn output_is_logged_as_docker_does() {
    let container =
        Container::shell("echo 'one <two>'; echo three >&2; printf four").with_json_log();
    container.output();
    let text = fs::read_to_string(container.path("log")).unwrap();
    let mut lines: Vec<(String, String)> = text
        .lines()
        .map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap();
            let word = |key: &str| entry[key].as_str().unwrap().to_owned();
            assert!(word("time").ends_with('Z'));
            (word("stream"), word("log"))
        })
        .collect();
    lines.sort();
    let line = |stream: &str, log: &str| (stream.to_owned(), log.to_owned());
    assert_eq!(
        lines,
        [line("stderr", "three\n"), line("stdout", "four"), line("stdout", "one <two>\n")]
    );
    assert!(text.contains("one \\u003ctwo\\u003e\\n"));
}

#[test]
fn logs_rotate_while_a_container_floods_them() {
    let container = Container::shell("yes 0123456789 | head -n 20000");
    let path = container.path("log");
    let container = container.with(|launch, _| {
        launch.log = Log::JsonFile {
            path: path.clone(),
            max_size: Some(100_000),
            max_files: 3,
            attributes: Default::default(),
            compress: false,
            max_buffer: None,
        };
    });
    assert_eq!(container.run(None).exit().code, 0);
    container.wait_until_gone();
    for name in ["log", "log.1", "log.2"] {
        let text = fs::read_to_string(container.path(name)).unwrap();
        assert!(text.len() <= 100_000, "{name}");
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{name}");
    }
    assert!(!container.path("log.3").exists());
}

#[test]
fn a_cri_log_is_reopened_on_request() {
    let container =
        Container::shell("read a; echo $a; read b; echo $b; sleep 1000").with(|launch, _| {
            launch.open_stdin = true;
        });
    let path = container.path("log");
    let container = container.with(|launch, _| launch.log = Log::Cri { path: path.clone() });
    let mut running = container.run(Some(support::ALL));
    support::write(&mut running.streams[0], "one\n");
    read_until(&mut running.streams[1], "one\n");
    fs::rename(&path, container.path("old")).unwrap();
    assert_eq!(container.ask(Request::ReopenLog), Reply::Ok);
    support::write(&mut running.streams[0], "two\n");
    read_until(&mut running.streams[1], "two\n");
    eventually("both are written", || {
        fs::read_to_string(container.path("old"))
            .is_ok_and(|text| text.ends_with(" stdout F one\n"))
            && fs::read_to_string(&path).is_ok_and(|text| text.ends_with(" stdout F two\n"))
    });
    container.kill();
    running.exit();
}

#[test]
fn a_log_on_a_full_disk_does_not_disturb_the_container() {
    let container = Container::shell("yes | head -c 500000; echo done").with(|launch, _| {
        launch.log = Log::JsonFile {
            path: "/dev/full".into(),
            max_size: None,
            max_files: 1,
            attributes: Default::default(),
            compress: false,
            max_buffer: None,
        };
    });
    let (out, _, exit) = container.output();
    assert!(out.ends_with("done\n"));
    assert_eq!(exit.code, 0);
}

#[test]
fn poststop_hooks_run_when_the_container_has_ended() {
    let container = Container::new(&["true"]);
    let proof = container.path("proof");
    let container = container.with(|_, spec| {
        spec["hooks"] = json!({"poststop": [{"path": "/bin/touch", "args": ["touch", proof]}]});
    });
    container.output();
    assert!(proof.exists());
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn the_status_is_the_same_asked_for_and_read() {
    let container = Container::new(&["sleep", "1000"]);
    let running = container.run(None);
    let Reply::Status { status } = container.ask(Request::Status) else { panic!() };
    assert_eq!(*status, container.status());
    assert_eq!((status.phase, status.pid), (Phase::Running, running.pid));
    let comm = fs::read_to_string(format!("/proc/{}/comm", running.pid)).unwrap();
    assert_eq!(comm, "sleep\n");
    container.kill();
    running.exit();
}

#[test]
fn requests_that_make_no_sense_are_refused_and_harm_nothing() {
    let container = Container::new(&["sleep", "1000"]);
    let running = container.run(None);
    let run = Request::Run { attach: None, size: None, handed: Vec::new() };
    assert!(matches!(container.ask(run), Reply::Error { kind: ErrorKind::Invalid, .. }));
    let size = isopod_monitor_protocol::message::Size { columns: 1, rows: 1 };
    let resize = Request::Resize { exec_id: None, size };
    assert!(matches!(container.ask(resize), Reply::Error { kind: ErrorKind::Invalid, .. }));
    assert!(matches!(
        container.ask(Request::ReopenLog),
        Reply::Error { kind: ErrorKind::Invalid, .. }
    ));

    let answer = |bytes: &[u8]| {
        let (mut stream, _) = container.connect().into_parts();
        send(&stream, bytes, &[]).unwrap();
        stream.flush().unwrap();
        let mut decoder = Decoder::default();
        while decoder.receive(&stream).unwrap() > 0 {
            if let Some(reply) = decoder.next_message::<Reply>().unwrap() {
                return reply;
            }
        }
        panic!("no answer")
    };
    let future = encode(&Envelope { version: VERSION + 1, request: Request::Status }).unwrap();
    assert!(matches!(answer(&future), Reply::Error { kind: ErrorKind::Version, .. }));
    let junk = encode(&"junk").unwrap();
    assert!(matches!(answer(&junk), Reply::Error { kind: ErrorKind::Invalid, .. }));
    assert!(matches!(
        answer(&u32::MAX.to_le_bytes()),
        Reply::Error { kind: ErrorKind::Invalid, .. }
    ));
    container.kill();
    running.exit();
}

#[test]
fn paths_longer_than_a_socket_address_are_no_obstacle() {
    let container = Container::new(&["sleep", "1000"]);
    let state = container.path(&format!("{}/{}", "x".repeat(100), "y".repeat(100)));
    let container = container.with(|launch, spec| {
        spec["root"]["path"] = state.join("rootfs").to_str().unwrap().into();
        launch.state = state;
    });
    let container = container.with_terminal();
    let running = container.run(Some(OUT));
    container.kill();
    running.exit();
    container.wait_until_gone();
    assert_eq!(container.leftovers(), [""; 0]);
}
