//! Row 2: a container's processes have the descriptors that were made for them, and a working directory
//! inside (CVE-2024-21626).

use std::fs;
use std::path::Path;

use isopod_tests::{Invocation, Outcome, TestContext};
use serde_json::json;

use crate::probe;

const IMAGE: &str = "localhost/probe:latest";

/// Runs the binary from a caller that has folders of the host open and hands them down.
fn with_open_folders(context: &TestContext, args: &[&str]) -> Outcome {
    let script = "exec 7</ 8</etc 9</root 40</ 64</; exec \"$@\"";
    let mut words = vec!["bash", "-c", script, "caller"];
    let program = isopod_tests::binary::isopod();
    words.push(program.to_str().unwrap());
    words.extend(args);
    let mut invocation = Invocation::new(words[0], &words[1..]);
    for (name, value) in [
        ("ISOPOD_ROOT", context.path("root")),
        ("ISOPOD_STATE", context.path("state")),
        ("ISOPOD_CONFIG", context.path("config.toml")),
        ("HOME", context.path("home")),
    ] {
        invocation = invocation.env(name, value);
    }
    invocation.run()
}

#[test]
fn a_container_has_no_descriptor_of_its_callers() {
    let context = TestContext::without_registries();
    probe::image().import(&context, IMAGE);
    let run = ["run", "--rm", "--network", "none", IMAGE, "probe", "descriptors"];
    with_open_folders(&context, &run).succeeds().prints("0 \n1 \n2 \n");
    let run = ["run", "-d", "--name", "c1", "--network", "none", IMAGE, "sleep", "600"];
    with_open_folders(&context, &run).succeeds();
    let exec = ["exec", "c1", "probe", "descriptors"];
    with_open_folders(&context, &exec).succeeds().prints("0 \n1 \n2 \n");
    // Nor has what runs it kept one.
    for (pid, why) in isopod_tests::leftovers::processes_that_hold(context.folder()) {
        for entry in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            let callers = ["/", "/etc", "/root"].map(Path::new);
            assert!(!callers.contains(&target.as_path()), "{pid} {why}: {}", target.display());
        }
    }
    let exec = ["exec", "c1", "sh", "-c", "ls /proc/1/fd | tr '\\n' ' '"];
    context.isopod(exec).succeeds().prints("0 1 2 ");
}

#[test]
fn a_working_directory_through_a_descriptor_is_refused() {
    let context = TestContext::without_registries();
    probe::image().import(&context, IMAGE);
    let run = ["run", "-d", "--name", "c1", "--network", "none", IMAGE, "sleep", "600"];
    with_open_folders(&context, &run).succeeds();
    for number in 3..=64 {
        let folder = format!("/proc/self/fd/{number}");
        let exec = ["exec", "--workdir", &folder, "c1", "true"];
        let outcome = with_open_folders(&context, &exec);
        assert_ne!(outcome.code, 0, "{outcome}");
        // A start takes longer; the numbers below are those that a monitor has open.
        if number <= 16 || number == 40 || number == 64 {
            let run = ["run", "--rm", "--network", "none", "-w", &folder, IMAGE, "true"];
            let outcome = with_open_folders(&context, &run);
            assert_ne!(outcome.code, 0, "{outcome}");
        }
    }
}

#[test]
fn an_images_working_directory_through_a_descriptor_is_refused() {
    let context = TestContext::without_registries();
    for number in [3, 5, 7, 8, 9, 10] {
        let name = format!("localhost/fd:{number}");
        let folder = format!("/proc/self/fd/{number}");
        probe::image().says("WorkingDir", json!(folder)).import(&context, &name);
        let run = ["run", "--rm", "--network", "none", &name, "true"];
        let outcome = with_open_folders(&context, &run);
        assert_ne!(outcome.code, 0, "{outcome}");
    }
}

#[test]
fn a_working_directory_that_is_a_symlink_stays_inside() {
    let context = TestContext::without_registries();
    let link = crate::image::Layer::new().symlink("climb", "../../../../etc");
    probe::image().layer(link).says("WorkingDir", json!("/climb")).import(&context, IMAGE);
    let run = ["run", "--rm", "--network", "none", IMAGE, "sh", "-c", "pwd -P; ls passwd"];
    context.isopod(run).succeeds().prints("/etc\npasswd\n");
}
