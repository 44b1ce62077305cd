//! Rows 20, 22 and 23: what a container without options may do (as `amicontained` asks), and what it
//! leaves of the host's settings.

use std::fs;

use isopod_tests::{Outcome, TestContext};

use crate::image::Image;
use crate::probe::{self, answers};

const IMAGE: &str = "localhost/probe:latest";

fn context() -> TestContext {
    let context = TestContext::without_registries();
    probe::image().import(&context, IMAGE);
    context
}

fn run(context: &TestContext, options: &[&str], command: &[&str]) -> Outcome {
    let head = ["run", "--rm", "--network", "none"];
    context.isopod(head.iter().chain(options).chain(&[IMAGE]).chain(command))
}

fn shell(context: &TestContext, options: &[&str], script: &str) -> Outcome {
    run(context, options, &["sh", "-c", script])
}

/// A field of `/proc/self/status`.
#[track_caller]
fn field(outcome: &Outcome, name: &str) -> String {
    let line = outcome.succeeds().stdout.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name}\n{outcome}")).trim().to_owned()
}

/// chown, dac_override, fsetid, fowner, mknod, net_raw, setgid, setuid, setfcap, setpcap,
/// net_bind_service, sys_chroot, kill, audit_write: docker's documented default.
const FOURTEEN: u64 = 0xa804_25fb;

fn held() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).unwrap();
    u64::from_str_radix(bounding.trim(), 16).unwrap()
}

#[test]
fn a_default_container_has_fourteen_capabilities_and_a_filter() {
    let context = context();
    let status = run(&context, &[], &["cat", "/proc/self/status"]);
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        let bits = u64::from_str_radix(&field(&status, set), 16).unwrap();
        assert_eq!(bits, FOURTEEN & held(), "{set} {status}");
    }
    assert_eq!(field(&status, "Seccomp:"), "2");
    assert!(field(&status, "Seccomp_filters:").parse::<u32>().unwrap() >= 1);
    let asked =
        run(&context, &["--security-opt", "no-new-privileges"], &["cat", "/proc/self/status"]);
    assert_eq!(field(&asked, "NoNewPrivs:"), "1");
    assert_eq!(field(&asked, "Seccomp:"), "2");
    let ctr = context.isopod(["ctr", "run", "--rm", IMAGE, "x", "cat", "/proc/self/status"]);
    assert_eq!(field(&ctr, "NoNewPrivs:"), "1");
    assert_eq!(field(&ctr, "Seccomp:"), "2");
}

#[test]
fn an_exec_is_confined_as_its_container_is() {
    let context = context();
    let start = ["run", "-d", "--name", "c1", "--network", "none", IMAGE, "sleep", "600"];
    context.isopod(start).succeeds();
    let status = context.isopod(["exec", "c1", "cat", "/proc/self/status"]);
    for set in ["CapPrm:", "CapEff:", "CapBnd:"] {
        let bits = u64::from_str_radix(&field(&status, set), 16).unwrap();
        assert_eq!(bits, FOURTEEN & held(), "{set} {status}");
    }
    assert_eq!(field(&status, "Seccomp:"), "2");
    assert_refused(&context.isopod(["exec", "c1", "probe", "calls"]));
    let user = context.isopod(["exec", "-u", "redis", "c1", "probe", "calls"]);
    assert_refused(&user);
}

/// Everything that reaches for the kernel or the host fails, and what programs need works.
#[track_caller]
fn assert_refused(outcome: &Outcome) {
    let answers = answers(outcome);
    let works = ["unix", "ptrace", "clone-plain"];
    // Making a node is one of the fourteen; opening it is not.
    let nodes = ["block-device", "memory-device"];
    assert!(answers.len() > 30, "{outcome}");
    for (what, answer) in &answers {
        if works.contains(&what.as_str()) {
            assert_eq!(answer, "made", "{what}\n{outcome}");
        } else if !nodes.contains(&what.as_str()) {
            assert_ne!(answer, "made", "{what}\n{outcome}");
        }
    }
    // Programs fall back to the old call only on this answer.
    assert_eq!(answers["clone3-user"], "ENOSYS", "{outcome}");
}

