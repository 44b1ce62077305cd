//! A bundle with busybox in it, and the two runtimes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use isopod_tests::{binary, passable};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A runtime with state of its own.
pub struct Runtime {
    program: PathBuf,
    folder: PathBuf,
    /// Of a container without a path of its own.
    cgroup: String,
}

/// What came of a command.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// A folder of the test's own; containers in it go with it.
pub struct Bundle {
    folder: TempDir,
    cgroup: String,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Bundle {
    /// A container that sleeps, and has busybox's applets.
    pub fn new() -> Self {
        let folder = passable::folder("isopod-runc-");
        let bin = folder.path().join("bundle/rootfs/bin");
        fs::create_dir_all(&bin).unwrap();
        fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
        for applet in [
            "sh", "true", "sleep", "cat", "ls", "echo", "id", "env", "pwd", "grep", "stty",
            "hostname", "ip", "mkdir", "touch", "kill", "tty",
        ] {
            fs::hard_link(bin.join("busybox"), bin.join(applet)).unwrap();
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let cgroup = format!("/isopod-runc-test-{}-{number}", std::process::id());
        let mut spec = Command::new("runc");
        spec.args(["spec", "-b"]).arg(folder.path().join("bundle"));
        let bundle = Self { folder, cgroup };
        assert!(spec.status().unwrap().success());
        bundle.set("/process/terminal", json!(false));
        bundle.runs(&["sleep", "1000"]);
        bundle
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("bundle/config.json")
    }

    /// Sets a part of `config.json`, which need not be there.
    pub fn set(&self, pointer: &str, value: Value) -> &Self {
        let mut config: Value = serde_json::from_slice(&fs::read(self.config()).unwrap()).unwrap();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        config.pointer_mut(parent).unwrap()[key] = value;
        fs::write(self.config(), serde_json::to_vec(&config).unwrap()).unwrap();
        self
    }

    pub fn runs(&self, words: &[&str]) -> &Self {
        self.set("/process/args", json!(words))
    }

    pub fn shell(&self, script: &str) -> &Self {
        self.runs(&["sh", "-c", script])
    }

    /// Ours, called by a link that is named like the original.
    pub fn ours(&self) -> Runtime {
        let link = self.path("runc");
        if !link.exists() {
            symlink(binary::isopod(), &link).unwrap();
        }
        self.runtime(link, "ours")
    }

    pub fn original(&self) -> Runtime {
        self.runtime("/usr/sbin/runc".into(), "theirs")
    }

    fn runtime(&self, program: PathBuf, name: &str) -> Runtime {
        // Both may have a container of one id at once.
        let cgroup = format!("{}/{name}", self.cgroup);
        self.set("/linux/cgroupsPath", json!(format!("{cgroup}/c1")));
        Runtime { program, folder: self.folder.path().to_owned(), cgroup }
    }

    /// Asks both the same, and compares what `script` writes down.
    #[track_caller]
    pub fn compare(&self, script: impl Fn(&Runtime) -> Vec<String>) -> Vec<String> {
        let theirs = script(&self.original());
        let ours = script(&self.ours());
        let pairs = theirs.iter().zip(&ours);
        for (number, (theirs, ours)) in pairs.enumerate() {
            assert_eq!(ours, theirs, "step {number}: ours, theirs");
        }
        assert_eq!(ours.len(), theirs.len());
        ours
    }
}

impl Drop for Bundle {
    fn drop(&mut self) {
        for name in ["ours", "theirs"] {
            let program = if name == "ours" { self.path("runc") } else { "/usr/sbin/runc".into() };
            let root = self.path(name);
            for entry in fs::read_dir(&root).into_iter().flatten().flatten() {
                let deleted = Command::new(&program)
                    .arg("--root")
                    .arg(&root)
                    .args(["delete", "--force"])
                    .arg(entry.file_name())
                    .output();
                if !std::thread::panicking() {
                    assert!(deleted.unwrap().status.success(), "{entry:?} is left");
                }
            }
        }
        // The groups above the containers' are nobody's but this test's.
        for hierarchy in fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten() {
            let top = hierarchy.path().join(&self.cgroup[1..]);
            for name in ["ours", "theirs"] {
                fs::remove_dir(top.join(name)).ok();
            }
            fs::remove_dir(&top).ok();
            assert!(std::thread::panicking() || !top.exists(), "{} is left", top.display());
        }
    }
}

impl Runtime {
    pub fn root(&self) -> PathBuf {
        self.folder.join(if self.is_ours() { "ours" } else { "theirs" })
    }

    pub fn is_ours(&self) -> bool {
        self.program.starts_with(&self.folder)
    }

    pub fn cgroup(&self) -> &str {
        &self.cgroup
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(self.root()).args(words);
        command.current_dir(self.folder.join("bundle")).stdin(Stdio::null());
        command.env("ISOPOD_ROOT", self.folder.join("data"));
        command
    }

    /// Runs it and takes what it prints; what stays behind writes to files.
    pub fn run(&self, words: &[&str]) -> Told {
        told(&self.command(words).output().unwrap())
    }

    /// As [`Self::run`], for commands that leave a process with its streams.
    pub fn leave(&self, words: &[&str]) -> i32 {
        let mut command = self.command(words);
        let log = fs::File::create(self.folder.join("left")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        command.status().unwrap().code().unwrap()
    }

    /// What the last [`Self::leave`] left.
    pub fn left(&self) -> String {
        fs::read_to_string(self.folder.join("left")).unwrap()
    }

    pub fn state(&self, id: &str) -> Value {
        let told = self.run(&["state", id]);
        assert_eq!(told.status, 0, "{told:?}");
        serde_json::from_str(&told.out).unwrap()
    }

    pub fn status(&self, id: &str) -> String {
        self.state(id)["status"].as_str().unwrap().to_owned()
    }
}

pub fn told(output: &Output) -> Told {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Told {
        status: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

impl Told {
    /// The message of the last line of a log on standard error, without its time.
    pub fn message(&self) -> String {
        let line = self.err.lines().last().unwrap_or_default();
        line.split_once("msg=").map_or(line, |(_, message)| message).to_owned()
    }
}
