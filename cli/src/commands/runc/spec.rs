//! `runc spec`: a specification to begin with.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Failure, Globals, Verb};
use crate::commands::Status;

/// Write a config.json to begin with
#[derive(Debug, clap::Args)]
pub struct Spec {
    /// Folder to write it to [default: the current one]
    #[arg(short, long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    /// For a user without rights (refused: it takes root to run a container)
    #[arg(long)]
    rootless: bool,
    #[arg(trailing_var_arg = true, hide = true)]
    arguments: Vec<String>,
}

impl Verb for Spec {
    const USAGE: &'static str = "[options]";

    fn run(self, _: &Globals) -> Result<Status, Failure> {
        if !self.arguments.is_empty() {
            return Err(Failure::new("runc: \"spec\" requires exactly 0 argument(s)"));
        }
        if self.rootless {
            return Err(Failure::new(
                "`runc spec --rootless` is not supported: it takes root to run a container",
            ));
        }
        let path = self.bundle.unwrap_or_default().join("config.json");
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::new(format!("File {} exists. Remove it first", path.display()))
            }
            _ => Failure::new(format!("cannot write {}: {error}", path.display())),
        })?;
        file.write_all(&tabbed(&document())?)?;
        Ok(0)
    }
}

fn tabbed(value: &Value) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    Ok(bytes)
}

/// A shell in namespaces of its own, with a read-only root.
fn document() -> Value {
    let capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
    let mount = |destination: &str, kind: &str, source: &str, options: &[&str]| {
        let mut mount = json!({"destination": destination, "type": kind, "source": source});
        if !options.is_empty() {
            mount["options"] = options.into();
        }
        mount
    };
    let namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
    json!({
        "ociVersion": isopod_oci::SPEC_VERSION,
        "process": {
            "terminal": true,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "TERM=xterm",
            ],
            "cwd": "/",
            "capabilities": {
                "bounding": capabilities,
                "effective": capabilities,
                "permitted": capabilities,
            },
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
            "noNewPrivileges": true,
        },
        "root": {"path": "rootfs", "readonly": true},
        "hostname": "runc",
        "mounts": [
            mount("/proc", "proc", "proc", &[]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]),
            mount("/dev/pts", "devpts", "devpts",
                &["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
            mount("/dev/shm", "tmpfs", "shm",
                &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
            mount("/dev/mqueue", "mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
            mount("/sys", "sysfs", "sysfs", &["nosuid", "noexec", "nodev", "ro"]),
            mount("/sys/fs/cgroup", "cgroup", "cgroup",
                &["nosuid", "noexec", "nodev", "relatime", "ro"]),
        ],
        "linux": {
            "resources": {"devices": [{"allow": false, "access": "rwm"}]},
            "namespaces": namespaces.map(|kind| json!({"type": kind})),
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware",
                "/proc/scsi",
            ],
            "readonlyPaths": [
                "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger",
            ],
        },
    })
}
