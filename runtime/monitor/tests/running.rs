//! Running a container to its end: output, exit status, failures to start, what is left.
#![allow(clippy::unwrap_used)]

mod support;

use isopod_monitor_protocol::launch::Rootfs;
use isopod_monitor_protocol::message::{ErrorKind, Reply, Request};
use isopod_monitor_protocol::status::Phase;
use support::{Container, OUT};

#[test]
fn a_container_runs_to_its_end_and_leaves_nothing() {
    let container = Container::shell("echo out; echo err >&2; exit 7");
    let (out, err, exit) = container.output();
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));
    assert_eq!((exit.code, exit.signal, exit.oom_killed), (7, None, false));
    let status = container.status();
    assert_eq!(status.phase, Phase::Exited);
    assert_eq!(status.exit.unwrap(), exit);
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn what_a_container_writes_goes_to_its_upper_folder_and_not_to_the_image() {
    let container = Container::shell("echo new > /etc/made");
    container.output();
    assert_eq!(std::fs::read_to_string(container.path("upper/etc/made")).unwrap(), "new\n");
    assert!(!container.path("root/etc/made").exists());
}

#[test]
fn a_plain_folder_serves_as_the_root() {
    let container = Container::shell("echo new > /etc/made");
    let path = container.path("root");
    let container = container.with(|launch, _| launch.rootfs = Rootfs::Folder { path });
    assert_eq!(container.output().2.code, 0);
    assert_eq!(std::fs::read_to_string(container.path("root/etc/made")).unwrap(), "new\n");
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_command_that_does_not_exist_is_told_from_one_that_may_not_run() {
    let cases = [
        (
            "absent",
            ErrorKind::CommandNotFound,
            127,
            "exec: \"absent\": executable file not found in $PATH",
        ),
        (
            "/absent",
            ErrorKind::CommandNotFound,
            127,
            "exec: \"/absent\": no such file or directory",
        ),
        ("/etc", ErrorKind::CommandNotExecutable, 126, "exec: \"/etc\": is a directory"),
        (
            "/etc/plain",
            ErrorKind::CommandNotExecutable,
            126,
            "exec: \"/etc/plain\": permission denied",
        ),
        // The file is there; what it names to interpret it isn't. Only execve notices.
        (
            "/etc/script",
            ErrorKind::CommandNotFound,
            127,
            "exec: \"/etc/script\": no such file or directory",
        ),
        (
            "/etc/junk",
            ErrorKind::CommandNotExecutable,
            126,
            "exec: \"/etc/junk\": exec format error",
        ),
    ];
    for (command, kind, code, message) in cases {
        let container = Container::new(&[command]);
        let file = |name: &str, text: &str, mode| {
            use std::os::unix::fs::PermissionsExt;
            let path = container.path("root/etc").join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        file("plain", "", 0o644);
        file("script", "#!/no/such/shell\n", 0o755);
        file("junk", "junk", 0o755);
        let (got, words) = container.try_run(Some(OUT)).err().expect(command);
        assert_eq!((got, words.as_str()), (kind, message), "{command}");
        container.wait_until_gone();
        let status = container.status();
        assert_eq!(status.phase, Phase::Failed);
        assert_eq!(status.exit.unwrap().code, code);
        assert_eq!(container.leftovers(), [""; 0], "{command}");
    }
}

#[test]
fn a_root_that_cannot_be_mounted_fails_cleanly() {
    let container = Container::new(&["true"]);
    let absent = container.path("absent");
    let container = container.with(|launch, _| {
        launch.rootfs = Rootfs::Folder { path: absent };
    });
    let (kind, message) = container.try_run(None).err().unwrap();
    assert_eq!(kind, ErrorKind::Failed);
    assert!(message.contains("/absent") && message.contains("No such file"), "{message}");
    container.wait_until_gone();
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn a_signal_ends_with_its_number() {
    let container = Container::new(&["sleep", "100"]);
    let running = container.run(None);
    let kill = Request::Kill { exec_id: None, signal: libc::SIGKILL, all: false, stop: false };
    assert_eq!(container.ask(kill), Reply::Ok);
    let exit = running.exit();
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
}

#[test]
fn a_second_monitor_of_the_same_container_is_refused_and_harms_nothing() {
    let container = Container::new(&["sleep", "100"]);
    let running = container.run(None);
    let (_, message) = container.try_run(None).err().unwrap();
    assert!(message.contains("monitored already"), "{message}");
    assert_eq!(container.status().phase, Phase::Running);
    container.kill();
    assert_eq!(running.exit().code, 137);
    container.wait_until_gone();
    assert_eq!(container.leftovers(), [""; 0]);
}

#[test]
fn twenty_containers_at_once_leave_nothing() {
    let containers: Vec<Container> = (0..20).map(|_| Container::shell("echo $$")).collect();
    std::thread::scope(|scope| {
        for container in &containers {
            scope.spawn(|| {
                let (out, _, exit) = container.output();
                assert_eq!((out.as_str(), exit.code), ("1\n", 0));
            });
        }
    });
    for container in &containers {
        assert_eq!(container.leftovers(), [""; 0]);
    }
}
