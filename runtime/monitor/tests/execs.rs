//! Further processes in a container.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;

use isopod_monitor_protocol::client::Connection;
use isopod_monitor_protocol::message::{ErrorKind, Event, Reply, Request, Streams};
use isopod_monitor_protocol::status::Exit;
use serde_json::json;
use support::{ALL, Container, OUT, Running, process_json, read, read_until, write};

struct Exec {
    connection: Connection,
    streams: Vec<File>,
}

fn start(
    container: &Container,
    id: &str,
    value: serde_json::Value,
    streams: Streams,
) -> Result<Exec, (ErrorKind, String)> {
    let process = serde_json::from_value(value).unwrap();
    let mut connection = container.connect();
    let request = Request::Exec { exec_id: id.into(), process, streams, size: None };
    match connection.ask(request).unwrap() {
        Reply::Started { .. } => {
            let streams = connection.take_descriptors().into_iter().map(File::from).collect();
            Ok(Exec { connection, streams })
        }
        Reply::Error { kind, message } => Err((kind, message)),
        other => panic!("{other:?}"),
    }
}

fn exit(mut exec: Exec) -> Exit {
    match exec.connection.event().unwrap() {
        Some(Event::Exited { exit }) => exit,
        other => panic!("{other:?}"),
    }
}

fn output(container: &Container, id: &str, args: &[&str]) -> (String, Exit) {
    let mut exec = start(container, id, process_json(args), OUT).unwrap();
    let err = exec.streams.pop().unwrap();
    let out = read(exec.streams.pop().unwrap());
    (out + &read(err), exit(exec))
}

fn sleeping() -> (Container, Running) {
    let container = Container::new(&["sleep", "1000"]);
    let running = container.run(None);
    (container, running)
}

fn end(container: &Container, running: Running) {
    container.kill();
    running.exit();
    container.wait_until_gone();
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn an_exec_runs_inside_and_its_output_and_end_come_back() {
    let (container, running) = sleeping();
    let (text, exit) = output(
        &container,
        "a",
        &["sh", "-c", "ls /; echo err >&2; readlink /proc/self/ns/pid; exit 9"],
    );
    assert!(text.contains("bin\n") && text.contains("err\n"), "{text}");
    let inside = std::fs::read_link(format!("/proc/{}/ns/pid", running.pid)).unwrap();
    assert!(text.contains(inside.to_str().unwrap()), "{text}");
    assert_eq!(exit.code, 9);
    // It left no socket behind.
    let oci = container.launch.state.join("oci").join(&container.launch.id);
    let names: Vec<_> = std::fs::read_dir(oci).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().contains("tenant")), "{names:?}");
    assert_eq!(std::fs::read_dir(container.launch.state.join("execs")).unwrap().count(), 0);
    end(&container, running);
}

#[test]
fn an_execs_input_ends_when_its_client_closes_it() {
    let (container, running) = sleeping();
    let mut exec = start(&container, "a", process_json(&["cat"]), ALL).unwrap();
    write(&mut exec.streams[0], "hello");
    drop(exec.streams.remove(0));
    assert_eq!(read(exec.streams.remove(0)), "hello");
    assert_eq!(exit(exec).code, 0);
    end(&container, running);
}

#[test]
fn an_execs_terminal_is_its_own() {
    let (container, running) = sleeping();
    let mut value = process_json(&["sh"]);
    value["terminal"] = true.into();
    let mut exec = start(&container, "a", value, ALL).unwrap();
    write(&mut exec.streams[0], "tty; exit 6\n");
    let text = read(exec.streams.remove(1));
    assert!(text.contains("/dev/pts/0"), "{text}");
    assert_eq!(exit(exec).code, 6);
    end(&container, running);
}

#[test]
fn a_command_that_cannot_run_fails_its_exec_alone() {
    let (container, running) = sleeping();
    let error = start(&container, "a", process_json(&["absent"]), OUT).err().unwrap();
    assert_eq!(
        error,
        (ErrorKind::CommandNotFound, "exec: \"absent\": executable file not found in $PATH".into())
    );
    let error = start(&container, "a", process_json(&["/etc"]), OUT).err().unwrap();
    assert_eq!(error.0, ErrorKind::CommandNotExecutable);
    assert_eq!(output(&container, "a", &["echo", "fine"]).0, "fine\n");
    end(&container, running);
}

#[test]
fn execs_are_listed_found_by_name_and_killed_alone() {
    let (container, running) = sleeping();
    let exec =
        start(&container, "sleeper", process_json(&["sleep", "500"]), Streams::default()).unwrap();
    let taken = start(&container, "sleeper", process_json(&["true"]), OUT).err().unwrap();
    assert_eq!(taken.0, ErrorKind::AlreadyExists);
    let Reply::Execs { execs } = container.ask(Request::ListExecs) else { panic!() };
    assert_eq!(execs.len(), 1);
    assert_eq!(
        (execs[0].exec_id.as_str(), execs[0].args.join(" ").as_str()),
        ("sleeper", "sleep 500")
    );
    let mut waiter = container.connect();
    assert_eq!(waiter.ask(Request::Wait { exec_id: Some("sleeper".into()) }).unwrap(), Reply::Ok);
    let kill = Request::Kill {
        exec_id: Some("sleeper".into()),
        signal: libc::SIGTERM,
        all: false,
        stop: false,
    };
    assert_eq!(container.ask(kill.clone()), Reply::Ok);
    assert_eq!(exit(exec).signal, Some(libc::SIGTERM));
    assert!(matches!(waiter.event().unwrap(), Some(Event::Exited { exit }) if exit.code == 143));
    assert!(matches!(container.ask(kill), Reply::Error { kind: ErrorKind::NotFound, .. }));
    end(&container, running);
}

