//! Sessions: attaching, standard input, terminals, back-pressure.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::{Read, Write};
use std::time::Duration;

use isopod_monitor_protocol::message::{
    ErrorKind, Event, FromMonitor, Reply, Request, Size, Streams,
};
use isopod_monitor_protocol::status::Phase;
use support::{ALL, Container, OUT, eventually, read, read_until, write};

const STDIN: Streams = Streams { stdin: true, stdout: false, stderr: false };

#[test]
fn what_the_first_session_writes_is_read_to_its_end() {
    let container = Container::new(&["cat"]);
    let mut running = container.run(Some(ALL));
    let [mut stdin, stdout, stderr] =
        <[_; 3]>::try_from(std::mem::take(&mut running.streams)).unwrap();
    // More than pipes hold, in both directions at once.
    let bytes: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let mut got = Vec::new();
    { stdout }.read_to_end(&mut got).unwrap();
    writer.join().unwrap();
    assert!(got == bytes);
    assert_eq!(read(stderr), "");
    assert_eq!(running.exit().code, 0);
}

#[test]
fn a_slow_first_session_loses_nothing_and_holds_the_container_up() {
    let container = Container::shell("yes | head -c 3000000; echo done >&2");
    let mut running = container.run(Some(OUT));
    let mut stderr = running.streams.pop().unwrap();
    let stdout = running.streams.pop().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(container.status().phase, Phase::Running);
    assert_eq!(read(stdout).len(), 3_000_000);
    assert_eq!(read(&mut stderr), "done\n");
    assert_eq!(running.exit().code, 0);
}

#[test]
fn a_later_session_that_reads_nothing_is_ended_and_the_container_runs_on() {
    let container = Container::shell("cat; yes | head -c 3000000; cat").with(|launch, _| {
        launch.open_stdin = true;
    });
    let mut running = container.run(Some(OUT));
    let stdout = running.streams.remove(0);
    let mut lazy = container.connect();
    assert_eq!(lazy.ask(Request::Attach { streams: OUT }).unwrap(), Reply::Attached);
    let mut feeder = container.connect();
    assert_eq!(feeder.ask(Request::Attach { streams: STDIN }).unwrap(), Reply::Attached);
    // Its end must not end the container's input: that stays open. So a signal ends `cat`.
    drop(feeder);
    let kill = container.ask(Request::Kill {
        exec_id: None,
        signal: libc::SIGKILL,
        all: false,
        stop: false,
    });
    assert_eq!(kill, Reply::Ok);
    assert_eq!(read(stdout), "");
    assert_eq!(running.exit().code, 137);

    let container = Container::shell("yes | head -c 3000000; sleep 100");
    let mut running = container.run(Some(OUT));
    let mut lazy = container.connect();
    assert_eq!(lazy.ask(Request::Attach { streams: OUT }).unwrap(), Reply::Attached);
    let mut all = vec![0; 3_000_000];
    running.streams[0].read_exact(&mut all).unwrap();
    assert_eq!(lazy.event().unwrap(), Some(Event::Lagged));
    // What it had room for can still be read, then its pipe ends.
    let [stdout, _] = <[_; 2]>::try_from(lazy.take_descriptors()).unwrap();
    assert!(read(std::fs::File::from(stdout)).len() >= 60_000);
    assert_eq!(container.status().phase, Phase::Running);
    container.kill();
    running.exit();
}

#[test]
fn many_sessions_at_once_read_the_same() {
    let container = Container::shell("cat; echo end").with(|launch, _| launch.open_stdin = true);
    let container = container.with(|launch, _| launch.stdin_once = true);
    let mut running = container.run(Some(ALL));
    let mut readers = Vec::new();
    for _ in 0..50 {
        let mut connection = container.connect();
        assert_eq!(connection.ask(Request::Attach { streams: OUT }).unwrap(), Reply::Attached);
        readers.push(connection);
    }
    write(&mut running.streams[0], "hello\n");
    drop(running.streams.remove(0));
    for mut reader in readers {
        let stdout = reader.take_descriptors().remove(0);
        assert_eq!(read(std::fs::File::from(stdout)), "hello\nend\n");
        assert!(matches!(reader.event().unwrap(), Some(Event::Exited { exit }) if exit.code == 0));
        assert_eq!(reader.receive().unwrap(), None);
    }
    assert_eq!(running.exit().code, 0);
}

