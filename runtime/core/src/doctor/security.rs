//! System call filters and security modules.

use std::path::Path;

use super::{Checkup, Machine, Verdict, number, read};

const SUBJECT: &str = "security";

pub(super) fn examine(_: &Machine) -> Vec<Checkup> {
    vec![seccomp(), apparmor(), selinux()]
}

fn seccomp() -> Checkup {
    let checkup = |detail: &str| Checkup::ok(SUBJECT, "seccomp", detail).of("the default profile");
    match read("/proc/sys/kernel/seccomp/actions_avail") {
        Some(actions) => checkup(&format!("filters can say {actions}")),
        None => checkup("not in this kernel").but(
            Verdict::Missing,
            "use a kernel with CONFIG_SECCOMP_FILTER, or --security-opt seccomp=unconfined",
        ),
    }
}

fn apparmor() -> Checkup {
    let checkup =
        |detail: &str| Checkup::ok(SUBJECT, "AppArmor", detail).of("--security-opt apparmor=…");
    match read("/sys/module/apparmor/parameters/enabled").as_deref() {
        Some("Y") => {
            let has_parser = ["/sbin/apparmor_parser", "/usr/sbin/apparmor_parser"]
                .iter()
                .any(|path| Path::new(path).exists());
            match has_parser {
                true => checkup("enabled"),
                false => checkup("enabled, and apparmor_parser is not installed").but(
                    Verdict::Limited,
                    "install apparmor, to load profiles; those that are loaded can be used",
                ),
            }
        }
        _ => checkup("not enabled: containers have no profile")
            .but(Verdict::Limited, "boot with apparmor=1 security=apparmor, if it is wanted"),
    }
}

fn selinux() -> Checkup {
    let checkup = |detail: &str| Checkup::ok(SUBJECT, "SELinux", detail).of("labels of processes");
    match number("/sys/fs/selinux/enforce") {
        None => checkup("not enabled"),
        Some(0) => checkup("permissive: labels are not set by us"),
        Some(_) => checkup("enforcing, and labels are not set by us").but(
            Verdict::Limited,
            "containers run in the label of who starts them: a policy may forbid them things",
        ),
    }
}
