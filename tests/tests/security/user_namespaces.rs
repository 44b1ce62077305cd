//! Row 26: in a user namespace of its own nobody is anybody of the host's, or of another container's, and files keep
//! the owners that they have on the disk.
//!
//! Expectations are those of user_namespaces(7) and of mount_setattr(2), "ID-mapped mounts": a file of user 0 on the
//! disk is the container's root's, and the other way round.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use isopod_tests::{TestContext, until};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::image::Image;

const IMAGE: &str = "localhost/userns:latest";
const FIRST: u32 = 300_000;

/// Has this thread, and what it starts, see subordinate ids for containers; the host's files stay as they are.
fn give_ids(context: &TestContext) {
    const NOTHING: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING).unwrap();
    let path = context.path("subordinate");
    fs::write(&path, format!("root:100000:65536\ncontainers:{FIRST}:131072\n")).unwrap();
    for place in ["/etc/subuid", "/etc/subgid"] {
        mount(Some(&path), place, NOTHING, MsFlags::MS_BIND, NOTHING).unwrap();
    }
}

fn context() -> TestContext {
    let context = TestContext::without_registries();
    give_ids(&context);
    Image::new().import(&context, IMAGE);
    context
}

fn run(context: &TestContext, name: &str, options: &[&str], script: &str) {
    let words = ["run", "-d", "--name", name, "--network", "none", "--userns", "auto"];
    let command = [IMAGE, "sh", "-c", script];
    context.isopod(words.iter().chain(options).chain(&command)).succeeds();
}

/// User and group of a process, as the host has them, each four times (proc_pid_status(5)).
fn ids(pid: &str) -> Vec<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let lines = status.lines().filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"));
    lines.flat_map(|line| line.split_whitespace().skip(1)).map(|id| id.parse().unwrap()).collect()
}

fn pid(context: &TestContext, name: &str) -> String {
    context.isopod(["inspect", "-f", "{{.State.Pid}}", name]).succeeds().line().to_owned()
}

fn owner(path: &Path) -> (u32, u32) {
    let about = fs::symlink_metadata(path).unwrap();
    (about.uid(), about.gid())
}

#[test]
fn nobody_in_there_is_anybody_of_the_hosts_or_of_anothers() {
    let context = context();
    run(&context, "one", &[], "sleep 600");
    run(&context, "two", &["--user", "7:8"], "sleep 600");
    assert_eq!(ids(&pid(&context, "one")), [FIRST; 8]);
    let second = FIRST + 65_536;
    let expected = [[second + 7; 4], [second + 8; 4]].concat();
    assert_eq!(ids(&pid(&context, "two")), expected);
    context.isopod(["exec", "one", "id", "-u"]).prints("0\n");
    // An exec is in there as well, whoever it is.
    for (user, id) in [("0:0", FIRST), ("5:5", FIRST + 5)] {
        context.isopod(["exec", "-d", "-u", user, "one", "sleep", "77"]).succeeds();
        until("the exec", || {
            let top = context.isopod(["top", "one", "-o", "pid,args"]).stdout;
            let line = top.lines().find(|line| line.contains("sleep 77"));
            let pid = line.and_then(|line| line.split_whitespace().next().map(str::to_owned));
            pid.is_some_and(|pid| {
                ids(&pid) == [id; 8] && {
                    let pid: i32 = pid.parse().unwrap();
                    nix::sys::signal::kill(
                        nix::unistd::Pid::from_raw(pid),
                        nix::sys::signal::SIGKILL,
                    )
                    .is_ok()
                }
            })
        });
    }
    // There are ids for two containers.
    let third = ["create", "--network", "none", "--userns", "auto", IMAGE, "true"];
    context.isopod(third).fails_with(1).complains_of("containers");
    context.isopod(["rm", "-f", "one"]).succeeds();
    context.isopod(third).succeeds();
}

