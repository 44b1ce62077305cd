//! The rows of security.md that monitors hold. Beside each is, in `tests/mutations`, the change
//! that removes its defence.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use isopod_monitor_protocol::VERSION;
use isopod_monitor_protocol::client::Connection;
use isopod_monitor_protocol::frame::{encode, send};
use isopod_monitor_protocol::message::{
    Envelope, Event, FromMonitor, Reply, Request, Size, Streams,
};
use support::{Container, MONITOR, OUT, Running, eventually, process_json, read, read_until};

fn exec(container: &Container, value: serde_json::Value) -> Result<(String, i32), String> {
    let process = serde_json::from_value(value).unwrap();
    let mut connection = container.connect();
    let request = Request::Exec { exec_id: "e".into(), process, streams: OUT, size: None };
    match connection.ask(request).unwrap() {
        Reply::Started { .. } => {}
        Reply::Error { message, .. } => return Err(message),
        other => panic!("{other:?}"),
    }
    let text: Vec<String> =
        connection.take_descriptors().into_iter().map(|fd| read(File::from(fd))).collect();
    match connection.event().unwrap() {
        Some(Event::Exited { exit }) => Ok((text.concat(), exit.code)),
        other => panic!("{other:?}"),
    }
}

fn end(container: &Container, running: Running) {
    container.kill();
    running.exit();
    container.wait_until_gone();
}

/// Starts the monitor the long way, with a hostile or careless caller's environment.
fn run_from(container: &Container, command: &mut Command) -> Running {
    container.write();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut starter = command
        .arg(&container.launch.data)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .spawn()
        .unwrap();
    let mut connection = Connection::from(ours);
    let reply =
        connection.ask(Request::Run { attach: Some(OUT), size: None, handed: Vec::new() }).unwrap();
    let Reply::Started { pid } = reply else { panic!("{reply:?}") };
    let streams = connection.take_descriptors().into_iter().map(File::from).collect();
    starter.wait().unwrap();
    Running { connection, pid, streams }
}

#[test]
fn row_01_the_monitors_binary_cannot_be_written_from_inside() {
    // A process of the container that executes what it was started by stays there, dumpable, for it
    // waits to read a FIFO.
    let container = Container::new(&["sleep", "1000"]);
    fs::create_dir(container.path("root/data")).unwrap();
    let fifo = container.path("root/data/launch.json");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let before = fs::read(MONITOR).unwrap();
    let running = container.run(None);
    let mut connection = container.connect();
    let process = serde_json::from_value(process_json(&["/proc/self/exe", "/data"])).unwrap();
    let request =
        Request::Exec { exec_id: "self".into(), process, streams: Streams::default(), size: None };
    assert!(matches!(connection.ask(request).unwrap(), Reply::Started { .. }));
    let script =
        "for p in /proc/[0-9]*; do echo $(readlink $p/exe); echo pwned >$p/exe; done; true";
    let (text, _) = exec(&container, process_json(&["sh", "-c", script])).unwrap();
    // It is reached, and refused otherwise than by "Text file busy", which would not last.
    assert!(text.contains("Read-only file system"), "{text}");
    end(&container, running);
    assert!(fs::read(MONITOR).unwrap() == before);

    // The same as an entrypoint: a script that names it as its interpreter.
    let container = Container::new(&["/entry"]);
    let entry = container.path("root/entry");
    fs::write(&entry, "#!/proc/self/exe\n").unwrap();
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(container.output().2.code, 1);
    assert!(fs::read(MONITOR).unwrap() == before);
}

#[test]
fn row_02_no_descriptor_of_ours_or_of_our_callers_gets_inside() {
    let container = Container::shell("ls /proc/self/fd | cat; sleep 1000");
    let host = File::open("/").unwrap();
    // Inherited, not close-on-exec; and a request to pass on what comes after standard error.
    rustix::io::fcntl_setfd(&host, rustix::io::FdFlags::empty()).unwrap();
    let mut running = run_from(&container, Command::new(MONITOR).env("LISTEN_FDS", "20"));
    rustix::io::fcntl_setfd(&host, rustix::io::FdFlags::CLOEXEC).unwrap();
    // Its own three, and the folder that `ls` reads.
    assert_eq!(read_until(&mut running.streams[0], "3\n"), "0\n1\n2\n3\n");
    std::thread::sleep(std::time::Duration::from_millis(50));
    let fds = fs::read_dir(format!("/proc/{}/fd", running.pid)).unwrap().count();
    assert_eq!(fds, 3);
    let (text, _) =
        exec(&container, process_json(&["sh", "-c", "ls /proc/self/fd | cat"])).unwrap();
    assert_eq!(text, "0\n1\n2\n3\n");
    end(&container, running);
}

