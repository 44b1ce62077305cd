//! Logging in and out: asked of real registries, kept where docker and podman look for it.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use isopod_tests::{Invocation, Outcome, Registry, TestContext};
use serde_json::{Value, json};

fn file(context: &TestContext) -> PathBuf {
    context.path("home/.docker/config.json")
}

fn log_in(context: &TestContext, registry: &Registry, password: &str) -> Outcome {
    let login = ["login", "-u", "ada", "--password-stdin", &registry.address];
    context.command(login).stdin(format!("{password}\n")).run()
}

/// Who skopeo is at a registry by the file that we wrote.
fn by_skopeo(context: &TestContext, registry: &Registry) -> Outcome {
    let file = file(context);
    let args = ["login", "--get-login", "--authfile", file.to_str().unwrap(), &registry.address];
    Invocation::new("skopeo", args).env("HOME", context.path("home")).run()
}

#[test]
fn a_right_password_is_kept_and_a_wrong_one_is_not() {
    let (context, fixtures) = TestContext::new();
    for registry in [fixtures.token(), fixtures.basic()] {
        let wrong = log_in(&context, registry, "wrong");
        wrong.fails_with(1).complains_of("refuses user \"ada\" with this password");
        // What is in files plays no part: the password was just typed.
        assert!(!wrong.stderr.contains("config.json"), "{wrong}");
        assert!(!fs::read_to_string(file(&context)).is_ok_and(|t| t.contains(&registry.address)));
        let right = registry.password.as_deref().unwrap();
        log_in(&context, registry, right).succeeds().prints("Login Succeeded\n");
        by_skopeo(&context, registry).succeeds().prints("ada\n");
        let private = registry.reference("private/busybox:latest");
        context.isopod(["pull", "-q", &private]).succeeds();
        context.isopod(["rmi", &private]).succeeds();
    }
    let mode = fs::metadata(file(&context)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let basic = fixtures.basic();
    let removed = format!("Removing login credentials for {}\n", basic.address);
    context.isopod(["logout", &basic.address]).succeeds().prints(&removed);
    by_skopeo(&context, basic).fails_with(1);
    by_skopeo(&context, fixtures.token()).succeeds();
    context.isopod(["pull", &basic.reference("private/busybox:latest")]).fails_with(1);
    let not = format!("Not logged in to {}\n", basic.address);
    context.isopod(["logout", &basic.address]).succeeds().prints(&not);
}

#[test]
fn on_a_terminal_the_password_is_asked_for_and_not_shown() {
    let (context, fixtures) = TestContext::new();
    let basic = fixtures.basic();
    let mut terminal = context.terminal(["login", &basic.address]);
    terminal.expects("Username").types("ada\n");
    terminal.expects("Password: ").types("lovelace\n");
    terminal.expects("Login Succeeded");
    let screen = terminal.exits_with(0);
    assert!(!screen.contains("lovelace"), "{screen}");
    // Without a terminal nobody is asked.
    context.isopod(["login", &basic.address]).fails_with(125).complains_of("--username");
}

#[test]
fn a_credential_helper_is_used_where_the_file_names_one() {
    let (context, fixtures) = TestContext::new();
    let basic = fixtures.basic();
    let (kept, program) = (context.path("kept"), context.path("bin/docker-credential-box"));
    let script = format!(
        "#!/bin/sh\ncase $1 in\nstore) cat > {0};;\nget) test -s {0} && cat {0} || {{ echo credentials not found in native keychain; exit 1; }};;\nerase) rm {0};;\nesac\n",
        kept.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir_all(file(&context).parent().unwrap()).unwrap();
    fs::write(file(&context), json!({"credsStore": "box", "psFormat": "x"}).to_string()).unwrap();
    let path = format!("{}:{}", context.path("bin").display(), std::env::var("PATH").unwrap());
    let run =
        |args: &[&str], input: &str| context.command(args).env("PATH", &path).stdin(input).run();
    let login = ["login", "-u", "ada", "--password-stdin", &basic.address];
    run(&login, "lovelace").succeeds();
    let sent: Value = serde_json::from_slice(&fs::read(&kept).unwrap()).unwrap();
    let expected = json!({"ServerURL": basic.address, "Username": "ada", "Secret": "lovelace"});
    assert_eq!(sent, expected);
    let written: Value = serde_json::from_slice(&fs::read(file(&context)).unwrap()).unwrap();
    let expected = json!({"credsStore": "box", "psFormat": "x", "auths": {&basic.address: {}}});
    assert_eq!(written, expected);
    run(&["pull", "-q", &basic.reference("library/busybox:latest")], "").succeeds();
    run(&["logout", &basic.address], "").succeeds();
    assert!(!kept.exists());
}
