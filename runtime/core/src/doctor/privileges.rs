//! Who we are, and the capabilities that we have.

use super::{Checkup, Machine, Verdict, read};

const SUBJECT: &str = "privileges";

/// Capabilities by number (capabilities(7)), what needs them, and whether every container does.
const CAPABILITIES: &[(&str, u32, &str, bool)] = &[
    ("CAP_SYS_ADMIN", 21, "every container: namespaces and mounts", true),
    ("CAP_CHOWN", 0, "unpacking layers", true),
    ("CAP_DAC_OVERRIDE", 1, "unpacking layers", true),
    ("CAP_FOWNER", 3, "unpacking layers", true),
    ("CAP_SETUID", 7, "--user", true),
    ("CAP_SETGID", 6, "--user", true),
    ("CAP_SETPCAP", 8, "dropping capabilities", true),
    ("CAP_KILL", 5, "stop, kill", true),
    ("CAP_MKNOD", 27, "devices and whiteouts", true),
    ("CAP_SYS_CHROOT", 18, "joining namespaces", false),
    ("CAP_SETFCAP", 31, "files with capabilities in layers", false),
    ("CAP_NET_ADMIN", 12, "bridge and macvlan networks, published ports", false),
    ("CAP_NET_BIND_SERVICE", 10, "publishing ports below 1024", false),
    ("CAP_SYS_RESOURCE", 24, "--ulimit and --oom-score-adj beyond our own", false),
    ("CAP_SYS_PTRACE", 19, "joining containers of other users", false),
    ("CAP_NET_RAW", 13, "ping in containers, as by default", false),
    ("CAP_AUDIT_WRITE", 29, "the default set of containers' capabilities", false),
];

pub(super) fn examine(_: &Machine) -> Vec<Checkup> {
    let mut found = vec![user()];
    let held = held().unwrap_or(0);
    let lacking = CAPABILITIES.iter().filter(|(_, bit, ..)| held & (1 << bit) == 0);
    found.extend(lacking.map(|(name, _, feature, is_needed)| {
        let advice = "give it to what runs us (--privileged, --cap-add)";
        let checkup = Checkup::ok(SUBJECT, *name, "we don't have it").of(feature);
        let checkup = checkup.but(Verdict::Missing, advice);
        if *is_needed { checkup.needed() } else { checkup }
    }));
    if found.len() == 1 {
        let detail = format!("all {} that features need", CAPABILITIES.len());
        found.push(Checkup::ok(SUBJECT, "capabilities", detail).of("every container"));
    }
    found
}

fn user() -> Checkup {
    let id = rustix::process::geteuid().as_raw();
    let checkup =
        Checkup::ok(SUBJECT, "user", format!("effective user id {id}")).of("everything").needed();
    match id {
        0 => checkup,
        _ => checkup.but(Verdict::Missing, "run it as root: sudo isopod doctor"),
    }
}

/// The effective ones, a bit each.
fn held() -> Option<u64> {
    let status = read("/proc/thread-self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}
