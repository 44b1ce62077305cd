//! A bundle with busybox in a folder of its own, and the runtime's commands on it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use isopod_tests::passable;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::runtime::Runtime;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// What docker gives a container.
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// A container that is or will be.
pub struct Bundle {
    folder: TempDir,
    pub runtime: Runtime,
    pub id: String,
    /// `config.json`, written before every command that reads it.
    pub spec: Value,
}

impl Bundle {
    /// A container that runs `script` in a shell.
    pub fn new(runtime: Runtime, script: &str) -> Self {
        let folder = passable::folder("isopod-oci-");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let id = format!("isopod-oci-{}-{number}", std::process::id());
        let rootfs = folder.path().join("rootfs");
        for place in ["bin", "dev", "etc", "proc", "sys", "tmp", "data", "root"] {
            fs::create_dir_all(rootfs.join(place)).unwrap();
        }
        fs::copy("/bin/busybox", rootfs.join("bin/busybox")).expect("busybox-static is installed");
        for applet in [
            "cat", "chmod", "chroot", "date", "dd", "echo", "env", "false", "find", "grep", "head",
            "hostname", "id", "kill", "ls", "mkdir", "mknod", "mount", "printf", "pwd", "readlink",
            "rm", "sed", "seq", "sh", "sleep", "sort", "stat", "stty", "tail", "test", "touch",
            "tr", "true", "tty", "umount", "uname", "wc",
        ] {
            symlink("busybox", rootfs.join("bin").join(applet)).unwrap();
        }
        fs::write(rootfs.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\n").unwrap();
        let spec = spec(&id, script);
        Self { folder, runtime, id, spec }
    }

    /// With another specification.
    pub fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.spec);
        self
    }

    /// A path beside the root file system.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path in the root file system, seen from outside.
    pub fn inside(&self, name: &str) -> PathBuf {
        self.folder.path().join("rootfs").join(name)
    }

    /// The runtime with its state here.
    pub fn command(&self) -> Command {
        let mut command = self.runtime.command(&self.folder.path().join("state"));
        // Not the host's /dev/null: some give their standard streams to the container's user, that one too.
        let (empty, _) = std::io::pipe().unwrap();
        command.stdin(empty);
        command
    }

    /// Writes `config.json`.
    pub fn write(&self) {
        fs::write(self.path("config.json"), serde_json::to_vec_pretty(&self.spec).unwrap())
            .unwrap();
    }

    /// `run`, until the container ends.
    pub fn run(&self) -> Output {
        self.write();
        let mut command = self.command();
        command.args(["run", "--bundle"]).arg(self.folder.path()).arg(&self.id).output().unwrap()
    }

    /// `run`, and what the container printed. One that can't be run is told as what was printed.
    pub fn output(&self) -> String {
        said(&self.run())
    }

    /// `create` with further arguments; its output goes to files, as the container holds it.
    pub fn create(&self, arguments: &[&str]) -> bool {
        self.write();
        let file = |name: &str| fs::File::create(self.path(name)).unwrap();
        let mut command = self.command();
        command.args(["create", "--bundle"]).arg(self.folder.path()).args(arguments).arg(&self.id);
        command.stdout(file("stdout")).stderr(file("stderr")).status().unwrap().success()
    }

    /// What a created container has printed, without the last line's end.
    pub fn printed(&self) -> String {
        fs::read_to_string(self.path("stdout")).unwrap_or_default().trim_end().to_owned()
    }

    /// A subcommand that takes the container's id behind its arguments, then `rest`.
    pub fn call(&self, verb: &str, arguments: &[&str], rest: &[&str]) -> Output {
        self.command().arg(verb).args(arguments).arg(&self.id).args(rest).output().unwrap()
    }

    /// As [`Self::call`], whether it went well.
    pub fn does(&self, verb: &str, rest: &[&str]) -> bool {
        self.call(verb, &[], rest).status.success()
    }

    /// What `state` says; null where it fails.
    pub fn state(&self) -> Value {
        let output = self.call("state", &[], &[]);
        if !output.status.success() {
            return Value::Null;
        }
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The status that `state` tells; `gone` where there is no such container.
    pub fn status(&self) -> String {
        self.state()["status"].as_str().unwrap_or("gone").to_owned()
    }

    /// The container's first process.
    pub fn pid(&self) -> i32 {
        self.state()["pid"].as_i64().unwrap_or_default().try_into().unwrap()
    }

    /// Waits until the container has stopped.
    pub fn stopped(&self) -> String {
        eventually(|| (self.status() == "stopped").then_some(()));
        self.status()
    }

    /// The container's folder in the hierarchy of a controller.
    pub fn cgroup(&self, controller: &str) -> PathBuf {
        let controller = if is_unified() { "" } else { controller };
        Path::new("/sys/fs/cgroup").join(controller).join(&self.id)
    }

    /// A file of the container's cgroup.
    pub fn limit(&self, controller: &str, file: &str) -> String {
        match fs::read_to_string(self.cgroup(controller).join(file)) {
            Ok(text) => text.trim().to_owned(),
            Err(error) => error.kind().to_string(),
        }
    }
}

/// Whether cgroups have version 2 alone.
pub fn is_unified() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// What a failed test leaves: the container, and its empty cgroups.
impl Drop for Bundle {
    fn drop(&mut self) {
        let _ = self.call("delete", &["--force"], &[]);
        let top = Path::new("/sys/fs/cgroup");
        let hierarchies = fs::read_dir(top).into_iter().flatten().flatten().map(|e| e.path());
        for place in hierarchies.chain([top.to_owned()]).map(|root| root.join(&self.id)) {
            let below = fs::read_dir(&place).into_iter().flatten().flatten();
            below.filter(|e| e.path().is_dir()).for_each(|e| drop(fs::remove_dir(e.path())));
            fs::remove_dir(place).ok();
        }
    }
}

/// Polls until there is something, for as long as any runtime may need.
pub fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + Duration::from_secs(30);
    while Instant::now() < end {
        if let Some(found) = look() {
            return Some(found);
        }
        sleep(Duration::from_millis(20));
    }
    None
}

/// Output without its last line's end, and how it failed if it did.
pub fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    match output.status.code() {
        Some(0) => text,
        code => {
            let error = String::from_utf8_lossy(&output.stderr);
            format!("{text}[{}] {}", code.unwrap_or(-1), error.trim_end()).trim_end().to_owned()
        }
    }
}

/// A specification as `runc spec` writes it, but for what runs, where it may be written, and cgroups.
fn spec(id: &str, script: &str) -> Value {
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/sh", "-c", script],
            "env": ["PATH=/bin", "HOME=/root"],
            "cwd": "/",
            "capabilities": {
                "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES,
            },
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": false},
        "hostname": "bundle",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
             "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
             "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]},
        ],
        "linux": {
            "cgroupsPath": format!("/{id}"),
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": [
                {"type": "pid"}, {"type": "network"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
            ],
            "maskedPaths": ["/proc/keys", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys", "/proc/bus"],
        },
    })
}