#[test]
fn calls_that_reach_for_the_kernel_are_refused() {
    let context = context();
    assert_refused(&run(&context, &[], &["probe", "calls"]));
    assert_refused(&run(&context, &["-u", "redis"], &["probe", "calls"]));
    // Not for want of a capability alone: the filter holds these back from root with all others.
    let all = answers(&run(
        &context,
        &["--cap-add", "ALL", "--cap-drop", "SYS_ADMIN"],
        &["probe", "calls"],
    ));
    for what in ["unshare-user", "clone-user", "clone3-user", "userfaultfd", "mount"] {
        assert_ne!(all[what], "made", "{what} {all:?}");
    }
    // And it is the filter: without it a namespace can be had.
    let open =
        answers(&run(&context, &["--security-opt", "seccomp=unconfined"], &["probe", "calls"]));
    assert_eq!(open["unshare-user"], "made", "{open:?}");
}

#[test]
fn kernel_paths_are_hidden_or_read_only() {
    let context = context();
    let script = "for f in kcore keys latency_stats timer_list timer_stats sched_debug interrupts; do
            head -c 64 /proc/$f 2>/dev/null
        done | wc -c
        ls /proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/devices/virtual/powercap 2>/dev/null | grep -v : | grep -c .
        for f in /proc/sys/kernel/core_pattern /proc/sys/vm/drop_caches /proc/sysrq-trigger /proc/irq/default_smp_affinity; do
            ( : >> $f ) 2>/dev/null && echo $f is open
        done
        for d in /proc/bus /proc/fs /proc/irq /proc/sys /sys /sys/fs/cgroup; do
            mkdir $d/x 2>/dev/null && echo $d is open
            [ -e $d ] && ( : > $d/x ) 2>/dev/null && echo $d is open
        done; true";
    shell(&context, &[], script).succeeds().prints("0\n0\n");
    let start = ["run", "-d", "--name", "c1", "--network", "none", IMAGE, "sleep", "600"];
    context.isopod(start).succeeds();
    context.isopod(["exec", "c1", "sh", "-c", script]).succeeds().prints("0\n0\n");
}

#[test]
fn cgroups_cannot_be_changed_from_inside() {
    let context = context();
    let script = "cd /sys/fs/cgroup && for d in . *; do
            [ -d $d ] && mkdir $d/inside 2>/dev/null && echo $d is open
            for f in $d/memory.limit_in_bytes $d/memory.max $d/pids.max $d/cgroup.procs $d/release_agent $d/devices.allow; do
                [ -e $f ] && ( echo a > $f ) 2>/dev/null && echo $f is open
            done
        done
        ls | wc -l; cat /proc/self/cgroup | cut -d: -f3 | sort -u";
    for options in [&["--memory", "64m"][..], &["--cgroupns", "private", "--memory", "64m"]] {
        let outcome = shell(&context, options, script);
        let lines = outcome.succeeds().lines();
        assert_eq!(lines.len(), 2, "{outcome}");
        assert_ne!(lines[0], "0", "cgroups are mounted\n{outcome}");
        // A namespace of its own: it is at its root.
        assert_eq!(lines[1], "/", "{outcome}");
    }
}

#[test]
fn execs_are_in_the_containers_control_groups() {
    let context = context();
    let start = ["run", "-d", "--name", "c1", "--network", "none", IMAGE, "sleep", "600"];
    context.isopod(start).succeeds();
    let about = context.isopod(["inspect", "-f", "{{.State.Pid}} {{.Id}}", "c1"]);
    let (pid, id) = about.succeeds().stdout.trim().split_once(' ').unwrap();
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    // Beside controllers' hierarchies there may be such that only name groups.
    let limits = |line: &&str| {
        groups.lines().count() == 1 || !line.contains("::") && !line.contains(":name=")
    };
    assert!(groups.lines().filter(limits).all(|line| line.ends_with(id)), "{groups}");
    // Whatever is outside the group that the namespace begins at is shown as `/..`.
    let script = "cat /proc/self/cgroup; echo --; cat /proc/1/cgroup; echo --;
        grep -lx $$ /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs 2>/dev/null; true";
    for options in [&[][..], &["-u", "33:33"], &["-t"], &["--privileged"]] {
        let words = [&["exec"][..], options, &["c1", "sh", "-c", script]].concat();
        let outcome = context.isopod(words);
        let lines = outcome.succeeds().lines();
        let parts: Vec<&[&str]> = lines.split(|line| line.trim() == "--").collect();
        let [own, first, listed] = parts[..] else { panic!("{options:?}: {outcome}") };
        assert_eq!(own, first, "{options:?}: {outcome}");
        assert!(own.iter().all(|line| line.trim().ends_with(":/")), "{options:?}: {outcome}");
        // The files of the groups say so too, wherever the container sees them.
        let seen = context.isopod([
            "exec",
            "c1",
            "sh",
            "-c",
            "ls /sys/fs/cgroup/*/cgroup.procs /sys/fs/cgroup/cgroup.procs 2>/dev/null | wc -l",
        ]);
        assert_eq!(listed.len().to_string(), seen.stdout.trim(), "{options:?}: {outcome}");
    }
}