#[test]
fn input_stays_open_over_sessions_until_the_one_that_counts_leaves() {
    let container = Container::new(&["cat"]).with(|launch, _| launch.open_stdin = true);
    let mut running = container.run(Some(OUT));
    for word in ["one", "two"] {
        let mut session = container.connect();
        assert_eq!(session.ask(Request::Attach { streams: STDIN }).unwrap(), Reply::Attached);
        let mut stdin = std::fs::File::from(session.take_descriptors().remove(0));
        write(&mut stdin, word);
        drop(stdin);
        read_until(&mut running.streams[0], word);
    }
    container.kill();
    running.exit();
}

#[test]
fn a_container_without_input_reads_the_end_and_refuses_to_be_fed() {
    let container = Container::shell("cat; sleep 100");
    let running = container.run(None);
    let mut session = container.connect();
    let reply = session.ask(Request::Attach { streams: STDIN }).unwrap();
    assert!(matches!(reply, Reply::Error { kind: ErrorKind::Invalid, .. }), "{reply:?}");
    container.kill();
    running.exit();
}

#[test]
fn a_terminal_has_a_size_and_can_be_resized() {
    let script =
        "tty; stty size; trap 'stty size; exit 3' WINCH; echo ready; while :; do sleep 0.1; done";
    let container = Container::shell(script).with_terminal();
    let size = Some(Size { columns: 101, rows: 31 });
    let mut running = container.try_run_sized(Some(ALL), size).unwrap();
    // A terminal has no standard error.
    assert_eq!(running.streams.len(), 2);
    let mut stdout = running.streams.remove(1);
    let text = read_until(&mut stdout, "ready");
    assert!(text.contains("/dev/pts/0") || text.contains("/dev/console"), "{text}");
    assert!(text.contains("31 101"), "{text}");
    let resize = Request::Resize { exec_id: None, size: Size { columns: 55, rows: 44 } };
    assert_eq!(running.connection.ask(resize).unwrap(), Reply::Ok);
    assert!(read(stdout).contains("44 55"));
    assert_eq!(running.exit().code, 3);
    container.wait_until_gone();
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn typing_at_a_terminal_reaches_the_shell() {
    let container = Container::new(&["sh"]).with_terminal();
    let mut running = container.run(Some(ALL));
    write(&mut running.streams[0], "echo $((40+2)); exit 5\n");
    let stdout = running.streams.remove(1);
    let text = read(stdout);
    assert!(text.contains("42"), "{text}");
    assert_eq!(running.exit().code, 5);
}

#[test]
fn the_last_output_of_a_terminal_is_not_lost() {
    for _ in 0..10 {
        let container =
            Container::shell("head -c 30000 /dev/zero | tr '\\0' x; echo last").with_terminal();
        let container = container.with(|_, spec| {
            spec["process"]["args"][2] = "yes | head -c 30000; echo last".into();
        });
        let mut running = container.run(Some(OUT));
        let text = read(running.streams.remove(0));
        assert!(text.ends_with("last\r\n"), "{} bytes", text.len());
        running.exit();
    }
}

#[test]
fn a_client_that_vanishes_takes_nothing_with_it() {
    let container = Container::shell("yes | head -c 3000000; sleep 100").with_json_log();
    let running = container.run(Some(ALL));
    drop(running);
    let log = container.path("log");
    eventually("all output is logged", || {
        std::fs::metadata(&log).is_ok_and(|about| about.len() > 3_000_000)
    });
    assert_eq!(container.status().phase, Phase::Running);
    let mut waiter = container.connect();
    assert_eq!(waiter.ask(Request::Wait { exec_id: None }).unwrap(), Reply::Ok);
    container.kill();
    let event = waiter.receive().unwrap();
    assert!(matches!(event, Some(FromMonitor::Event(Event::Exited { exit })) if exit.code == 137));
}

#[test]
fn a_detached_containers_client_that_stays_is_told_the_end() {
    let container = Container::shell("exit 4");
    let running = container.run(None);
    assert_eq!(running.exit().code, 4);
}
