//! What the container's program and those of `exec` are given, as from runc.

use std::fs;
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use isopod_tests::{Invocation, Terminal};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::json;

use crate::bundle::{Bundle, Runtime, told};

fn outcome(runtime: &Runtime, words: &[&str]) -> String {
    let told = runtime.run(words);
    format!("{} {} {}", told.status, told.out, told.message())
}

#[test]
fn a_program_is_given_what_the_bundle_says() {
    let bundle = Bundle::new();
    fs::create_dir(bundle.path("bundle/rootfs/etc")).unwrap();
    fs::write(bundle.path("bundle/rootfs/etc/passwd"), "web:x:33:44::/srv/web:/bin/sh\n").unwrap();
    let script = "id -u; id -g; id -G; pwd; echo $HOME; hostname; umask; ulimit -n; \
                  grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status; ip link show lo up; exit 9";
    bundle.shell(script);
    bundle.set("/process/user", json!({"uid": 33, "gid": 44, "additionalGids": [55, 66]}));
    bundle.set("/process/cwd", json!("/made/for/it"));
    bundle.set("/root/readonly", json!(false));
    bundle.set("/linux/seccomp", json!({"defaultAction": "SCMP_ACT_ALLOW"}));
    let steps = bundle.compare(|runtime| vec![outcome(runtime, &["run", "c1"])]);
    assert!(steps[0].starts_with("9 33\n44\n44 55 66\n/made/for/it\n/srv/web\n"), "{steps:?}");
    bundle.set("/process/capabilities/inheritable", json!(["CAP_KILL"]));
    bundle.set("/process/noNewPrivileges", json!(false));
    bundle.compare(|runtime| vec![outcome(runtime, &["run", "c1"])]);
}

#[test]
fn programs_that_cannot_be_executed_are_reported_and_leave_nothing() {
    let bundle = Bundle::new();
    for words in [&["nonono"][..], &["/bin/nonono"], &["/etc"]] {
        bundle.runs(words);
        bundle.compare(|runtime| {
            let told = runtime.run(&["run", "c1"]);
            vec![told.status.to_string(), runtime.run(&["list", "-q"]).out]
        });
    }
    bundle.runs(&["nonono"]);
    bundle.compare(|runtime| vec![outcome(runtime, &["run", "c1"])]);
}

#[test]
fn an_exec_is_like_the_container_with_what_is_changed() {
    let bundle = Bundle::new();
    bundle.compare(|runtime| {
        assert_eq!(runtime.leave(&["run", "-d", "c1"]), 0);
        let caps = "grep Cap /proc/self/status";
        let mut steps = vec![
            outcome(runtime, &["exec", "c1", "sh", "-c", "id; pwd; exit 7"]),
            outcome(runtime, &["exec", "-u", "5:6", "-g", "7", "c1", "id", "-G"]),
            outcome(
                runtime,
                &["exec", "--cwd", "/bin", "-e", "A=b", "c1", "sh", "-c", "pwd; echo $A $TERM"],
            ),
            outcome(runtime, &["exec", "-c", "CAP_CHOWN", "c1", "sh", "-c", caps]),
            outcome(runtime, &["exec", "c1", "sh", "-c", caps]),
            outcome(runtime, &["exec", "c1", "nonono"]),
            outcome(runtime, &["exec", "c1", "sh", "-c", "kill -9 $$"]),
            outcome(
                runtime,
                &["exec", "c1", "sh", "-c", "cat /proc/self/cgroup | grep pids: | grep -c c1"],
            ),
        ];
        let process =
            json!({"user": {"uid": 3, "gid": 4}, "args": ["id"], "cwd": "/", "env": ["PATH=/bin"]});
        fs::write(bundle.path("p.json"), process.to_string()).unwrap();
        steps.push(outcome(runtime, &["exec", "-p", "../p.json", "c1"]));
        let status = runtime.leave(&["exec", "-d", "--pid-file", "../pid", "c1", "sleep", "100"]);
        let pid = fs::read_to_string(bundle.path("pid")).unwrap();
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
        steps.push(format!("{status} {name}"));
        // One that is left alone is moved in otherwise than one that is waited for.
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        steps.extend(groups.lines().filter_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            let named = controllers.is_empty() || controllers.starts_with("name=");
            (!named).then(|| format!("{controllers} {}", path.contains("c1")))
        }));
        assert_eq!(runtime.run(&["delete", "-f", "c1"]).status, 0);
        steps
    });
}

#[test]
fn descriptors_are_passed_on_by_number_alone() {
    let bundle = Bundle::new();
    bundle.shell("ls /proc/self/fd; cat <&3; echo $LISTEN_FDS $LISTEN_PID");
    bundle.compare(|runtime| {
        let line = |flags: &str| {
            let program = runtime.program().display().to_string();
            let root = runtime.root().display().to_string();
            // Two more are open, which nobody asked for.
            let script = format!("echo three > ../three; exec 3<../three 4</dev/null 9</dev/null; {flags} exec {program} --root {root} run $1 c1");
            let mut shell = std::process::Command::new("bash");
            shell.args(["-c", &script, "bash"]).current_dir(bundle.path("bundle"));
            shell.env("ISOPOD_ROOT", bundle.path("data"));
            shell
        };
        let told_of = |flags: &str, option: &str| {
            let told = told(&line(flags).arg(option).output().unwrap());
            format!("{} {}", told.status, told.out)
        };
        vec![
            told_of("", "--preserve-fds=1"),
            told_of("LISTEN_FDS=1 LISTEN_PID=1", "--preserve-fds=1"), told_of("LISTEN_FDS=1 LISTEN_PID=$$", "--preserve-fds=1"),
        ]
    });
}

