//! The default filter, against the published one.

use std::collections::BTreeSet;

use super::profile::{Circumstances, ProfileError, compile};
use super::*;

/// The profile Debian's golang-github-containers-common installs, and podman uses.
const PUBLISHED: &str = "/usr/share/containers/seccomp.json";

fn published(granted: CapabilitySet) -> LinuxSeccomp {
    let document = std::fs::read(PUBLISHED).unwrap();
    compile(&document, &circumstances(granted)).unwrap()
}

fn circumstances(granted: CapabilitySet) -> Circumstances {
    Circumstances { granted, machine: Machine::X86_64, kernel: (6, 1) }
}

/// The calls a filter allows whatever their arguments.
fn allowed(filter: &LinuxSeccomp) -> BTreeSet<&str> {
    names(filter, |rule| rule.action() == LinuxSeccompAction::ScmpActAllow && rule.args().is_none())
}

fn refused(filter: &LinuxSeccomp) -> BTreeSet<&str> {
    names(filter, |rule| rule.errno_ret() == Some(EPERM) && rule.args().is_none())
}

fn names(filter: &LinuxSeccomp, keep: impl Fn(&LinuxSyscall) -> bool) -> BTreeSet<&str> {
    let rules = filter.syscalls().as_ref().unwrap();
    rules.iter().filter(|rule| keep(rule)).flat_map(|r| r.names()).map(String::as_str).collect()
}