#[test]
fn execs_end_with_their_container_and_say_so() {
    let (container, running) = sleeping();
    let exec = start(&container, "a", process_json(&["sleep", "500"]), OUT).unwrap();
    end(&container, running);
    assert_eq!(exit(exec).code, 137);
}

#[test]
fn a_background_child_that_keeps_the_output_open_does_not_keep_the_exec() {
    let (container, running) = sleeping();
    let mut exec =
        start(&container, "a", process_json(&["sh", "-c", "sleep 300 & echo started"]), OUT)
            .unwrap();
    assert_eq!(read_until(&mut exec.streams[0], "\n"), "started\n");
    assert_eq!(exit(exec).code, 0);
    end(&container, running);
}

#[test]
fn ten_execs_at_once_do_not_disturb_each_other() {
    let (container, running) = sleeping();
    std::thread::scope(|scope| {
        for number in 0..10 {
            let container = &container;
            scope.spawn(move || {
                let word = format!("word-{number}");
                let (text, exit) = output(container, &word, &["echo", &word]);
                assert_eq!((text, exit.code), (format!("{word}\n"), 0));
            });
        }
    });
    end(&container, running);
}

#[test]
fn an_exec_has_the_containers_seccomp_filter_and_no_capability_more_than_asked_for() {
    let container =
        Container::shell("grep -E 'Seccomp:|Cap' /proc/self/status; sleep 1000").with_filter();
    let mut running = container.run(Some(OUT));
    let own = read_until(&mut running.streams[0], "Seccomp:\t2\n");
    for no_new_privileges in [None, Some(true)] {
        for uid in [0, 1000] {
            let mut value = process_json(&[
                "sh",
                "-c",
                "grep -E 'Seccomp:|Cap' /proc/self/status; mkdir /tmp/x",
            ]);
            value["user"]["uid"] = uid.into();
            value["args"][2] =
                "grep -E 'Seccomp:|Cap' /proc/self/status; busybox mkdir /tmp/x 2>&1".into();
            if let Some(set) = no_new_privileges {
                value["noNewPrivileges"] = set.into();
            }
            let mut exec = start(&container, "a", value, OUT).unwrap();
            let text = read(exec.streams.remove(0));
            assert!(text.contains("Seccomp:\t2"), "{text}");
            assert!(text.contains("CapInh:\t0000000000000000"), "{text}");
            // Number 99.
            assert!(text.contains("Cannot assign requested address"), "{text}");
            let bounding =
                |text: &str| text.lines().find(|l| l.starts_with("CapBnd")).unwrap().to_owned();
            assert_eq!(bounding(&text), bounding(&own));
            let effective = text.lines().find(|l| l.starts_with("CapEff")).unwrap();
            let wanted = if uid == 0 {
                bounding(&own).replace("Bnd", "Eff")
            } else {
                "CapEff:\t0000000000000000".into()
            };
            assert_eq!(effective, wanted);
            exit(exec);
        }
    }
    end(&container, running);
}

#[test]
fn an_exec_that_asks_for_what_would_be_ignored_is_refused() {
    let (container, running) = sleeping();
    let with = |key: &str, value: serde_json::Value| {
        let mut process = process_json(&["true"]);
        process[key] = value;
        start(&container, "a", process, OUT).map_err(|(kind, _)| kind)
    };
    // To its end: one that still runs keeps the id from the others.
    exit(with("cwd", "/".into()).unwrap());
    let with = |key: &str, value| with(key, value).err();
    assert_eq!(with("env", json!(["PATH=/bin"])), Some(ErrorKind::Invalid));
    assert_eq!(with("cwd", "bin".into()), Some(ErrorKind::Invalid));
    assert_eq!(with("args", json!([])), Some(ErrorKind::Invalid));
    assert_eq!(with("selinuxLabel", "a:b:c".into()), Some(ErrorKind::Invalid));
    let ambient = json!({"bounding": ["CAP_KILL"], "ambient": ["CAP_KILL"]});
    assert_eq!(with("capabilities", ambient), Some(ErrorKind::Invalid));
    end(&container, running);
}

#[test]
fn nothing_is_started_in_a_paused_container() {
    let (container, running) = sleeping();
    assert_eq!(container.ask(Request::Pause), Reply::Ok);
    let error = start(&container, "a", process_json(&["true"]), OUT).err().unwrap();
    assert_eq!(error.0, ErrorKind::WrongPhase);
    assert_eq!(container.ask(Request::Resume), Reply::Ok);
    assert_eq!(output(&container, "a", &["echo", "thawed"]).0, "thawed\n");
    end(&container, running);
}
