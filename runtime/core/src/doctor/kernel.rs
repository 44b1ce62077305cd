//! The kernel's version, the calls we need, and its namespaces.

use std::path::Path;

use isopod_sys::kernel;

use super::{Checkup, Machine, Verdict, read};

const SUBJECT: &str = "kernel";

/// The Linux that has every call that a start needs.
const OLDEST: (u32, u32) = (5, 12);

pub(super) fn examine(_: &Machine) -> Vec<Checkup> {
    let mut found = vec![version(), calls()];
    found.extend(namespaces());
    found.push(boot());
    found.push(proc());
    found
}

fn version() -> Checkup {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let checkup = Checkup::ok(SUBJECT, "version", format!("Linux {release}")).of("everything");
    match parse(&release) {
        Some(version) if version < OLDEST => checkup.but(
            Verdict::Limited,
            format!("use Linux {}.{} or newer, if calls are missing", OLDEST.0, OLDEST.1),
        ),
        _ => checkup,
    }
}

/// `6.1.0-18-amd64`: the first two numbers.
fn parse(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn calls() -> Checkup {
    let checkup = |detail: &str| Checkup::ok(SUBJECT, "system calls", detail).of("every container");
    match kernel::lacks() {
        None => checkup("all that a start needs are there").needed(),
        Some((call, since)) => checkup(&format!("{call} is missing")).needed().but(
            Verdict::Missing,
            format!("use Linux {since} or newer, or a system call filter around us that allows it"),
        ),
    }
}

fn namespaces() -> Vec<Checkup> {
    let needed = [
        ("mnt", "every container"),
        ("pid", "every container"),
        ("uts", "--hostname"),
        ("ipc", "--ipc"),
        ("net", "--network but host"),
    ];
    let mut found: Vec<Checkup> =
        needed.into_iter().map(|(name, feature)| namespace(name, feature).needed()).collect();
    found.push(namespace("cgroup", "--cgroupns private"));
    found.push(match read("/proc/sys/user/max_user_namespaces").as_deref() {
        Some("0") => namespace("user", "rootless containers").but(
            Verdict::Limited,
            "sysctl user.max_user_namespaces=… ; containers of root don't need them",
        ),
        _ => namespace("user", "rootless containers"),
    });
    found
}

fn namespace(name: &str, feature: &'static str) -> Checkup {
    let is_there = Path::new("/proc/self/ns").join(name).symlink_metadata().is_ok();
    let title = format!("{name} namespaces");
    match is_there {
        true => Checkup::ok(SUBJECT, title, "there").of(feature),
        false => Checkup::ok(SUBJECT, title, "not in this kernel")
            .of(feature)
            .but(Verdict::Missing, "use a kernel that is built with them"),
    }
}

fn boot() -> Checkup {
    let checkup =
        |detail: &str| Checkup::ok(SUBJECT, "boot id", detail).of("telling boots apart").needed();
    match read("/proc/sys/kernel/random/boot_id") {
        Some(_) => checkup("readable"),
        None => checkup("can't be read").but(Verdict::Missing, "mount procfs on /proc"),
    }
}

fn proc() -> Checkup {
    let is_writable = rustix::fs::statvfs("/proc/sys")
        .is_ok_and(|about| !about.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY));
    let checkup = |detail: &str| {
        Checkup::ok(SUBJECT, "/proc/sys", detail).of("--sysctl, forwarding on bridge networks")
    };
    match is_writable {
        true => checkup("writable"),
        false => checkup("read-only").but(
            Verdict::Limited,
            "give the container around us a writable /proc/sys (--privileged)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_two_numbers_are_the_version() {
        assert_eq!(parse("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(parse("5.10.16.3-microsoft-standard-WSL2"), Some((5, 10)));
        assert_eq!(parse("7.0-rc1"), Some((7, 0)));
        assert_eq!(parse("next"), None);
    }
}
