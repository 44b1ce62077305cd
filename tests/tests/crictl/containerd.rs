//! Debian's containerd with its CRI plugin: root, state, sockets and cgroups of its own, in a mount namespace of its own.
//! Its pods are of the host's network, so that nothing of that is touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use isopod_tests::handmade::{Entry, Handmade};
use isopod_tests::until;
use isopod_tests::{Served, passable};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Told, crictl, told};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A containerd, with a registry that has an image for pods and one for containers.
pub struct Containerd {
    folder: TempDir,
    served: Served,
    process: Child,
    cgroup: String,
}

impl Containerd {
    /// Starts one and waits until it answers.
    pub fn start() -> Self {
        let folder = passable::folder("isopod-crictl-");
        let served = Served::honest(&images(folder.path()));
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let cgroup = format!("/isopod-crictl-test-{}-{number}", std::process::id());
        let config = folder.path().join("config.toml");
        fs::write(&config, configuration(folder.path(), &served)).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        // It writes below `/run`, which is a fresh one there.
        let script = "mount -t tmpfs tmpfs /run && exec containerd -c \"$1\"";
        let process = Command::new("unshare")
            .args(["--mount", "sh", "-c", script, "sh"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let containerd = Self { folder, served, process, cgroup };
        until("containerd answers", || containerd.run(&["version"]).status == 0);
        containerd
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.path("c.sock")
    }

    /// The image for containers.
    pub fn image(&self) -> String {
        self.served.reference("busybox:1")
    }

    /// Runs a command of ours.
    pub fn run(&self, arguments: &[&str]) -> Told {
        told(&mut self.command(arguments))
    }

    /// A command of ours.
    pub fn command(&self, arguments: &[&str]) -> Command {
        crictl(&self.socket(), arguments)
    }

    /// Runs containerd's own client on the same objects.
    pub fn ctr(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("ctr");
        command.arg("-a").arg(self.socket()).args(["-n", "k8s.io"]).args(arguments);
        told(&mut command).ok()
    }

    /// Writes a pod's file; its path.
    pub fn pod_file(&self, name: &str) -> String {
        let logs = self.path(&format!("logs-{name}"));
        fs::create_dir_all(&logs).unwrap();
        self.file(&format!("pod-{name}.json"), &json!({
            "metadata": {"name": name, "namespace": "default", "attempt": 1, "uid": format!("uid-{name}")},
            "log_directory": logs,
            "labels": {"app": name},
            "linux": {
                "cgroup_parent": self.cgroup,
                "security_context": {"namespace_options": {"network": 2}},
            },
        }))
    }

    /// Writes a container's file, whose process is a script; its path.
    pub fn container_file(&self, name: &str, script: &str) -> String {
        self.container(name, json!({"command": ["sh", "-c", script]}))
    }

    /// Writes a container's file with other fields; its path.
    pub fn container(&self, name: &str, fields: Value) -> String {
        let mut file = json!({
            "metadata": {"name": name},
            "image": {"image": self.image()},
            "log_path": format!("{name}.0.log"),
            "labels": {"io.kubernetes.pod.name": "pod-of-it", "app": name},
            "linux": {},
        });
        let fields = fields.as_object().unwrap().clone();
        file.as_object_mut().unwrap().extend(fields);
        self.file(&format!("container-{name}.json"), &file)
    }

    fn file(&self, name: &str, value: &Value) -> String {
        let path = self.path(name);
        fs::write(&path, value.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let left = self.run(&["-t", "60s", "rmp", "-fa"]);
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.process.id().cast_signed()),
            nix::sys::signal::Signal::SIGTERM,
        )
        .ok();
        self.process.wait().ok();
        remove_groups(&self.cgroup);
        if std::thread::panicking() {
            let log = fs::read_to_string(self.path("log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(15).collect();
            #[allow(clippy::print_stderr, reason = "this is why it failed")]
            {
                eprintln!("containerd said, the newest first:\n{}", last.join("\n"));
            }
            return;
        }
        assert_eq!(left.status, 0, "pods are removed: {left:?}");
    }
}

/// What runc made above the containers' groups, in every hierarchy.
fn remove_groups(cgroup: &str) {
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().flatten();
    let tops = hierarchies.map(|entry| entry.path()).chain([PathBuf::from("/sys/fs/cgroup")]);
    for top in tops.map(|path| path.join(&cgroup[1..])).filter(|path| path.exists()) {
        Command::new("find")
            .arg(&top)
            .args(["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"])
            .output()
            .unwrap();
        if !std::thread::panicking() {
            assert!(!top.exists(), "{} is left", top.display());
        }
    }
}

fn configuration(folder: &Path, served: &Served) -> String {
    let at = folder.display();
    let address = served.reference("");
    let hosts = folder.join("certs.d").join(address.trim_end_matches('/'));
    fs::create_dir_all(&hosts).unwrap();
    fs::write(hosts.join("hosts.toml"), served.hosts_toml()).unwrap();
    let pause = served.reference("pause:1");
    format!(
        r#"version = 2
root = "{at}/root"
state = "{at}/state"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]
[grpc]
address = "{at}/c.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "native"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".registry]
config_path = "{at}/certs.d"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{at}/cni/bin"
conf_dir = "{at}/cni/net.d"
"#
    )
}

/// A layout with `pause:1`, which sleeps, and `busybox:1`, which has a shell.
fn images(folder: &Path) -> PathBuf {
    let mut layout = Handmade::new(folder.join("layout"));
    let busybox = fs::read("/bin/busybox").unwrap();
    let mut entries = vec![Entry::Folder("bin/"), Entry::Folder("tmp/"), Entry::Folder("etc/")];
    entries.push(Entry::File("bin/busybox", &busybox));
    let applets = [
        "bin/sh",
        "bin/sleep",
        "bin/cat",
        "bin/echo",
        "bin/true",
        "bin/httpd",
        "bin/tty",
        "bin/head",
        "bin/stty",
        "bin/wc",
        "bin/seq",
    ];
    entries.extend(applets.map(|applet| Entry::HardLink(applet, "bin/busybox")));
    let layer = layout.layer(&entries);
    for (name, command) in [("pause:1", ["/bin/sleep", "100000"]), ("busybox:1", ["/bin/sh", "-i"])]
    {
        let config = json!({
            "architecture": if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" },
            "os": "linux",
            "config": {"Cmd": command, "Env": ["PATH=/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": layout.blob(&config), "size": config.len()},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer.blob, "size": layer.size}],
        });
        let kind = "application/vnd.oci.image.manifest.v1+json";
        layout.name(name, kind, manifest.to_string().as_bytes());
    }
    layout.folder
}