#[test]
fn files_keep_the_owners_that_they_have_on_the_disk() {
    let context = context();
    let bind = context.path("bind");
    fs::create_dir(&bind).unwrap();
    for (name, uid) in [("roots", 0), ("sevens", 7), ("strangers", 100_000)] {
        fs::write(bind.join(name), "x").unwrap();
        chown(bind.join(name), Some(uid), Some(uid)).unwrap();
    }
    let mount = format!("{}:/bind", bind.display());
    let script = "touch /made /volume/made /bind/made; chown 9:9 /bind/made; sleep 600";
    run(&context, "one", &["-v", &mount, "-v", "data:/volume", "-w", "/work/here"], script);
    until("what the container makes", || {
        bind.join("made").exists() && owner(&bind.join("made")) == (9, 9)
    });
    let seen = ["exec", "one", "stat", "-c", "%u:%g"];
    let paths = [
        "/bin/busybox",
        "/made",
        "/volume/made",
        "/work/here",
        "/bind/roots",
        "/bind/sevens",
        "/etc/hosts",
    ];
    context.isopod(seen.iter().chain(&paths)).prints("0:0\n0:0\n0:0\n0:0\n0:0\n7:7\n0:0\n");
    // Who has no id in there is nobody, and stays who he is.
    context.isopod(seen.iter().chain(&["/bind/strangers"])).prints("65534:65534\n");
    context.isopod(["exec", "one", "chown", "0", "/bind/strangers"]).fails_with(1);
    assert_eq!(owner(&bind.join("strangers")), (100_000, 100_000));

    // Into it and out of it, while it runs and when it does not.
    let file = context.path("file");
    fs::write(&file, "x").unwrap();
    chown(&file, Some(5), Some(6)).unwrap();
    let source = file.to_str().unwrap();
    for (place, verb) in [("running", &["stop", "-t", "0"][..]), ("stopped", &["start"])] {
        context.isopod(["cp", source, &format!("one:/{place}")]).succeeds();
        context.isopod(["cp", "-a", source, &format!("one:/{place}-as-it-is")]).succeeds();
        let out = context.path(place);
        context
            .isopod(["cp", "-a", &format!("one:/{place}-as-it-is"), out.to_str().unwrap()])
            .succeeds();
        assert_eq!(owner(&out), (5, 6), "{place}");
        context.isopod(verb.iter().chain(&["one"])).succeeds();
    }
    until("the container", || context.isopod(["exec", "one", "true"]).code == 0);
    let copies = ["/running", "/stopped", "/running-as-it-is", "/stopped-as-it-is"];
    context.isopod(seen.iter().chain(&copies)).prints("0:0\n0:0\n5:6\n5:6\n");

    // Another container finds the same owners in the volume and in what was committed.
    context.isopod(["commit", "one", "localhost/committed"]).succeeds();
    let words = ["run", "--rm", "--network", "none", "-v", "data:/volume"];
    let stat = [
        "localhost/committed",
        "stat",
        "-c",
        "%u:%g",
        "/made",
        "/volume/made",
        "/running-as-it-is",
    ];
    context.isopod(words.iter().chain(&stat)).prints("0:0\n0:0\n5:6\n");
}

#[test]
fn what_would_weaken_it_is_refused_by_name() {
    let context = context();
    let create = ["create", "--userns", "auto"];
    for (options, words) in [
        (&["--privileged", "--network", "none"][..], "privileged"),
        (&["--network", "host"], "network namespace"),
        (&["--network", "none", "--pid", "host"], "pid namespace"),
        (&["--network", "none", "--ipc", "host"], "IPC namespace"),
        (&["--network", "none", "-v", "/tmp:/a:rshared"], "propagate"),
        (&["--network", "none", "--device", "/dev/null:/dev/other"], "another name"),
    ] {
        let outcome = context.isopod(create.iter().chain(options).chain(&[IMAGE, "true"]));
        outcome.fails_with(1).complains_of(words);
    }
    let user =
        ["run", "--rm", "--network", "none", "--userns", "auto:size=10", "-u", "10", IMAGE, "true"];
    context.isopod(user).fails_with(125).complains_of("id 10");
    for wrong in ["auto:size=0", "auto:size=x", "auto:uidmapping=0:1:2", "nomap"] {
        context
            .isopod(["create", "--userns", wrong, IMAGE])
            .fails_with(125)
            .complains_of("--userns");
    }
}
