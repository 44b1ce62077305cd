//! Whoever calls with whichever umask: what a container sees is as docker's daemon, which has 022, makes it.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use isopod_tests::{Outcome, TestContext, binary};

fn masked(context: &TestContext, mask: &str, words: &[&str]) -> Outcome {
    let program = binary::isopod();
    let script = format!("umask {mask}; exec \"$@\"");
    let front = ["-c", script.as_str(), "caller", program.to_str().unwrap()];
    context.command_of("sh", front.iter().chain(words).copied()).run()
}

#[test]
fn a_container_is_the_same_under_every_umask_of_the_caller() {
    let context = TestContext::with(["busybox"]);
    // The generated files, the volume's folder, the working folder, what the process makes.
    let look = "umask; >made; mkdir folder; \
                stat -c '%a %n' made folder . /etc/hosts /etc/hostname /etc/resolv.conf /v /b /";
    for mask in ["022", "077", "0"] {
        let name = format!("c{mask}");
        let bound = context.path(&format!("new{mask}/inner"));
        let (volume, bind) = (format!("v{mask}:/v"), format!("{}:/b", bound.display()));
        let words = ["run", "--name", &name, "--network", "none", "-v", &volume, "-v", &bind];
        let rest = ["-w", "/work/here", "busybox", "sh", "-c", look];
        masked(&context, mask, &[&words[..], &rest].concat()).prints(
            "0022\n644 made\n755 folder\n755 .\n644 /etc/hosts\n644 /etc/hostname\n\
             644 /etc/resolv.conf\n755 /v\n755 /b\n755 /\n",
        );
        for folder in [&bound, bound.parent().unwrap()] {
            let mode = fs::metadata(folder).unwrap().permissions().mode() & 0o7777;
            assert_eq!(mode, 0o755, "{}", folder.display());
        }
        masked(&context, mask, &["start", &name]).succeeds();
    }
}

#[test]
fn an_exec_and_a_copy_have_the_containers_umask_too() {
    let context = TestContext::with(["busybox"]);
    let words = ["run", "-d", "--name", "c1", "--network", "none", "busybox", "sleep", "600"];
    masked(&context, "077", &words).succeeds();
    masked(&context, "077", &["exec", "c1", "sh", "-c", "umask"]).prints("0022\n");
    let file = context.path("file");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    masked(&context, "077", &["cp", file.to_str().unwrap(), "c1:/copied"]).succeeds();
    context.isopod(["exec", "c1", "stat", "-c", "%a", "/copied"]).prints("644\n");
}