#[test]
fn row_02_a_working_directory_outside_the_root_is_refused() {
    for number in 3..24 {
        let container = Container::new(&["true"]).with(|_, spec| {
            spec["process"]["cwd"] = format!("/proc/self/fd/{number}").into();
        });
        container.try_run(None).err().expect("refused");
        container.wait_until_gone();
    }
    let container = Container::new(&["sleep", "1000"]);
    let running = container.run(None);
    for number in 3..24 {
        let mut value = process_json(&["true"]);
        value["cwd"] = format!("/proc/self/fd/{number}").into();
        exec(&container, value).expect_err("refused");
    }
    end(&container, running);
}

#[test]
fn row_06_inheritable_capabilities_are_empty_whatever_the_caller_had() {
    let container = Container::shell("grep Cap /proc/self/status; sleep 1000");
    let mut careless = Command::new("setpriv");
    careless.args(["--inh-caps", "+chown,+kill", "--ambient-caps", "+chown", MONITOR]);
    let mut running = run_from(&container, &mut careless);
    let mut text = read_until(&mut running.streams[0], "CapAmb:");
    text += &read_until(&mut running.streams[0], "\n");
    assert!(text.contains("CapInh:\t0000000000000000"), "{text}");
    assert!(text.contains("CapAmb:\t0000000000000000"), "{text}");
    let (text, _) = exec(&container, process_json(&["grep", "Cap", "/proc/self/status"])).unwrap();
    assert!(text.contains("CapInh:\t0000000000000000"), "{text}");
    assert!(text.contains("CapAmb:\t0000000000000000"), "{text}");
    end(&container, running);
}

#[test]
fn a_container_has_none_of_its_callers_groups_and_keys() {
    let container = Container::shell("id; cat /proc/keys; sleep 1000");
    let mut careless = Command::new("setpriv");
    careless.args(["--groups", "4,27", MONITOR]);
    let mut running = run_from(&container, &mut careless);
    let text = read_until(&mut running.streams[0], "\n");
    assert!(!text.contains("27") && !text.contains('4'), "{text}");
    end(&container, running);
}

/// Memory that it has written to, in KiB, and the number of open descriptors. Clean pages of the
/// program count as private or not by whether another monitor happens to run.
fn holdings(pid: i32) -> (u64, usize) {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    // Not what is dirty: of a program that was just linked, pages of the file are.
    let private = rollup
        .lines()
        .filter(|line| line.starts_with("Anonymous:"))
        .map(|line| line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap());
    (private.sum(), fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count())
}

