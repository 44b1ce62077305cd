//! Row 8: an image's `/etc/passwd` and `/etc/group` are read as regular files, inside, up to a cap
//! (CVE-2024-9676).

use std::time::Duration;

use isopod_tests::{Outcome, TestContext};

use crate::image::{Image, Layer};

const IMAGE: &str = "localhost/passwd:latest";

fn run(context: &TestContext, user: &str) -> Outcome {
    let words = ["run", "--rm", "--network", "none", "-u", user, IMAGE, "id"];
    context.command(words).deadline(Duration::from_secs(10)).run()
}

#[test]
fn a_fifo_is_refused_at_once() {
    for file in ["etc/passwd", "etc/group"] {
        let context = TestContext::without_registries();
        let hostile = Layer::new().file(&file.replace("etc/", "etc/.wh."), 0o644, "");
        Image::new().layer(hostile).layer(Layer::new().fifo(file)).import(&context, IMAGE);
        let outcome = run(&context, "redis:redis");
        outcome.fails_with(125).complains_of(file);
        assert!(outcome.took < Duration::from_secs(5), "{outcome}");
    }
}

#[test]
fn a_symlink_out_reads_nothing_of_the_host() {
    // Only the host's file knows this user.
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&secret, "intruder:x:4242:4242::/:/bin/sh\n").unwrap();
    let path = secret.path().to_str().unwrap();
    let climbing = format!("../../../../../../../../..{path}");
    for target in [path, climbing.as_str()] {
        let context = TestContext::without_registries();
        Image::new().layer(Layer::new().symlink("etc/passwd", target)).import(&context, IMAGE);
        let outcome = run(&context, "intruder");
        outcome.fails_with(125).prints_nothing().never_mentions("4242");
    }
    // The folder as well.
    let context = TestContext::without_registries();
    let folder = secret.path().parent().unwrap();
    let hostile = Layer::new().file(".wh.etc", 0o644, "");
    let link = Layer::new().symlink("etc", folder.to_str().unwrap());
    Image::new().layer(hostile).layer(link).import(&context, IMAGE);
    run(&context, "intruder").fails_with(125).prints_nothing();
}

#[test]
fn a_symlink_through_a_processs_root_reads_nothing_of_the_host() {
    let context = TestContext::without_registries();
    let link = Layer::new().symlink("etc/passwd", "/proc/self/root/etc/passwd");
    Image::new().layer(link).import(&context, IMAGE);
    run(&context, "daemon").fails_with(125).prints_nothing();
}

#[test]
fn a_file_of_a_gibibyte_is_refused_at_once() {
    let context = TestContext::without_registries();
    Image::new().layer(Layer::new().hole("etc/passwd", 1 << 30)).import(&context, IMAGE);
    let outcome = run(&context, "redis");
    outcome.fails_with(125).complains_of("etc/passwd");
    assert!(outcome.took < Duration::from_secs(5), "{outcome}");
}

#[test]
fn an_exec_reads_no_host_file_either() {
    let context = TestContext::without_registries();
    Image::new().import(&context, IMAGE);
    let sleep = ["run", "-d", "--name", "c1", "--network", "none", IMAGE, "sleep", "600"];
    context.isopod(sleep).succeeds();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&secret, "intruder:x:4242:4242::/:/bin/sh\n").unwrap();
    let link = format!("ln -sf {} /etc/passwd", secret.path().display());
    context.isopod(["exec", "c1", "sh", "-c", &link]).succeeds();
    let outcome = context.isopod(["exec", "-u", "intruder", "c1", "id"]);
    assert_ne!(outcome.code, 0, "{outcome}");
    outcome.prints_nothing();
    context.isopod(["exec", "c1", "sh", "-c", "rm /etc/passwd; mkfifo /etc/passwd"]).succeeds();
    let exec =
        context.command(["exec", "-u", "redis", "c1", "id"]).deadline(Duration::from_secs(10));
    let outcome = exec.run();
    assert_ne!(outcome.code, 0, "{outcome}");
}
