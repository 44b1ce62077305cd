//! What the machine bounds: descriptors, watches, the clock, devices that some containers want.

use std::path::Path;

use chrono::{DateTime, Utc};
use rustix::process::{Resource, getrlimit};

use super::{Checkup, Machine, Verdict, number};

const SUBJECT: &str = "machine";

/// Descriptors that a pull and the proxies of ports are comfortable with.
const DESCRIPTORS: u64 = 1024;
/// As the kernel's default has it.
const WATCHERS: u64 = 128;
/// Processes of some containers.
const PROCESSES: u64 = 4096;
/// Seconds since 1970 before which this was not written: 2025-01-01.
const BUILT: i64 = 1_735_689_600;

pub(super) fn examine(_: &Machine) -> Vec<Checkup> {
    vec![descriptors(), processes(), watchers(), clock(), fuse()]
}

fn descriptors() -> Checkup {
    let limit = getrlimit(Resource::Nofile);
    let (soft, hard) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    let checkup = Checkup::ok(SUBJECT, "open files", format!("{soft}, at most {hard}"))
        .of("pulls, many published ports, --ulimit nofile");
    match hard < DESCRIPTORS {
        true => checkup.but(Verdict::Limited, "raise the limit (ulimit -Hn, LimitNOFILE=)"),
        false => checkup,
    }
}

fn processes() -> Checkup {
    let limit = getrlimit(Resource::Nproc).current.unwrap_or(u64::MAX);
    let pids = number("/proc/sys/kernel/pid_max").unwrap_or(u64::MAX).min(limit);
    let words = if pids == u64::MAX { "no limit".to_owned() } else { format!("up to {pids}") };
    let checkup = Checkup::ok(SUBJECT, "processes", words).of("many containers");
    match pids < PROCESSES {
        true => checkup.but(Verdict::Limited, "raise kernel.pid_max and ulimit -u"),
        false => checkup,
    }
}

fn watchers() -> Checkup {
    let found = number("/proc/sys/fs/inotify/max_user_instances").unwrap_or(0);
    let checkup = Checkup::ok(SUBJECT, "inotify", format!("{found} instances a user"))
        .of("programs in containers that watch files");
    match found < WATCHERS {
        true => checkup.but(Verdict::Limited, "sysctl fs.inotify.max_user_instances=512"),
        false => checkup,
    }
}

fn clock() -> Checkup {
    let now: DateTime<Utc> = Utc::now();
    let checkup = Checkup::ok(SUBJECT, "clock", now.format("%Y-%m-%d %H:%M UTC").to_string())
        .of("certificates of registries");
    match now.timestamp() < BUILT {
        true => checkup.but(Verdict::Limited, "set the clock: certificates look not yet valid"),
        false => checkup,
    }
}

fn fuse() -> Checkup {
    let checkup = |detail: &str| Checkup::ok(SUBJECT, "fuse", detail).of("--device /dev/fuse");
    match Path::new("/dev/fuse").exists() {
        true => checkup("/dev/fuse is there"),
        false => checkup("no /dev/fuse").but(Verdict::Limited, "modprobe fuse, if it is wanted"),
    }
}
