//! A container to try things on: busybox in a temporary folder, under the real monitor.
#![allow(dead_code, clippy::unwrap_used)]

pub mod net;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use isopod_monitor_protocol::client::{self, Connection};
use isopod_monitor_protocol::filter::{Filter, Instruction};
use isopod_monitor_protocol::launch::{Launch, Log, Restart, Rootfs};
use isopod_monitor_protocol::message::{ErrorKind, Event, Handed, Reply, Request, Size, Streams};
use isopod_monitor_protocol::status::{Exit, Status};
use isopod_monitor_protocol::{VERSION, data};
use isopod_sys::cgroup::Hierarchies;
use isopod_sys::lock::Lock;
use isopod_sys::tree;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const MONITOR: &str = env!("CARGO_BIN_EXE_isopod-monitor");

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A container's folders and files, before and after it runs.
pub struct Container {
    folder: TempDir,
    pub launch: Launch,
    pub spec: Value,
    pub filter: Option<Filter>,
    binary: OwnedFd,
}

/// A container that was asked to run.
pub struct Running {
    pub connection: Connection,
    pub pid: i32,
    pub streams: Vec<File>,
}

/// All three streams.
pub const ALL: Streams = Streams { stdin: true, stdout: true, stderr: true };
/// Both outputs.
pub const OUT: Streams = Streams { stdin: false, stdout: true, stderr: true };

