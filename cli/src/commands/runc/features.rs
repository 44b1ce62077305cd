//! `runc features` (runtime-spec, features.md).

use serde_json::json;

use super::{Failure, Globals, Verb};
use crate::commands::Status;

/// What libcontainer knows of mount options.
const MOUNT_OPTIONS: &[&str] = &[
    "async",
    "atime",
    "bind",
    "defaults",
    "dev",
    "diratime",
    "dirsync",
    "exec",
    "idmap",
    "mand",
    "noatime",
    "nodev",
    "nodiratime",
    "noexec",
    "nomand",
    "norelatime",
    "nostrictatime",
    "nosuid",
    "private",
    "ratime",
    "rbind",
    "rdev",
    "rdiratime",
    "relatime",
    "remount",
    "rexec",
    "ridmap",
    "rnoatime",
    "rnodev",
    "rnodiratime",
    "rnoexec",
    "rnorelatime",
    "rnostrictatime",
    "rnosuid",
    "rnosymfollow",
    "ro",
    "rprivate",
    "rrelatime",
    "rro",
    "rrw",
    "rshared",
    "rslave",
    "rstrictatime",
    "rsuid",
    "rsymfollow",
    "runbindable",
    "rw",
    "shared",
    "slave",
    "strictatime",
    "suid",
    "sync",
    "unbindable",
];

/// Say what of the specification there is
#[derive(Debug, clap::Args)]
pub struct Features {
    #[arg(trailing_var_arg = true, hide = true)]
    arguments: Vec<String>,
}

impl Verb for Features {
    const USAGE: &'static str = "";

    fn run(self, globals: &Globals) -> Result<Status, Failure> {
        if !self.arguments.is_empty() {
            return Err(Failure::new("runc: \"features\" requires exactly 0 argument(s)"));
        }
        let namespaces = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];
        let seccomp = json!({
            "enabled": true,
            "actions": [
                "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS",
                "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
            ],
            "operators": [
                "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT",
                "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE",
            ],
        });
        let features = json!({
            "ociVersionMin": "1.0.0",
            "ociVersionMax": isopod_oci::SPEC_VERSION,
            "hooks": [
                "prestart", "createRuntime", "createContainer", "startContainer", "poststart",
                "poststop",
            ],
            "mountOptions": MOUNT_OPTIONS,
            "linux": {
                "namespaces": namespaces,
                "capabilities": isopod_spec::capabilities::CapabilitySet::up_to(40).names().collect::<Vec<_>>(),
                "cgroup": {
                    "v1": true, "v2": true, "systemd": true, "systemdUser": false, "rdma": false,
                },
                "seccomp": seccomp,
                "apparmor": {"enabled": true},
                "selinux": {"enabled": false},
                "intelRdt": {"enabled": false},
                "mountExtensions": {"idmap": {"enabled": true}},
            },
            "annotations": {"org.opencontainers.runc.checkpoint.enabled": "false"},
        });
        globals.printer.line(serde_json::to_string_pretty(&features)?)?;
        Ok(0)
    }
}
