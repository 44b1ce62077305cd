//! config-linux.md, "Seccomp"; seccomp(2).

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::facts::Facts;
use crate::runtime::Runtime;

fn filtered(runtime: Runtime, script: &str, filter: Value) -> Bundle {
    Bundle::new(runtime, script).with(|spec| spec["linux"]["seccomp"] = filter)
}

pub fn errno_and_its_number(runtime: Runtime, facts: &mut Facts) {
    let script = "grep Seccomp: /proc/self/status; mkdir /tmp/x 2>&1; rm /etc/passwd 2>&1; echo on";
    let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 99},
        {"names": ["unlink", "unlinkat"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["no_such_call"], "action": "SCMP_ACT_ERRNO"},
    ]});
    let printed = filtered(runtime, script, filter).output();
    let mut lines = printed.lines();
    facts.is("mode", lines.next().unwrap_or_default(), "Seccomp:\t2");
    let of = |line: Option<&str>| {
        line.and_then(|l| l.rsplit(": ").next()).unwrap_or_default().to_owned()
    };
    facts.is("its number", of(lines.next()), "Cannot assign requested address");
    facts.is("the usual one", of(lines.next()), "Operation not permitted");
    facts.is("on", lines.next().unwrap_or_default(), "on");
}

pub fn arguments(runtime: Runtime, facts: &mut Facts) {
    let rule = |op: &str, value: u64, two: u64, number: u32| {
        json!([
            {"names": ["chmod"], "action": "SCMP_ACT_ERRNO", "errnoRet": number,
             "args": [{"index": 1, "op": op, "value": value, "valueTwo": two}]},
            {"names": ["fchmodat", "fchmodat2"], "action": "SCMP_ACT_ERRNO", "errnoRet": number,
             "args": [{"index": 2, "op": op, "value": value, "valueTwo": two}]},
        ])
    };
    let script = "touch /tmp/f; for mode in 600 644 700 4755; do chmod $mode /tmp/f 2>/dev/null && echo $mode; done";
    for (op, value, two, expected) in [
        ("SCMP_CMP_EQ", 0o600, 0, "644 700 4755"),
        ("SCMP_CMP_NE", 0o600, 0, "600"),
        ("SCMP_CMP_LT", 0o644, 0, "644 700 4755"),
        ("SCMP_CMP_LE", 0o644, 0, "700 4755"),
        ("SCMP_CMP_GT", 0o644, 0, "600 644"),
        ("SCMP_CMP_GE", 0o644, 0, "600"),
        ("SCMP_CMP_MASKED_EQ", 0o4000, 0o4000, "600 644 700"),
    ] {
        let filter =
            json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rule(op, value, two, 1)});
        let printed = filtered(runtime, &format!("{script}; true"), filter).output();
        facts.is(op, printed.replace('\n', " "), expected);
    }
}

pub fn kill_and_log(runtime: Runtime, facts: &mut Facts) {
    // 128 and SIGSYS, which is 31.
    for (action, expected) in [
        ("SCMP_ACT_KILL_PROCESS", "159"),
        ("SCMP_ACT_KILL", "159"),
        ("SCMP_ACT_TRAP", "159"),
        ("SCMP_ACT_LOG", "0"),
    ] {
        let filter = json!({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["mkdir", "mkdirat"], "action": action},
        ]});
        let printed = filtered(runtime, "mkdir /tmp/x 2>/dev/null; echo $?", filter).output();
        facts.is(action, printed, expected);
    }
}

/// A list of what may be, and another number for the rest.
pub fn allow_list(runtime: Runtime, facts: &mut Facts) {
    let allowed = "access arch_prctl brk capget capset chdir clone clone3 close close_range dup dup2 dup3 epoll_create1
        epoll_ctl epoll_pwait epoll_wait eventfd2 execve exit exit_group faccessat faccessat2 fchdir fchown fcntl fork
        fstat fstatfs fsync futex getcwd getdents64 getegid geteuid getgid getgroups getpgrp getpid getppid getrandom
        getrlimit gettid getuid ioctl kill lseek lstat madvise mmap mount mprotect mremap munmap nanosleep newfstatat open
        openat openat2 pipe pipe2 poll prctl pread64 prlimit64 pwrite64 read readlink readlinkat recvmsg rseq
        rt_sigaction rt_sigprocmask rt_sigreturn sched_getaffinity sched_yield sendmsg set_robust_list set_tid_address
        setgid setgroups setresgid setresuid setuid setsid sigaltstack stat statfs statx symlinkat tgkill umask uname
        vfork wait4 waitid write writev";
    let names: Vec<&str> = allowed.split_whitespace().collect();
    let filter = json!({
        "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": names, "action": "SCMP_ACT_ALLOW"}],
    });
    let bundle = filtered(runtime, "mkdir /tmp/x 2>&1; echo done", filter);
    let printed = bundle.output();
    let first = printed.lines().next().and_then(|line| line.rsplit(": ").next());
    facts.is("the rest", first.unwrap_or_default(), "Function not implemented");
    facts.is("runs on", printed.lines().nth(1).unwrap_or_default(), "done");
}
