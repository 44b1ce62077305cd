//! `cp`, `export`, `diff`: docker's rules about what lands where, and what a peer makes of the archives.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;

use isopod_tests::TestContext;

const SLEEP: [&str; 3] = ["busybox", "sleep", "1000"];

/// An instance whose container `c` exists, and runs if that is wanted.
fn container(runs: bool, options: &[&str]) -> TestContext {
    let context = TestContext::with(["busybox"]);
    let verb: &[&str] = if runs { &["run", "-d"] } else { &["create"] };
    let words = [verb, &["--network", "none", "--name", "c1"], options, &SLEEP].concat();
    context.isopod(words).succeeds();
    context
}

/// `home/s` with a file, a folder and a symbolic link.
fn source(context: &TestContext) {
    let home = context.path("home");
    fs::create_dir_all(home.join("s/sub")).unwrap();
    fs::write(home.join("s/f"), "file\n").unwrap();
    fs::write(home.join("s/sub/g"), "deep\n").unwrap();
    symlink("f", home.join("s/l")).unwrap();
    symlink("s", home.join("link")).unwrap();
}

/// What is below a folder of the container, by the archive of it; for those that do not run, too.
fn listed(context: &TestContext, path: &str) -> Vec<String> {
    let archive = context.path("listed.tar");
    let script = format!("\"$0\" cp c1:{path} - > {}", archive.display());
    let isopod = isopod_tests::binary::isopod();
    context.command_of("sh", ["-c", &script, isopod.to_str().unwrap()]).run().succeeds();
    let output = Command::new("tar").arg("-tf").arg(&archive).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The table of docker's reference of `container cp`, into a container and out of it.
fn table(runs: bool) {
    let context = container(runs, &[]);
    source(&context);
    let cp = |from: &str, to: &str| context.isopod(["cp", "-q", from, to]);
    // A file to what does not exist, is a file, is a folder.
    cp("s/f", "c1:/tmp/new").succeeds().prints_nothing().complains_of_nothing();
    cp("s/sub/g", "c1:/tmp/new").succeeds();
    cp("s/f", "c1:/tmp").succeeds();
    cp("s/f", "c1:/tmp/none/").fails_with(1).complains_of("no such folder");
    cp("s/f", "c1:/tmp/none/x").fails_with(1).complains_of("c1:/tmp/none");
    // A folder to what does not exist, is a file, is a folder; its content alone.
    cp("s", "c1:/tmp/d").succeeds();
    cp("s", "c1:/tmp/f").fails_with(1).complains_of("folder");
    cp("s", "c1:/tmp/d").succeeds();
    cp("s/.", "c1:/tmp/d/sub").succeeds();
    assert_eq!(
        listed(&context, "/tmp/d"),
        [
            "d/",
            "d/f",
            "d/l",
            "d/s/",
            "d/s/f",
            "d/s/l",
            "d/s/sub/",
            "d/s/sub/g",
            "d/sub/",
            "d/sub/f",
            "d/sub/g",
            "d/sub/l",
            "d/sub/sub/",
            "d/sub/sub/g"
        ]
    );
    assert_eq!(listed(&context, "/tmp/d/s/."), ["./", "./f", "./l", "./sub/", "./sub/g"]);
    // A symbolic link is copied itself, with -L what it leads to.
    cp("link", "c1:/tmp/l1").succeeds();
    context.isopod(["cp", "-qL", "link", "c1:/tmp/l2"]).succeeds();
    assert_eq!(listed(&context, "/tmp/l1"), ["l1"]);
    assert_eq!(listed(&context, "/tmp/l2"), ["l2/", "l2/f", "l2/l", "l2/sub/", "l2/sub/g"]);
    // And out again.
    let home = context.path("home");
    let text = |name: &str| fs::read_to_string(home.join(name)).unwrap();
    cp("c1:/tmp/new", "out").succeeds();
    assert_eq!(text("out"), "deep\n");
    cp("c1:tmp/d/sub/.", "o").succeeds();
    cp("c1:/tmp/d/sub", "o").succeeds();
    assert_eq!((text("o/g").as_str(), text("o/sub/sub/g").as_str()), ("deep\n", "deep\n"));
    assert_eq!(fs::read_link(home.join("o/l")).unwrap().to_str(), Some("f"));
    cp("c1:/tmp/d", "out").fails_with(1).complains_of("folder");
    cp("c1:/tmp/f", "nowhere/").fails_with(1).complains_of("nowhere");
    cp("c1:/no/such", "o").fails_with(1).complains_of("c1:/no/such");
    cp("c1:/tmp/f/", "o").fails_with(1).complains_of("/tmp/f");
    cp("nothing", "c1:/tmp").fails_with(1).complains_of("nothing");
    cp("c1:/tmp", "c1:/etc").fails_with(1).complains_of("between containers");
    cp("s", "o").fails_with(1).complains_of("CONTAINER:PATH");
    // Nothing is copied over what is of the other kind inside.
    fs::create_dir_all(home.join("s/f2")).unwrap();
    cp("s/.", "c1:/tmp/d").succeeds();
    fs::remove_dir(home.join("s/f2")).unwrap();
    fs::write(home.join("s/f2"), "").unwrap();
    cp("s/.", "c1:/tmp/d").fails_with(1).complains_of("f2");
}

#[test]
fn what_lands_where_is_dockers_table() {
    table(true);
}

#[test]
fn a_container_that_does_not_run_is_copied_to_and_from_alike() {
    table(false);
}

#[test]
fn owners_are_the_destinations_unless_they_are_to_be_kept() {
    let context = container(true, &[]);
    let home = context.path("home");
    fs::write(home.join("f"), "x").unwrap();
    std::os::unix::fs::chown(home.join("f"), Some(12), Some(34)).unwrap();
    fs::set_permissions(home.join("f"), fs::Permissions::from_mode(0o640)).unwrap();
    context.isopod(["cp", "f", "c1:/tmp/roots"]).succeeds().complains_of("Successfully copied");
    context.isopod(["cp", "-a", "f", "c1:/tmp/kept"]).succeeds();
    let stat = ["exec", "c1", "stat", "-c", "%u %g %a %Y", "/tmp/roots", "/tmp/kept"];
    let time = fs::metadata(home.join("f")).unwrap().mtime();
    context.isopod(stat).prints(&format!("0 0 640 {time}\n12 34 640 {time}\n"));
    // A set-user-id program of another user's does not become root's on the host.
    let script = "cp /bin/busybox /tmp/su; chown 12:34 /tmp/su; chmod 4755 /tmp/su; mkdir /tmp/d; \
        mknod /tmp/d/null c 1 3; touch /tmp/d/f";
    context.isopod(["exec", "c1", "sh", "-c", script]).succeeds();
    context.isopod(["cp", "-q", "c1:/tmp/su", "."]).succeeds();
    let about = fs::metadata(home.join("su")).unwrap();
    assert_eq!((about.uid(), about.mode() & 0o7777), (0, 0o755));
    context.isopod(["cp", "-aq", "c1:/tmp/su", "su2"]).succeeds();
    let about = fs::metadata(home.join("su2")).unwrap();
    assert_eq!((about.uid(), about.gid(), about.mode() & 0o7777), (12, 34, 0o4755));
    // Nor is a device made there unasked.
    context.isopod(["cp", "-q", "c1:/tmp/d", "d"]).succeeds().complains_of("d/null");
    assert!(home.join("d/f").exists() && !home.join("d/null").exists());
    context.isopod(["cp", "-aq", "c1:/tmp/d", "d2"]).succeeds().complains_of_nothing();
    assert_eq!(fs::metadata(home.join("d2/null")).unwrap().rdev(), nix::libc::makedev(1, 3));
}

#[test]
fn an_archive_on_standard_input_is_unpacked_as_tar_would() {
    let context = container(true, &[]);
    source(&context);
    let home = context.path("home");
    let tar = |folder: &str| {
        let output = Command::new("tar")
            .args(["-C", home.to_str().unwrap(), "--owner=7", "--group=8", "-cf", "-", folder])
            .output()
            .unwrap();
        assert!(output.status.success());
        output.stdout
    };
    context.command(["cp", "-", "c1:/tmp"]).stdin(tar("s")).run().succeeds();
    let script = "cd /tmp; find s | sort; stat -c '%u %g' s/f; cat s/sub/g; readlink s/l";
    context
        .isopod(["exec", "c1", "sh", "-c", script])
        .prints("s\ns/f\ns/l\ns/sub\ns/sub/g\n7 8\ndeep\nf\n");
    context.command(["cp", "-", "c1:/tmp/s/f"]).stdin(tar("s")).run().complains_of("c1:/tmp/s/f");
    context.command(["cp", "-", "c1:/none"]).stdin(tar("s")).run().complains_of("c1:/none");
    context.command(["cp", "-", "c1:/tmp"]).stdin("no archive").run().fails_with(1);
    let out = context.command_of(
        "sh",
        [
            "-c",
            &format!(
                "{} cp c1:/tmp/s - | tar -C {} -xf - && cat {}/s/sub/g",
                isopod_tests::binary::isopod().display(),
                home.join("s").display(),
                home.join("s").display()
            ),
        ],
    );
    out.run().succeeds().prints("deep\n");
}

#[test]
fn volumes_and_binds_are_there_whether_it_runs_or_not() {
    for runs in [true, false] {
        let host = tempfile::tempdir().unwrap();
        let bind = format!("{}:/bound", host.path().display());
        let shut = format!("{}:/shut:ro", host.path().display());
        let context = container(runs, &["-v", "vol:/data", "-v", &bind, "-v", &shut]);
        fs::write(context.path("home/f"), "x").unwrap();
        context.isopod(["cp", "-q", "f", "c1:/data/in"]).succeeds();
        context.isopod(["cp", "-q", "f", "c1:/bound/in"]).succeeds();
        assert!(context.path("root/volumes/vol/_data/in").exists(), "runs: {runs}");
        assert!(host.path().join("in").exists(), "runs: {runs}");
        context.isopod(["cp", "-q", "f", "c1:/shut/x"]).fails_with(1).complains_of("ead-only");
        context.isopod(["cp", "-q", "c1:/data/in", "back"]).succeeds();
        assert_eq!(fs::read_to_string(context.path("home/back")).unwrap(), "x");
        // What is exported is the container's alone.
        context.isopod(["export", "-o", "all.tar", "c1"]).succeeds();
        let names = Command::new("tar").arg("-tf").arg(context.path("home/all.tar")).output();
        let names = String::from_utf8(names.unwrap().stdout).unwrap();
        assert!(
            names.contains("bin/busybox\n") && !names.contains("/in\n"),
            "runs: {runs}\n{names}"
        );
    }
}

#[test]
fn a_read_only_root_is_not_written_by_cp_either() {
    for runs in [true, false] {
        let context = container(runs, &["--read-only"]);
        fs::write(context.path("home/f"), "x").unwrap();
        context.isopod(["cp", "f", "c1:/etc/f"]).fails_with(1).complains_of("ead-only");
    }
}

/// What the container saw and what GNU tar unpacks from its export are the same tree.
#[test]
fn an_export_is_what_the_container_saw() {
    let context = container(true, &[]);
    let script = "mkdir -p /srv/deep; echo hi > /srv/deep/f; ln /srv/deep/f /srv/hard; \
        ln -s nowhere /srv/soft; chown 5:6 /srv/deep; chmod 2750 /srv/deep; mkfifo /srv/pipe; \
        rm /bin/ls; head -c 300000 /dev/zero > /srv/zeros; \
        n=$(printf '%0100d' 1); mkdir -p /srv/$n/$n; touch /srv/$n/$n/$n";
    context.isopod(["exec", "c1", "sh", "-c", script]).succeeds();
    context.isopod(["export", "--output", "all.tar", "c1"]).succeeds();
    let folder = context.path("unpacked");
    fs::create_dir(&folder).unwrap();
    let tar = Command::new("tar")
        .args(["--numeric-owner", "-xpf"])
        .arg(context.path("home/all.tar"))
        .arg("-C")
        .arg(&folder)
        .output()
        .unwrap();
    assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
    let look = "find bin etc root | sort | while read n; do stat -c '%n %F %a %u %g %Y' \"$n\"; done; \
        find srv | sort | while read n; do stat -c '%n %F %a %u %g %h %Y' \"$n\"; done; \
        find srv bin/busybox -type f | sort | xargs sha256sum";
    let inside = context.isopod(["exec", "c1", "sh", "-c", &format!("cd /; {look}")]);
    let outside = context
        .command_of("/bin/busybox", ["sh", "-c", &format!("cd {}; {look}", folder.display())])
        .run();
    // The files that are mounted over /etc are not the container's own.
    let own = |text: &str| -> Vec<String> {
        let ours = ["etc/hosts", "etc/hostname", "etc/resolv.conf"];
        let lines = text.lines().filter(|line| !ours.iter().any(|one| line.starts_with(one)));
        lines.map(str::to_owned).collect()
    };
    let (inside, outside) = (own(&inside.succeeds().stdout), own(&outside.succeeds().stdout));
    let differs = inside.iter().filter(|line| !outside.contains(line)).collect::<Vec<_>>();
    assert!(differs.is_empty() && inside.len() == outside.len(), "{differs:#?}");
}

/// The letters are those of docker's reference of `container diff`; a folder counts as changed when
/// something in it did, and one that was made anew hides what the image had in it.
#[test]
fn diff_lists_what_was_added_changed_and_deleted() {
    let context = container(true, &["-v", "vol:/data"]);
    let script = "rm /bin/ls; touch /bin/vi; mkdir -p /srv/a; echo x > /srv/a/f; chmod 750 /root; \
        mv /etc/group /srv/group; rm -r /tmp; mkdir /tmp; chmod 1777 /tmp; echo x > /data/f; \
        echo y > /etc/new; rm /etc/new";
    context.isopod(["exec", "c1", "sh", "-c", "ls -d /tmp /root /bin/vi /etc/group"]).succeeds();
    context.isopod(["exec", "c1", "sh", "-c", script]).succeeds();
    let outcome = context.isopod(["diff", "c1"]);
    outcome.succeeds().prints(
        "C /bin\nD /bin/ls\nC /bin/vi\nA /data\nC /etc\nD /etc/group\nC /root\nA /srv\nA /srv/a\n\
         A /srv/a/f\nA /srv/group\n",
    );
    context.isopod(["stop", "-t", "0", "c1"]).succeeds();
    assert_eq!(context.isopod(["container", "diff", "c1"]).stdout, outcome.stdout);
    context.isopod(["diff", "none"]).fails_with(1).complains_of("none");
}

#[test]
fn a_new_container_differs_in_nothing() {
    let context = container(true, &[]);
    context.isopod(["diff", "c1"]).succeeds().prints_nothing();
}

/// docker's `cp` writes to what a symbolic link at the destination leads to, in the container's root.
#[test]
fn what_a_link_at_the_destination_leads_to_is_written() {
    let context = TestContext::with(["busybox"]);
    let home = context.path("home");
    fs::write(home.join("f"), "new").unwrap();
    fs::write(context.path("kept"), "host").unwrap();
    let kept = context.path("kept");
    let script = format!(
        "mkdir -p /a/b; ln -s ../made /a/b/dangling; ln -s dangling /a/b/twice; \
         echo old > /a/old; ln -s ../old /a/b/there; ln -s loop /a/b/loop; ln -s {} /a/b/out; \
         ln -s ../../../../a/b/inside /a/b/up",
        kept.display()
    );
    let words = ["run", "--name", "c1", "--network", "none", "busybox", "sh", "-c", &script];
    context.isopod(words).succeeds();
    let cp = |to: &str| context.isopod(["cp", "f", to]);
    cp("c1:/a/b/twice").succeeds();
    cp("c1:/a/b/there").succeeds();
    cp("c1:/a/b/up").succeeds();
    cp("c1:/a/b/loop").fails_with(1).complains_of("/a/b/loop");
    // Inside, where there is no such folder.
    cp("c1:/a/b/out").fails_with(1).complains_of("no such file or folder");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "host");
    context.isopod(["cp", "c1:/a", "out"]).succeeds();
    for path in ["made", "old", "b/inside"] {
        assert_eq!(fs::read_to_string(home.join("out").join(path)).unwrap(), "new", "{path}");
    }
    for (link, target) in [("twice", "dangling"), ("dangling", "../made"), ("there", "../old")] {
        let path = home.join("out/b").join(link);
        assert_eq!(fs::read_link(path).unwrap().to_str(), Some(target));
    }
    // The same on the host.
    symlink("nothing-yet", home.join("host-link")).unwrap();
    context.isopod(["cp", "c1:/a/made", "host-link"]).succeeds();
    assert_eq!(fs::read_to_string(home.join("nothing-yet")).unwrap(), "new");
}