#[test]
fn parameters_of_the_host_keep_their_values() {
    let context = context();
    let names = [
        "kernel/core_pattern",
        "kernel/shmmni",
        "kernel/msgmax",
        "kernel/panic",
        "vm/swappiness",
        "net/ipv4/ip_forward",
        "net/ipv4/ip_unprivileged_port_start",
        "fs/mqueue/msg_max",
    ];
    let read = || names.map(|name| fs::read_to_string(format!("/proc/sys/{name}")).ok());
    let before = read();
    let options = ["--sysctl", "kernel.shmmni=77", "--sysctl", "net.ipv4.ip_forward=1"];
    let values = "cat /proc/sys/kernel/shmmni /proc/sys/net/ipv4/ip_forward";
    shell(&context, &options, values).succeeds().prints("77\n1\n");
    for hostile in [
        "kernel.core_pattern=|/bin/sh",
        "kernel.shmmni=77+kernel.core_pattern=|/bin/sh",
        "kernel.shmmni=77\nkernel.core_pattern=|/x",
        "kernel/core_pattern=x",
        "kernel.shm/../core_pattern=x",
        "net.ipv4.ip_forward/../../../kernel/core_pattern=x",
        "net...kernel.core_pattern=x",
        "vm.swappiness=1",
        "kernel.panic=1",
        "kernel.shm_rmid_forced",
        "fs.mqueue.../../kernel/panic=1",
        "=1",
        "net.=1",
        "kernel.msg*=1",
    ] {
        let outcome = shell(&context, &["--sysctl", hostile], "true");
        outcome.fails_with(125);
    }
    // Of a namespace that is shared, even the allowed ones are the host's.
    let head =
        ["run", "--rm", "--network", "host", "--sysctl", "net.ipv4.ip_forward=1", IMAGE, "true"];
    context.isopod(head).fails_with(125);
    let own = format!("ns:/proc/{}/ns/net", std::process::id());
    let head =
        ["run", "--rm", "--network", &own, "--sysctl", "net.ipv4.ip_forward=1", IMAGE, "true"];
    context.isopod(head).fails_with(125).complains_of("would change the host");
    // And of a container that is joined they are that one's.
    let words = ["run", "-d", "--name", "other", "--network", "none", "--ipc", "shareable", IMAGE];
    context.isopod(words.into_iter().chain(["sleep", "1000"])).succeeds();
    let values =
        ["exec", "other", "cat", "/proc/sys/net/ipv4/ip_forward", "/proc/sys/kernel/shmmni"];
    let of_other = context.isopod(values).stdout;
    for (flag, sysctl) in [("--network", "net.ipv4.ip_forward=1"), ("--ipc", "kernel.shmmni=77")] {
        let network = if flag == "--network" { "container:other" } else { "none" };
        let ipc = if flag == "--ipc" { "container:other" } else { "private" };
        let head = ["run", "--rm", "--network", network, "--ipc", ipc, "--sysctl", sysctl, IMAGE];
        let refused = context.isopod(head.into_iter().chain(["true"]));
        refused.fails_with(125).complains_of("would change the container");
    }
    context.isopod(values).prints(&of_other);
    let head = ["--ipc", "host", "--sysctl", "kernel.shmmni=77"];
    shell(&context, &head, "true").fails_with(125);
    assert_eq!(read(), before);
}

#[test]
fn annotations_steer_no_runtime() {
    let context = context();
    for hostile in [
        "run.oci.keep_original_groups=1",
        "org.systemd.property.ExecStart='/x'",
        "org.criu.config=/x",
    ] {
        shell(&context, &["--annotation", hostile], "true").fails_with(125);
    }
}

#[test]
fn a_plain_image_runs_without_options() {
    // What the rows above refuse would be refused by a broken rig too.
    let context = TestContext::without_registries();
    Image::new().import(&context, IMAGE);
    run(&context, &[], &["echo", "here"]).succeeds().prints("here\n");
}
