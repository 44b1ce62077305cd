//! `--mount type=image`, by docker's reference of `run`: an image's files, read-only, for as long as the container
//! is there.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;

use isopod_tests::{Outcome, TestContext};
use serde_json::Value;

/// With busybox, and an image of two layers: the upper one changes a file, takes one away, and has a symlink that
/// leads out of it and back to a file that only the image has.
fn context() -> TestContext {
    let context = TestContext::with(["busybox"]);
    let script = "mkdir /sub; echo inner > /sub/inner; echo changed > /etc/group; rm /etc/shadow; \
                  echo image > /etc/mark; ln -s ../../../../etc /sub/out";
    run(&context, &["--name", "maker"], script).succeeds();
    context.isopod(["commit", "maker", "localhost/data:1"]).succeeds();
    context.isopod(["rm", "maker"]).succeeds();
    context
}

fn run(context: &TestContext, options: &[&str], script: &str) -> Outcome {
    let words = ["run", "--network", "none"].iter().chain(options);
    context.isopod(words.chain(&["busybox", "sh", "-c", script]).copied())
}

fn mounted(context: &TestContext, mount: &str, script: &str) -> Outcome {
    let mount = format!("type=image,{mount}");
    run(context, &["--rm", "--mount", &mount], script)
}

#[test]
fn an_images_files_are_there_and_cannot_be_changed() {
    let context = context();
    let image = "source=localhost/data:1,target=/data";
    mounted(&context, image, "cat /data/etc/group /data/sub/inner; ls /data/etc/shadow")
        .fails_with(1)
        .prints("changed\ninner\n")
        .complains_of("/data/etc/shadow");
    let write = "touch /data/x; mount -o remount,rw /data; rm /data/sub/inner";
    mounted(&context, image, write).fails_with(1).complains_of("Read-only file system");
    // One layer is mounted in another way.
    let one = "src=busybox,dst=/data";
    mounted(&context, one, "ls -d /data/bin; touch /data/x")
        .fails_with(1)
        .prints("/data/bin\n")
        .complains_of("Read-only file system");
}

#[test]
fn a_subpath_is_a_folder_or_a_file_of_the_image_whatever_its_symlinks_say() {
    let context = context();
    let part = |path: &str, script: &str| {
        let mount = format!("source=localhost/data:1,target=/data,image-subpath={path}");
        mounted(&context, &mount, script)
    };
    part("sub", "ls /data").prints("inner\nout\n");
    part("sub/inner", "cat /data").prints("inner\n");
    // On the host there is no such file.
    part("sub/out", "cat /data/mark").prints("image\n");
    part("../../../etc", "cat /data/mark").prints("image\n");
    part("missing", "true").fails_with(125).complains_of("missing");
}

#[test]
fn an_image_stays_for_as_long_as_it_is_mounted() {
    let context = context();
    let mount = "type=image,source=localhost/data:1,target=/data";
    run(&context, &["-d", "--name", "c1", "--mount", mount], "exec sleep 600").succeeds();
    let mounts: Value =
        context.isopod(["inspect", "-f", "{{json .Mounts}}", "c1"]).succeeds().json();
    let mount = &mounts[0];
    assert_eq!((&mount["Type"], &mount["Destination"]), (&"image".into(), &"/data".into()));
    assert_eq!((&mount["Source"], &mount["RW"]), (&"localhost/data:1".into(), &false.into()));
    context.isopod(["rmi", "localhost/data:1"]).fails_with(1).complains_of("container c1");
    context.isopod(["image", "prune", "-af"]).prints("Total reclaimed space: 0B\n");
    context.isopod(["rmi", "-f", "localhost/data:1"]).succeeds();
    context.isopod(["exec", "c1", "cat", "/data/sub/inner"]).prints("inner\n");
    context.isopod(["restart", "-t", "0", "c1"]).succeeds();
    context.isopod(["exec", "c1", "cat", "/data/sub/inner"]).prints("inner\n");
    context.isopod(["stop", "-t", "0", "c1"]).succeeds();
    // As the container would see it, not what lies below.
    let target = context.path("copied");
    context.isopod(["cp", "c1:/data/sub/inner", target.to_str().unwrap()]).succeeds();
    assert_eq!(fs::read_to_string(target).unwrap(), "inner\n");
    context.isopod(["rm", "c1"]).succeeds();
    let layers = fs::read_dir(context.path("root/layers")).unwrap().count();
    context.isopod(["image", "prune", "-f"]).succeeds();
    assert_eq!(fs::read_dir(context.path("root/layers")).unwrap().count(), layers - 1);
}

#[test]
fn what_cannot_be_mounted_is_named_before_anything_is_made() {
    let context = TestContext::with(["busybox"]);
    for (mount, named) in [
        ("target=/data", "source"),
        ("source=busybox,target=/data,volume-nocopy", "volume-nocopy"),
        ("source=busybox,target=data", "absolute"),
    ] {
        mounted(&context, mount, "true").fails_with(125).complains_of(named);
    }
    let words = ["create", "--pull", "never", "--mount", "type=image,source=none,target=/x"];
    context
        .isopod(words.iter().chain(&["busybox"]))
        .fails_with(1)
        .complains_of("no such image: none");
    context.isopod(["ps", "-aq"]).prints_nothing();
}
