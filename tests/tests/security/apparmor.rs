//! Row 23: the AppArmor profile, where the kernel has it. The project's own machines have none: these
//! run in the machine that `scripts/test-vm` makes, and are named in `tests/cannot-run.txt`.

use isopod_tests::{Outcome, TestContext};

fn run(context: &TestContext, options: &[&str], script: &str) -> Outcome {
    let head = ["run", "--rm", "--network", "none"];
    context.isopod(head.iter().chain(options).chain(&["busybox", "sh", "-c", script]))
}

/// What docker's `inspect` calls it: `docker-default`, one that was named, `unconfined`, or nothing
/// before the first start of a container that names none.
fn shown(context: &TestContext, name: &str) -> Outcome {
    context.isopod(["inspect", "-f", "{{.AppArmorProfile}}", name])
}

const PROFILE: &str = "cat /proc/self/attr/current";

/// Writes what is there already: even where it is allowed, nothing changes.
const WRITE: &str = "was=$(cat /proc/sys/kernel/core_pattern)
    ( echo \"$was\" > /proc/sys/kernel/core_pattern ) 2>/dev/null && echo written || echo refused";

#[test]
fn apparmor_confines_a_container_that_says_nothing_of_it() {
    let context = TestContext::with(["busybox"]);
    run(&context, &[], PROFILE).prints("isopod-default (enforce)\n");
    // What else protects this is taken away: the profile alone refuses.
    let open = ["--security-opt", "systempaths=unconfined"];
    run(&context, &open, WRITE).prints("refused\n");
    let unconfined = ["--security-opt", "apparmor=unconfined"];
    run(&context, &[open, unconfined].concat(), WRITE).prints("written\n");
    run(&context, &unconfined, PROFILE).prints("unconfined\n");
    run(&context, &["--privileged"], PROFILE).prints("unconfined\n");
    let start = ["run", "-d", "--network", "none", "--name", "c1", "busybox", "sleep", "1000"];
    context.isopod(start).succeeds();
    context.isopod(["exec", "c1", "sh", "-c", PROFILE]).prints("isopod-default (enforce)\n");
    shown(&context, "c1").prints("isopod-default\n");
}

#[test]
fn apparmor_mounts_nothing_and_signals_its_own() {
    let context = TestContext::with(["busybox"]);
    let mount = "mkdir /m && mount -t tmpfs none /m 2>/dev/null && echo mounted || echo refused";
    let all = ["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"];
    run(&context, &all, mount).prints("refused\n");
    let unconfined = ["--security-opt", "apparmor=unconfined"];
    run(&context, &[&all[..], &unconfined].concat(), mount).prints("mounted\n");
    let ends = "sleep 1000 & kill $! && wait $!; echo $?";
    run(&context, &[], ends).prints("143\n");
    // And the monitor, which is under no profile, may end it.
    let start = ["run", "-d", "--network", "none", "--name", "c1", "busybox", "sleep", "1000"];
    context.isopod(start).succeeds();
    context.isopod(["kill", "c1"]).succeeds();
    context.isopod(["wait", "c1"]).prints("137\n");
}

#[test]
fn apparmor_profiles_are_named_or_it_is_an_error() {
    let context = TestContext::with(["busybox"]);
    let missing = run(&context, &["--security-opt", "apparmor=not-there"], PROFILE);
    missing.fails_with(125).complains_of("not-there");
    let named = ["--security-opt", "apparmor=isopod-default"];
    run(&context, &[], "true").succeeds();
    run(&context, &named, PROFILE).prints("isopod-default (enforce)\n");

    let create = ["create", "--network", "none", "--name"];
    let make = |name, options: &[&str]| {
        let arguments = [&create[..], &[name], options, &["busybox", "true"]].concat();
        context.isopod(arguments).succeeds();
    };
    make("default", &[]);
    make("privileged", &["--privileged"]);
    make("unconfined", &["--security-opt", "apparmor=unconfined"]);
    make("named", &named);
    for (name, before, after) in [
        ("default", "", "isopod-default"),
        ("privileged", "", "unconfined"),
        ("unconfined", "unconfined", "unconfined"),
        ("named", "isopod-default", "isopod-default"),
    ] {
        shown(&context, name).prints(&format!("{before}\n"));
        context.isopod(["start", "-a", name]).succeeds();
        shown(&context, name).prints(&format!("{after}\n"));
    }
}