#[test]
fn a_console_socket_gets_the_terminal() {
    let bundle = Bundle::new();
    bundle.set("/process/terminal", json!(true));
    bundle.set("/process/user", json!({"uid": 33, "gid": 44}));
    bundle.set("/process/consoleSize", json!({"height": 33, "width": 77}));
    bundle.shell("tty; stty size; ls -ln $(tty) | { read a b c d; echo $c; }; sleep 0.2");
    bundle.compare(|runtime| {
        let path = bundle.path("console.sock");
        fs::remove_file(&path).ok();
        let listener = UnixListener::bind(&path).unwrap();
        let mut steps = Vec::new();
        let status =
            runtime.leave(&["run", "-d", "--console-socket", path.to_str().unwrap(), "c1"]);
        steps.push(status.to_string());
        let (connection, _) = listener.accept().unwrap();
        let mut master = fs::File::from(receive(&connection));
        let (mut seen, mut bytes) = (Vec::new(), [0; 1000]);
        while let Ok(count @ 1..) = master.read(&mut bytes) {
            seen.extend(&bytes[..count]);
        }
        steps.push(String::from_utf8(seen).unwrap());
        assert_eq!(runtime.run(&["delete", "-f", "c1"]).status, 0);
        steps.push(outcome(runtime, &["run", "-d", "c1"]));
        steps
    });
}

/// The descriptor that comes with a message.
fn receive(connection: &UnixStream) -> OwnedFd {
    let mut name = [0; 64];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut buffer = RecvAncillaryBuffer::new(&mut space);
    recvmsg(connection, &mut [IoSliceMut::new(&mut name)], &mut buffer, RecvFlags::empty())
        .unwrap();
    let mut rights = buffer.drain().filter_map(|one| match one {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    rights.next().unwrap()
}

#[test]
fn in_the_foreground_the_terminal_is_the_callers() {
    let bundle = Bundle::new();
    bundle.set("/process/terminal", json!(true));
    bundle.shell("stty size; read line; echo got $line; exit 5");
    let ours = bundle.ours();
    let root = ours.root().display().to_string();
    let invocation = Invocation::new(ours.program(), ["--root", &root, "run", "c1"])
        .env("ISOPOD_ROOT", bundle.path("data"))
        .current_dir(bundle.path("bundle"));
    let mut terminal = Terminal::start(invocation);
    terminal.expects("24 80").types("words\n").expects("got words");
    terminal.exits_with(5);
    assert_eq!(ours.run(&["list", "-q"]).out, "");
}

#[test]
fn an_exec_joins_the_user_namespace_too() {
    let bundle = Bundle::new();
    let mapping = json!([{"containerID": 0, "hostID": 100_000, "size": 1000}]);
    bundle.set("/linux/uidMappings", mapping.clone()).set("/linux/gidMappings", mapping);
    let kinds = ["pid", "ipc", "uts", "mount", "network", "cgroup", "user"];
    bundle.set("/linux/namespaces", json!(kinds.map(|kind| json!({"type": kind}))));
    let mut permissions = fs::metadata(bundle.path(".")).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    fs::set_permissions(bundle.path("."), permissions).unwrap();
    for name in ["proc", "dev", "sys"] {
        fs::create_dir(bundle.path("bundle/rootfs").join(name)).unwrap();
    }
    let look =
        "id; cat /proc/self/uid_map | { read a b c; echo $a $b $c; }; grep Cap /proc/self/status";
    bundle.compare(|runtime| {
        assert_eq!(runtime.leave(&["run", "-d", "c1"]), 0, "{}", runtime.left());
        let steps = vec![
            outcome(runtime, &["exec", "c1", "sh", "-c", look]),
            outcome(runtime, &["exec", "-u", "5:6", "c1", "sh", "-c", look]),
        ];
        assert_eq!(runtime.run(&["delete", "-f", "c1"]).status, 0);
        steps
    });
}

/// Beyond `fs.nr_open` the kernel takes no limit of descriptors from anybody (getrlimit(2)).
#[test]
fn a_limit_that_the_kernel_refuses_is_named() {
    let bundle = Bundle::new();
    let ours = bundle.ours();
    let limit = |typ, value: u64| json!({"type": typ, "soft": value, "hard": value});
    let refused = limit("RLIMIT_NOFILE", 2_000_000_000);
    bundle.set("/process/rlimits", json!([limit("RLIMIT_CORE", 0), refused]));
    let told = ours.run(&["run", "c1"]);
    assert_eq!(told.status, 1);
    let message = told.message();
    assert!(message.contains("rlimit RLIMIT_NOFILE cannot be 2000000000:2000000000"), "{told:?}");
    assert!(!message.contains("RLIMIT_CORE"), "{told:?}");
    assert_eq!(ours.run(&["list", "-q"]).out, "");
}
