//! Rows 6 and 7: inheritable capabilities are empty, and user ids are 32-bit numbers or nothing.

use isopod_tests::{Outcome, TestContext};
use serde_json::json;

use crate::image::Image;

const IMAGE: &str = "localhost/users:latest";

/// Values that wrapped, overflowed or meant something else to some parser.
const NO_USERS: &[&str] = &[
    "4294967296",
    "4294967295",
    "-1",
    "-0",
    "0x0",
    "+0",
    "1:99999999999",
    "1:-1",
    "1:4294967295",
    "18446744073709551616",
    "4294967296:0",
    "0:0:0",
    "nobody-here",
    " 0",
];

#[track_caller]
fn assert_none(outcome: &Outcome, set: &str) {
    let line = outcome.succeeds().stdout.lines().find(|line| line.starts_with(set));
    let value = line.unwrap_or_else(|| panic!("no {set}\n{outcome}"));
    assert_eq!(value.split_whitespace().nth(1), Some("0000000000000000"), "{outcome}");
}

#[test]
fn inheritable_capabilities_are_empty_in_run_and_exec() {
    let context = TestContext::without_registries();
    Image::new().import(&context, IMAGE);
    let ways: &[&[&str]] = &[
        &[],
        &["-u", "redis"],
        &["--cap-add", "ALL"],
        &["--cap-add", "NET_ADMIN", "-u", "redis"],
        &["--privileged"],
    ];
    for (number, way) in ways.iter().enumerate() {
        let name = format!("c{number}");
        let run = ["run", "-d", "--name", &name, "--network", "none"];
        let sleep = [IMAGE, "sleep", "600"];
        context.isopod(run.iter().chain(*way).chain(&sleep)).succeeds();
        let status = "cat /proc/1/status";
        for set in ["CapInh", "CapAmb"] {
            assert_none(&context.isopod(["exec", &name, "sh", "-c", status]), set);
        }
        let execs: &[&[&str]] =
            &[&[], &["-u", "redis"], &["--privileged"], &["--privileged", "-u", "redis"]];
        for exec in execs {
            let words = [&name, "cat", "/proc/self/status"];
            let outcome = context.isopod(["exec"].iter().chain(*exec).chain(&words));
            for set in ["CapInh", "CapAmb"] {
                assert_none(&outcome, set);
            }
            if exec.contains(&"redis") || (exec.is_empty() && way.contains(&"redis")) {
                assert_none(&outcome, "CapEff");
                assert_none(&outcome, "CapPrm");
            }
        }
    }
    let ctr = [
        "ctr",
        "run",
        "--rm",
        "--cap-add",
        "CAP_NET_ADMIN",
        IMAGE,
        "x",
        "cat",
        "/proc/self/status",
    ];
    assert_none(&context.isopod(ctr), "CapInh");
}

/// What runs the container may have inherited some itself.
#[test]
fn a_callers_inheritable_capabilities_go_no_further() {
    let context = TestContext::without_registries();
    Image::new().import(&context, IMAGE);
    let as_heir = |args: &[&str]| {
        let program = isopod_tests::binary::isopod();
        let head = ["--inh-caps", "+net_admin,+sys_admin", program.to_str().unwrap()];
        isopod_tests::Invocation::new("setpriv", head.iter().chain(args))
            .env("ISOPOD_ROOT", context.path("root"))
            .env("ISOPOD_STATE", context.path("state"))
            .env("ISOPOD_CONFIG", context.path("config.toml"))
            .env("HOME", context.path("home"))
            .run()
    };
    let run = ["run", "-d", "--name", "c1", "--network", "none", IMAGE, "sleep", "600"];
    as_heir(&run).succeeds();
    for pid in ["1", "self"] {
        let status = format!("/proc/{pid}/status");
        assert_none(&as_heir(&["exec", "c1", "cat", &status]), "CapInh");
        assert_none(&as_heir(&["exec", "--privileged", "c1", "cat", &status]), "CapInh");
    }
}

#[test]
fn what_is_no_user_is_refused_in_run_and_exec() {
    let context = TestContext::without_registries();
    Image::new().import(&context, IMAGE);
    let sleep = ["run", "-d", "--name", "c1", "--network", "none", IMAGE, "sleep", "600"];
    context.isopod(sleep).succeeds();
    for user in NO_USERS {
        let option = format!("--user={user}");
        let run = ["run", "--rm", "--network", "none", &option, IMAGE, "id"];
        let outcome = context.isopod(run);
        outcome.fails_with(125).prints_nothing().complains_of(user.split(':').next_back().unwrap());
        let outcome = context.isopod(["exec", &option, "c1", "id"]);
        assert_ne!(outcome.code, 0, "{outcome}");
        outcome.prints_nothing();
    }
    assert_eq!(context.containers().len(), 1, "what was refused left no container");
}

#[test]
fn what_is_no_user_is_refused_from_an_image() {
    let context = TestContext::without_registries();
    for (number, user) in NO_USERS.iter().enumerate() {
        let name = format!("localhost/user:{number}");
        Image::new().says("User", json!(user)).import(&context, &name);
        let outcome = context.isopod(["run", "--rm", "--network", "none", &name, "id"]);
        outcome.fails_with(125).prints_nothing();
    }
}

#[test]
fn numbers_up_to_the_last_are_users() {
    let context = TestContext::without_registries();
    Image::new().import(&context, IMAGE);
    let run = ["run", "--rm", "--network", "none", "-u", "4294967294:4294967294", IMAGE, "id"];
    context.isopod(run).succeeds().prints("uid=4294967294 gid=4294967294 groups=4294967294\n");
}