pub fn busybox_root(root: &Path) {
    for folder in ["bin", "proc", "dev", "sys", "tmp", "etc", "root"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::copy("/bin/busybox", root.join("bin/busybox")).unwrap();
    for applet in [
        "sh", "cat", "true", "sleep", "echo", "head", "tty", "stty", "id", "yes", "ls", "dd", "ps",
        "setsid", "su", "grep", "readlink",
    ] {
        symlink("busybox", root.join("bin").join(applet)).unwrap();
    }
}

impl Container {
    pub fn new(args: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("isopod-monitor-test-").tempdir().unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("test-{}-{number}", std::process::id());
        let path = |name: &str| folder.path().join(name);
        for name in ["root", "upper", "work", "data"] {
            fs::create_dir(path(name)).unwrap();
        }
        busybox_root(&path("root"));
        let top = PathBuf::from(format!("/isopod-test-{}", std::process::id()));
        let cgroup = top.join(format!("c{number}"));
        let launch = Launch {
            version: VERSION,
            id: id.clone(),
            namespace: "default".into(),
            data: path("data"),
            state: path("state"),
            rootfs: Rootfs::Overlay {
                lower: vec![path("root")],
                upper: Some(path("upper")),
                work: Some(path("work")),
            },
            log: Log::None,
            open_stdin: false,
            stdin_once: false,
            terminal: false,
            monitor_cgroup: top.join(format!("m{number}")),
            after_exit: Vec::new(),
            again: None,
            restart: Restart::No,
            joins_another: false,
            health: None,
            forwards: Vec::new(),
            resolver: None,
            journal: None,
            parts: Vec::new(),
        };
        let spec = spec(&path("state/rootfs"), &cgroup, args);
        let binary = tree::readonly_clone(Path::new(MONITOR)).unwrap();
        Self { folder, launch, spec, filter: None, binary }
    }

    pub fn shell(script: &str) -> Self {
        Self::new(&["/bin/sh", "-c", script])
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn with(mut self, change: impl FnOnce(&mut Launch, &mut Value)) -> Self {
        change(&mut self.launch, &mut self.spec);
        self
    }

    /// No folder can be made in it: mkdir(2) and mkdirat(2) of x86_64 fail with error 99.
    pub fn with_filter(mut self) -> Self {
        self.spec["linux"]["seccomp"] = json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99}],
        });
        let one = |code, jt, k| Instruction { code, jt, jf: 0, k };
        let instructions = vec![
            one(0x20, 0, 0),
            one(0x15, 2, 83),
            one(0x15, 1, 258),
            one(0x06, 0, 0x7fff_0000),
            one(0x06, 0, 0x0005_0000 | 99),
        ];
        self.filter = Some(Filter { flags: 0, instructions });
        self
    }

    pub fn with_terminal(self) -> Self {
        self.with(|launch, spec| {
            launch.terminal = true;
            spec["process"]["terminal"] = true.into();
        })
    }

    pub fn with_json_log(self) -> Self {
        let path = self.path("log");
        self.with(|launch, _| {
            launch.log = Log::JsonFile {
                path,
                max_size: None,
                max_files: 1,
                attributes: Default::default(),
                compress: false,
                max_buffer: None,
            }
        })
    }

    pub fn cgroup(&self) -> PathBuf {
        self.spec["linux"]["cgroupsPath"].as_str().unwrap().into()
    }

    pub fn write(&self) {
        let write = |name, bytes: Vec<u8>| fs::write(self.launch.data.join(name), bytes).unwrap();
        write(data::LAUNCH, serde_json::to_vec(&self.launch).unwrap());
        write(data::SPEC, serde_json::to_vec(&self.spec).unwrap());
        if let Some(filter) = &self.filter {
            write(data::FILTER, filter.to_bytes());
        }
    }

    /// Starts a monitor and sends `Run`, without waiting for an answer.
    pub fn spawn(&self, attach: Option<Streams>, size: Option<Size>) -> Connection {
        self.write();
        let mut spawned = client::spawn(self.binary.as_fd(), &self.launch.data).unwrap();
        spawned.connection.send(Request::Run { attach, size, handed: Vec::new() }).unwrap();
        std::thread::spawn(move || spawned.starter.wait());
        spawned.connection
    }

    /// Starts a monitor from this thread's network namespace, and hands these descriptors over.
    pub fn run_with(
        &self,
        attach: Option<Streams>,
        handed: &[(Handed, BorrowedFd<'_>)],
    ) -> Result<Running, (ErrorKind, String)> {
        self.write();
        let mut spawned = client::spawn(self.binary.as_fd(), &self.launch.data).unwrap();
        let (handed, descriptors): (Vec<_>, Vec<_>) = handed.iter().copied().unzip();
        let request = Request::Run { attach, size: None, handed };
        spawned.connection.send_with(request, &descriptors).unwrap();
        std::thread::spawn(move || spawned.starter.wait());
        Self::started(spawned.connection)
    }

    pub fn try_run(&self, attach: Option<Streams>) -> Result<Running, (ErrorKind, String)> {
        self.try_run_sized(attach, None)
    }

    pub fn try_run_sized(
        &self,
        attach: Option<Streams>,
        size: Option<Size>,
    ) -> Result<Running, (ErrorKind, String)> {
        Self::started(self.spawn(attach, size))
    }

    fn started(mut connection: Connection) -> Result<Running, (ErrorKind, String)> {
        match connection.receive().unwrap().expect("the monitor answers") {
            isopod_monitor_protocol::message::FromMonitor::Reply(Reply::Started { pid }) => {
                let streams = connection.take_descriptors().into_iter().map(File::from).collect();
                Ok(Running { connection, pid, streams })
            }
            isopod_monitor_protocol::message::FromMonitor::Reply(Reply::Error {
                kind,
                message,
            }) => Err((kind, message)),
            other => panic!("{other:?}"),
        }
    }

    pub fn run(&self, attach: Option<Streams>) -> Running {
        self.try_run(attach).unwrap()
    }

    /// Runs to the end and returns what it wrote to standard output, to standard error, and its end.
    pub fn output(&self) -> (String, String, Exit) {
        let mut running = self.run(Some(OUT));
        let err = running.streams.pop().unwrap();
        let out = running.streams.pop().unwrap();
        let err = std::thread::spawn(move || read(err));
        let out = read(out);
        let exit = running.exit();
        self.wait_until_gone();
        (out, err.join().unwrap(), exit)
    }

    pub fn connect(&self) -> Connection {
        Connection::open(&self.launch.state).unwrap()
    }

    pub fn ask(&self, request: Request) -> Reply {
        self.connect().ask(request).unwrap()
    }

    pub fn status(&self) -> Status {
        let bytes = fs::read(self.launch.data.join(data::STATUS)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    pub fn kill(&self) {
        let kill = Request::Kill { exec_id: None, signal: libc::SIGKILL, all: false, stop: false };
        assert_eq!(self.ask(kill), Reply::Ok);
    }

    /// Waits for the monitor's last breath.
    pub fn wait_until_gone(&self) {
        eventually("the monitor ends", || {
            Lock::try_exclusive(&self.launch.state.join("monitor.lock")).unwrap().is_some()
        });
    }

    /// What a container has left behind, besides its data folder, its lock and its monitor's own cgroup.
    pub fn leftovers(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.launch.state).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name != "monitor.lock" {
                found.push(format!("file {name}"));
            }
        }
        let hierarchies = Hierarchies::find().unwrap();
        for folder in hierarchies.folders(&self.cgroup()) {
            if folder.exists() {
                found.push(format!("cgroup {}", folder.display()));
            }
        }
        let mine = self.folder.path().to_str().unwrap();
        for line in fs::read_to_string("/proc/self/mountinfo").unwrap().lines() {
            if line.contains(mine) {
                found.push(format!("mount {line}"));
            }
        }
        found.extend(self.processes().iter().map(|(pid, what)| format!("process {pid} {what}")));
        found
    }

    /// Processes that are this container's: monitor, guard, launchers, or in its cgroup.
    pub fn processes(&self) -> Vec<(i32, String)> {
        let data = self.launch.data.to_str().unwrap();
        let cgroup = self.cgroup();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else {
                continue;
            };
            let text = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
            let status = String::from_utf8_lossy(&text("status")).into_owned();
            if status.contains("State:\tZ") || status.is_empty() {
                continue;
            }
            let command = String::from_utf8_lossy(&text("cmdline")).replace('\0', " ");
            let groups = String::from_utf8_lossy(&text("cgroup")).into_owned();
            let is_in =
                groups.lines().any(|line| line.ends_with(&format!(":{}", cgroup.display())));
            if command.contains(data) || is_in {
                found.push((pid, command));
            }
        }
        found
    }

    pub fn monitor_pid(&self) -> i32 {
        self.status().monitor
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let hierarchies = Hierarchies::find().unwrap();
        let failing = std::thread::panicking();
        if failing {
            for (pid, _) in self.processes() {
                let pid = rustix::process::Pid::from_raw(pid).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
            hierarchies.kill(&self.cgroup(), Duration::from_secs(2)).ok();
            hierarchies.remove(&self.cgroup()).ok();
        }
        hierarchies.kill(&self.launch.monitor_cgroup, Duration::from_secs(2)).ok();
        hierarchies.remove(&self.launch.monitor_cgroup).ok();
    }
}

impl Running {
    pub fn exit(mut self) -> Exit {
        self.streams.clear();
        match self.connection.event().unwrap() {
            Some(Event::Exited { exit }) => exit,
            other => panic!("{other:?}"),
        }
    }
}

/// A process for an exec request.
pub fn process(args: &[&str]) -> Box<oci_spec::runtime::Process> {
    serde_json::from_value(process_json(args)).unwrap()
}

pub fn process_json(args: &[&str]) -> Value {
    let capabilities = ["CAP_KILL", "CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE"];
    json!({
        "user": {"uid": 0, "gid": 0},
        "args": args,
        "env": ["PATH=/bin", "HOME=/root"],
        "cwd": "/",
        "capabilities": {
            "bounding": capabilities, "effective": capabilities, "permitted": capabilities,
        },
    })
}

fn spec(root: &Path, cgroup: &Path, args: &[&str]) -> Value {
    let namespaces = ["pid", "mount", "uts", "ipc", "network"].map(|kind| json!({"type": kind}));
    json!({
        "ociVersion": "1.0.2",
        "root": {"path": root},
        "hostname": "test",
        "process": process_json(args),
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]},
        ],
        "linux": {
            "cgroupsPath": cgroup,
            "namespaces": namespaces,
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
        },
    })
}

pub fn read(mut file: impl Read) -> String {
    let mut bytes = Vec::new();
    // A terminal's end is an error.
    file.read_to_end(&mut bytes).ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

pub fn write(file: &mut impl Write, text: &str) {
    file.write_all(text.as_bytes()).unwrap();
}

/// Reads until `wanted` has come.
pub fn read_until(file: &mut impl Read, wanted: &str) -> String {
    let mut text = String::new();
    let mut byte = [0];
    while !text.contains(wanted) {
        assert_eq!(file.read(&mut byte).unwrap(), 1, "ended after {text:?}");
        text.push(byte[0].into());
    }
    text
}

pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}