fn set(words: &'static str) -> BTreeSet<&'static str> {
    words.split_whitespace().collect()
}

#[test]
fn the_default_differs_from_the_published_profile_only_where_listed() {
    let granted = CapabilitySet::container_default();
    let (ours, theirs) = (default_filter(granted, Machine::X86_64), published(granted));
    // Closed here, as moby closes them: namespaces, mounts, keys, NUMA policy, the log, and
    // stealing a descriptor. `socket` and `clone` are allowed by argument. `syscall` and
    // `timerfd` are no calls of x86.
    let closed: BTreeSet<_> = allowed(&theirs).difference(&allowed(&ours)).copied().collect();
    assert_eq!(
        closed,
        set("clone clone3 fsconfig fsmount fsopen fspick get_mempolicy keyctl mbind mount \
             mount_setattr move_mount open_tree pidfd_getfd pivot_root reboot set_mempolicy \
             setns socket syscall syslog timerfd umount umount2 unshare")
    );
    // Open here: newer calls, as moby opens them, and two it always had.
    let opened: BTreeSet<_> = allowed(&ours).difference(&allowed(&theirs)).copied().collect();
    assert_eq!(
        opened,
        set("cachestat fchmodat2 futex_requeue futex_wait futex_waitv futex_wake io_pgetevents \
             io_pgetevents_time64 map_shadow_stack vmsplice")
    );
}

#[test]
fn io_uring_keys_and_namespaces_are_closed_by_default() {
    let filter = default_filter(CapabilitySet::container_default(), Machine::X86_64);
    for name in set("io_uring_setup io_uring_enter keyctl bpf unshare mount setns clone3 \
                     userfaultfd init_module kexec_load perf_event_open open_by_handle_at")
    {
        assert!(!allowed(&filter).contains(name), "{name}");
    }
    assert_eq!(filter.default_action(), LinuxSeccompAction::ScmpActErrno);
    assert_eq!(filter.default_errno_ret(), Some(ENOSYS));
    // A C library retries with clone only if clone3 is said not to exist.
    assert!(!refused(&filter).contains("clone3"));
    assert!(refused(&filter).contains("unshare"));
}

#[test]
fn a_capability_opens_the_calls_it_is_for() {
    let default = CapabilitySet::container_default();
    for (capability, names) in GATED {
        let with = default_filter(default.with(*capability), Machine::X86_64);
        for name in *names {
            assert!(allowed(&with).contains(name), "{capability} {name}");
            assert!(!refused(&with).contains(name), "{capability} {name}");
        }
        let mut without = CapabilitySet::up_to(40);
        for (other, list) in GATED {
            if list.iter().any(|name| names.contains(name)) {
                without = without.difference([*other].into_iter().collect());
            }
        }
        let without = default_filter(without, Machine::X86_64);
        for name in *names {
            assert!(!allowed(&without).contains(name), "{capability} {name}");
        }
    }
}

#[test]
fn no_call_is_in_two_rules_without_arguments() {
    for granted in [CapabilitySet::default(), CapabilitySet::up_to(40)] {
        for machine in [Machine::X86_64, Machine::Aarch64] {
            let filter = default_filter(granted, machine);
            let rules = filter.syscalls().as_ref().unwrap();
            let plain: Vec<_> =
                rules.iter().filter(|r| r.args().is_none()).flat_map(|r| r.names()).collect();
            let unique: BTreeSet<_> = plain.iter().collect();
            assert_eq!(plain.len(), unique.len());
            for rule in rules.iter().filter(|rule| rule.args().is_some()) {
                assert!(!plain.contains(&&rule.names()[0]), "{:?}", rule.names());
            }
        }
    }
}

#[test]
fn a_profile_keeps_the_rules_whose_conditions_hold() {
    let document = br#"{
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "EACCES",
        "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
                    {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": null}],
        "syscalls": [
            {"names": ["read"], "action": "SCMP_ACT_ALLOW", "comment": "", "args": null},
            {"name": "write", "action": "SCMP_ACT_ERRNO", "errno": "ENOSYS"},
            {"names": ["a"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_KILL", "CAP_BPF"]}},
            {"names": ["b"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_KILL"], "arches": ["amd64"]}},
            {"names": ["c"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_BPF", "CAP_KILL"]}},
            {"names": ["d"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
            {"names": ["e"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.2"}},
            {"names": ["f"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
            {"names": ["g"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_NEVER_HEARD"]}}
        ]}"#;
    let filter = compile(document, &circumstances(CapabilitySet::container_default())).unwrap();
    assert_eq!(allowed(&filter), set("read b d"));
    assert_eq!(filter.default_errno_ret(), Some(13));
    assert_eq!(filter.architectures(), &Some(vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86]));
    let write = filter.syscalls().as_ref().unwrap().iter().find(|r| r.names()[0] == "write");
    assert_eq!(write.unwrap().errno_ret(), Some(ENOSYS));
}

#[test]
fn a_profile_that_is_not_understood_is_refused() {
    let refuse = |document: &str| {
        compile(document.as_bytes(), &circumstances(CapabilitySet::default())).unwrap_err()
    };
    let rule = |rest: &str| {
        format!(
            r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{{"names":["read"],"action":"SCMP_ACT_ALLOW",{rest}}}]}}"#
        )
    };
    assert!(matches!(refuse("{}"), ProfileError::Malformed(_)));
    assert!(matches!(refuse(&rule(r#""only":{}"#)), ProfileError::Malformed(_)));
    assert!(matches!(refuse(&rule(r#""includes":{"uids":[0]}"#)), ProfileError::Malformed(_)));
    assert!(matches!(refuse(&rule(r#""includes":{"minKernel":"six"}"#)), ProfileError::Kernel(_)));
    assert!(matches!(refuse(&rule(r#""errno":"EWHAT""#)), ProfileError::Errno(_)));
    assert!(matches!(
        refuse(&rule(r#""args":[{"index":6,"value":0,"op":"SCMP_CMP_EQ"}]"#)),
        ProfileError::Argument { index: 6, .. }
    ));
    assert!(matches!(refuse(r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#), ProfileError::Notify));
    let both = r#"{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86_64"],
        "archMap":[{"architecture":"SCMP_ARCH_X86_64"}]}"#;
    assert!(matches!(refuse(both), ProfileError::Architectures));
}