#[test]
fn row_09_floods_cost_no_memory_and_no_descriptors() {
    let container = Container::shell("while :; do sleep 1; done").with_terminal().with_json_log();
    let running = container.run(None);
    let monitor = container.monitor_pid();
    let (before, descriptors) = holdings(monitor);

    // Requests whose replies nobody reads, until the monitor takes no more.
    let resize = Request::Resize { exec_id: None, size: Size { columns: 9, rows: 9 } };
    let request = encode(&Envelope { version: VERSION, request: resize }).unwrap();
    let (deaf, _) = container.connect().into_parts();
    deaf.set_nonblocking(true).unwrap();
    let mut refused = 0;
    let mut sent = 0;
    while refused < 100 {
        match send(&deaf, &request, &[]) {
            Ok(_) => (sent, refused) = (sent + 1, 0),
            Err(_) => {
                refused += 1;
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
        assert!(sent < 1_000_000, "the flood is never refused");
    }

    // More clients than are served at a time, each with a session and input that nobody reads.
    let mut crowd = Vec::new();
    for _ in 0..300 {
        let mut connection = container.connect();
        connection.send(Request::Attach { streams: support::ALL }).unwrap();
        crowd.push(connection);
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let (during, _) = holdings(monitor);
    assert!(during < before + 1024, "{before} KiB before, {during} KiB during");
    drop(crowd);
    drop(deaf);
    eventually("everything is given back", || {
        let (after, now) = holdings(monitor);
        now <= descriptors && after < before + 512
    });
    end(&container, running);
}

#[test]
fn row_09_output_that_nobody_reads_is_not_kept() {
    let container = Container::shell("yes");
    let running = container.run(Some(OUT));
    let monitor = container.monitor_pid();
    // Whatever fills up on the way does so at the machine's pace; then nothing may grow any more. `yes`
    // writes megabytes in the time of ten looks, if anybody takes them.
    let mut last = (0, 0);
    eventually("the monitor stops growing", || {
        let (now, _) = holdings(monitor);
        last = if now == last.0 { (now, last.1 + 1) } else { (now, 0) };
        std::thread::sleep(std::time::Duration::from_millis(50));
        last.1 >= 10
    });
    assert!(last.0 < 2048, "{} KiB", last.0);
    end(&container, running);
}

#[test]
fn row_10_state_is_private_and_sockets_have_paths() {
    let container = Container::new(&["sleep", "1000"]).with_terminal();
    let running = container.run(None);
    let state = &container.launch.state;
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(state), 0o700);
    assert_eq!(mode(&state.join("monitor.sock")), 0o600);
    assert_eq!(mode(&state.join("monitor.lock")), 0o600);
    assert_eq!(mode(&container.launch.data.join("status.json")), 0o600);
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    let names = sockets.lines().filter(|line| line.contains('@'));
    let ours = ["isopod", "notify", "console", container.launch.id.as_str()];
    for name in names {
        assert!(ours.iter().all(|word| !name.contains(word)), "{name}");
    }
    end(&container, running);
}

#[test]
fn row_10_another_user_is_not_served() {
    let container = Container::new(&["sleep", "1000"]);
    // As if somebody had opened the folders up.
    let running = container.run(None);
    for path in [
        container.path(""),
        container.launch.state.clone(),
        container.launch.state.join("monitor.sock"),
    ] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let state = container.launch.state.clone();
    let answer = std::thread::spawn(move || {
        // Credentials are a thread's own.
        let nobody = rustix::process::Uid::from_raw(65534);
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        let mut connection = Connection::open(&state).unwrap();
        connection.send(Request::Status).ok();
        connection.receive().ok().flatten()
    });
    let answer: Option<FromMonitor> = answer.join().unwrap();
    assert_eq!(answer, None);
    assert!(matches!(container.ask(Request::Status), Reply::Status { .. }));
    end(&container, running);
}

#[test]
fn row_25_only_pipes_and_terminals_made_for_the_session_get_inside() {
    let script = "for n in 0 1 2; do readlink /proc/self/fd/$n; done; sleep 1000";
    let log = tempfile::NamedTempFile::new().unwrap();
    let container = Container::shell(script);
    let mut command = Command::new(MONITOR);
    command.stdout(log.reopen().unwrap()).stderr(log.reopen().unwrap());
    let mut running = run_from(&container, &mut command);
    let mut read_line = || read_until(&mut running.streams[0], "\n");
    assert_eq!(read_line(), "/dev/null\n");
    assert!(read_line().starts_with("pipe:["));
    assert!(read_line().starts_with("pipe:["));
    let null = fs::metadata(format!("/proc/{}/fd/0", running.pid)).unwrap();
    // The container's own device, not the host's.
    assert_ne!(null.dev(), fs::metadata("/dev/null").unwrap().dev());
    // Reopened for reading and writing, a pipe leads nowhere else.
    let script = "for n in 0 1 2; do readlink /proc/self/fd/$n; done; exec 5<>/proc/self/fd/1; readlink /proc/self/fd/5";
    let (text, _) = exec(&container, process_json(&["sh", "-c", script])).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "/dev/null");
    assert!(lines[1].starts_with("pipe:[") && lines[2].starts_with("pipe:["), "{text}");
    assert_eq!(lines[3], lines[1]);
    end(&container, running);
    assert_eq!(fs::read_to_string(log.path()).unwrap(), "");
}
