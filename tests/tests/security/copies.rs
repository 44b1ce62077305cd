//! Rows 5 and 14 for `cp`, `export` and `diff`: what a container names ends inside it, whatever it exchanges
//! meanwhile (CVE-2018-15664), and nothing in it is executed or loaded by us (CVE-2019-14271).

use std::fs;
use std::path::Path;

use isopod_tests::TestContext;

use crate::image::{Image, Layer};
use crate::probe;

const IMAGE: &str = "localhost/copies:latest";
const SECRET: &str = "the host's";

/// A folder of the host with a secret in it.
fn canary() -> tempfile::TempDir {
    let canary = tempfile::tempdir().unwrap();
    fs::create_dir(canary.path().join("inner")).unwrap();
    fs::write(canary.path().join("secret"), SECRET).unwrap();
    fs::write(canary.path().join("inner/secret"), SECRET).unwrap();
    canary
}

#[track_caller]
fn assert_untouched(canary: &Path) {
    let names = |path: &Path| {
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(canary), ["inner", "secret"]);
    assert_eq!(names(&canary.join("inner")), ["secret"]);
    assert_eq!(fs::read_to_string(canary.join("inner/secret")).unwrap(), SECRET);
}

#[test]
fn symlinks_of_a_container_end_inside_it_whether_it_runs_or_not() {
    let canary = canary();
    let host = canary.path().to_str().unwrap();
    let dots = format!("../../../../../../../..{host}");
    let layer = Layer::new()
        .folder("links")
        .symlink("links/absolute", host)
        .symlink("links/dots", &dots)
        .symlink("links/proc", "/proc/1/root")
        .symlink("links/file", &format!("{host}/secret"));
    let context = TestContext::without_registries();
    Image::new().layer(layer).import(&context, IMAGE);
    let create = ["create", "--network", "none", "--name", "c1", IMAGE, "sleep", "1000"];
    context.isopod(create).succeeds();
    fs::write(context.path("home/f"), "mine").unwrap();
    for runs in [false, true] {
        if runs {
            context.isopod(["start", "c1"]).succeeds();
        }
        for link in ["absolute", "dots"] {
            for name in ["", "/", "/x", "/inner/x", "/inner"] {
                let to = format!("c1:/links/{link}{name}");
                context.isopod(["cp", "-q", "f", &to]);
                assert_untouched(canary.path());
            }
            for name in ["/secret", "/inner/.", "/inner", "/."] {
                let from = format!("c1:/links/{link}{name}");
                context.isopod(["cp", &from, "-"]).never_mentions(SECRET);
                context.isopod(["cp", "-L", &from, "-"]).never_mentions(SECRET);
            }
        }
        context.isopod(["cp", "-L", "c1:/links/file", "-"]).never_mentions(SECRET);
        let outside = format!("c1:/links/proc{host}/secret");
        context.isopod(["cp", "-L", &outside, "-"]).never_mentions(SECRET);
        assert_untouched(canary.path());
    }
    context.isopod(["export", "c1"]).never_mentions(SECRET);
    context.isopod(["diff", "c1"]).succeeds();
}

#[test]
fn names_exchanged_during_a_copy_lead_nowhere_on_the_host() {
    let canary = canary();
    let host = canary.path().to_str().unwrap();
    let context = TestContext::without_registries();
    probe::image().import(&context, IMAGE);
    // A folder, and a symbolic link that means the canary on the host, change places without end.
    let script = format!(
        "mkdir -p /v/a/inner && echo inside > /v/a/secret && echo inside > /v/a/inner/secret && \
         ln -s {host} /v/b && ln -s ../../../../../../../../..{host} /v/c || exit 1
         probe race /v/a /v/b & exec probe race /v/a /v/c"
    );
    let run = ["run", "-d", "--network", "none", "--name", "c1", IMAGE, "sh", "-c", &script];
    context.isopod(run).succeeds();
    let home = context.path("home");
    fs::create_dir_all(home.join("d/inner")).unwrap();
    fs::write(home.join("d/inner/made"), "mine").unwrap();
    fs::write(home.join("made"), "mine").unwrap();
    let (mut came, mut went) = (0, 0);
    for _ in 0..25 {
        for to in ["c1:/v/a/inner/made", "c1:/v/a/made", "c1:/v/a/inner"] {
            went += u32::from(context.isopod(["cp", "-q", "made", to]).code == 0);
        }
        context.isopod(["cp", "-q", "d/.", "c1:/v/a"]).never_mentions("panicked");
        for from in ["c1:/v/a/secret", "c1:/v/a/inner/secret", "c1:/v/a", "c1:/v"] {
            let outcome = context.isopod(["cp", from, "-"]);
            outcome.never_mentions(SECRET);
            came += u32::from(outcome.stdout.contains("inside"));
        }
        fs::remove_dir_all(home.join("out")).ok();
        context.isopod(["cp", "-q", "c1:/v", "out"]);
        assert_untouched(canary.path());
    }
    // It raced: some got through to the folder.
    assert!(came > 0 && went > 0, "{came} came and {went} went");
}

#[test]
fn nothing_of_a_container_is_executed_or_loaded_for_a_copy() {
    let mark = "#!/bin/sh\necho ran >> /ran\n";
    let programs = ["usr/bin/tar", "bin/tar", "usr/bin/unpigz", "usr/bin/gzip", "usr/bin/xz"];
    let libraries = ["lib/x86_64-linux-gnu/libnss_files.so.2", "lib/libnss_files.so.2"];
    let mut layer = Layer::new();
    for folder in ["usr", "usr/bin", "lib", "lib/x86_64-linux-gnu", "etc/ld.so.preload.d"] {
        layer = layer.folder(folder);
    }
    for path in programs.iter().chain(&libraries) {
        layer = layer.file(path, 0o755, mark);
    }
    let context = TestContext::without_registries();
    Image::new().layer(layer).import(&context, IMAGE);
    let run = ["run", "-d", "--network", "none", "--name", "c1", IMAGE, "sleep", "1000"];
    context.isopod(run).succeeds();
    fs::write(context.path("home/f"), "mine").unwrap();
    for archive in ["-q", "-aq"] {
        context.isopod(["cp", archive, "f", "c1:/tmp/f"]).succeeds();
        context.isopod(["cp", archive, "c1:/usr", "out"]).succeeds();
    }
    context.isopod(["cp", "c1:/usr", "-"]).succeeds();
    context.isopod(["export", "-o", "all.tar", "c1"]).succeeds();
    context.isopod(["top", "c1"]).succeeds();
    context.isopod(["exec", "c1", "ls", "/ran"]).fails_with(1);
    // The trap would have shown itself.
    context.isopod(["exec", "c1", "/usr/bin/unpigz"]).succeeds();
    context.isopod(["exec", "c1", "cat", "/ran"]).prints("ran\n");
}
