//! A kernel without what a start needs: a filter answers ENOSYS in its place, as an old one would.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::process::Command;

use isopod_tests::TestContext;

/// Runs a program under a filter by which one system call does not exist.
const WITHOUT: &str = r#"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int count, char **arguments) {
    struct sock_filter code[] = {
        {0x20, 0, 0, offsetof(struct seccomp_data, nr)},
        {0x15, 0, 1, (unsigned)atoi(arguments[1])},
        {0x06, 0, 0, SECCOMP_RET_ERRNO | 38},
        {0x06, 0, 0, SECCOMP_RET_ALLOW},
    };
    struct sock_fprog program = {4, code};
    if (count < 3 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) return 99;
    execv(arguments[2], arguments + 2);
    return 98;
}
"#;

#[cfg(target_arch = "x86_64")]
#[test]
fn a_start_names_what_the_kernel_lacks_and_leaves_nothing() {
    let context = TestContext::with(["busybox"]);
    let (source, program) = (context.path("without.c"), context.path("without"));
    fs::write(&source, WITHOUT).unwrap();
    let compiled = Command::new("gcc").arg("-o").args([&program, &source]).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let isopod = isopod_tests::binary::isopod();
    let run = ["run", "--rm", "--network", "none", "busybox", "true"];
    // open_tree, move_mount, openat2, mount_setattr: Linux 5.2, 5.2, 5.6 and 5.12.
    for call in ["428", "429", "437", "442"] {
        let arguments = [call, isopod.to_str().unwrap()].into_iter().chain(run);
        let outcome = context.command_of(program.to_str().unwrap(), arguments).run();
        outcome.fails_with(125).complains_of("this kernel lacks");
        context.isopod(["ps", "-a", "-q"]).prints_nothing();
    }
    context.isopod(run).succeeds();
}
