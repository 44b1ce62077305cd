//! Volumes of the built binary: what a docker user sees of them, and what holds under many hands.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::fs;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use harness::{Done, Instance};

const RUN: [&str; 4] = ["run", "--rm", "--network", "none"];

/// With an image that has a folder with files of another owner.
fn with_data() -> Instance {
    let instance = Instance::new();
    let data = instance.path("rootfs/data");
    fs::create_dir_all(data.join("sub")).unwrap();
    fs::write(data.join("file"), "of the image\n").unwrap();
    fs::write(data.join("sub/deep"), "deep\n").unwrap();
    chown(data.join("sub/deep"), Some(5), Some(6)).unwrap();
    chown(&data, Some(7), Some(8)).unwrap();
    instance.load();
    instance
}

fn run(instance: &Instance, arguments: &[&str]) -> Done {
    instance.run(&[&RUN[..], arguments].concat())
}

fn folder(instance: &Instance, name: &str) -> PathBuf {
    instance.ok(&["volume", "inspect", "--format", "{{.Mountpoint}}", name]).into()
}

#[test]
fn volumes_are_made_listed_shown_and_removed() {
    let instance = Instance::new();
    assert_eq!(instance.ok(&["volume", "create", "--label", "a=b", "one"]), "one");
    assert_eq!(instance.ok(&["volume", "create", "one"]), "one", "once more is no error");
    let unnamed = instance.ok(&["volume", "create"]);
    assert!(unnamed.len() == 64 && unnamed.bytes().all(|b| b.is_ascii_hexdigit()), "{unnamed}");
    assert_eq!(instance.ok(&["volume", "ls", "-q", "--filter", "name=on"]), "one");
    assert_eq!(
        instance.ok(&["volume", "ls", "--filter", "label=a=b"]),
        "DRIVER    VOLUME NAME\nlocal     one"
    );
    assert_eq!(
        instance.ok(&["volume", "inspect", "-f", "{{.Labels.a}} {{.Scope}}", "one"]),
        "b local"
    );
    // As docker's older scripts say it; one name is enough.
    assert_eq!(instance.ok(&["volume", "create", "--name", "older"]), "older");
    instance.ok(&["volume", "rm", "older"]);
    assert_eq!(instance.run(&["volume", "create", "--name", "aa", "bb"]).status, 125);
    let done = instance.run(&["volume", "rm", "one", "none-such", &unnamed]);
    assert_eq!((done.status, done.out), (1, format!("one\n{unnamed}\n")));
    assert!(done.err.contains("no such volume: none-such"), "{}", done.err);
    assert_eq!(instance.run(&["volume", "rm", "-f", "none-such"]).status, 0);
    assert_eq!(instance.ok(&["volume", "ls", "-q"]), "");
    let left: Vec<_> = fs::read_dir(instance.path("root/volumes")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_can_t_be_a_volume_is_refused() {
    let instance = Instance::new();
    instance.ok(&["volume", "create", "taken"]);
    for (arguments, named) in [
        (&["x"] as &[_], "two characters"),
        (&["../x"], "not valid"),
        (&["a/b"], "not valid"),
        (&["--driver", "nfs", "ab"], "only driver"),
        (&["--opt", "type=tmpfs", "ab"], "device"),
        (&["--opt", "colour=red", "ab"], "colour"),
        (&["--opt", "type=proc", "--opt", "device=proc", "ab"], "proc"),
        (&["--label", "a=b", "taken"], "other labels"),
    ] {
        let done = instance.run(&[&["volume", "create"], arguments].concat());
        assert_ne!(done.status, 0, "{arguments:?}");
        assert!(done.err.contains(named), "{arguments:?}: {}", done.err);
    }
    assert_eq!(instance.ok(&["volume", "ls", "-q"]), "taken");
}

/// docker's manual, «Populate a volume using a container».
#[test]
fn an_empty_volume_gets_what_the_image_has_there() {
    let instance = with_data();
    let list = ["box", "ls", "/data"];
    assert_eq!(run(&instance, &[&["-v", "full:/data"], &list[..]].concat()).out, "file\nsub\n");
    let host = folder(&instance, "full");
    let owner = |path: PathBuf| {
        let metadata = fs::metadata(path).unwrap();
        (metadata.uid(), metadata.gid())
    };
    assert_eq!(owner(host.join("sub/deep")), (5, 6));
    assert_eq!(owner(host.clone()), (7, 8), "the folder's owner comes along");
    // What is there is kept.
    fs::remove_file(host.join("file")).unwrap();
    assert_eq!(run(&instance, &[&["-v", "full:/data"], &list[..]].concat()).out, "sub\n");
    // Not where that is not wanted.
    assert_eq!(run(&instance, &[&["-v", "bare:/data:nocopy"], &list[..]].concat()).out, "");
    let mount = ["--mount", "type=volume,src=bare,dst=/data,volume-nocopy"];
    assert_eq!(run(&instance, &[&mount, &list[..]].concat()).out, "");
    // An empty one is filled later, too.
    assert_eq!(run(&instance, &[&["-v", "bare:/data"], &list[..]].concat()).out, "file\nsub\n");
}

#[test]
fn a_copy_that_was_killed_is_made_again() {
    let instance = with_data();
    instance.ok(&["volume", "create", "torn"]);
    let host = folder(&instance, "torn");
    // What a killed create leaves: a part of the content, and the mark beside it.
    fs::write(host.join("file"), "of").unwrap();
    fs::write(host.parent().unwrap().join("copying"), "").unwrap();
    let done = run(&instance, &["-v", "torn:/data", "box", "cat", "/data/file", "/data/sub/deep"]);
    assert_eq!(done.out, "of the image\ndeep\n");
}

#[test]
fn a_used_volume_stays_and_its_user_is_named() {
    let instance = Instance::with_image();
    let create = ["create", "--name", "user", "--network", "none", "-v", "kept:/x", "-v", "/y"];
    instance.ok(&[&create[..], &["box", "true"]].concat());
    let done = instance.run(&["volume", "rm", "-f", "kept"]);
    assert_eq!(done.status, 1);
    assert!(done.err.contains("volume kept is in use by container user"), "{}", done.err);
    assert_eq!(instance.ok(&["volume", "prune", "-f", "-a"]), "Total reclaimed space: 0B");
    assert_eq!(
        instance.ok(&["volume", "ls", "-q", "--filter", "dangling=false"]).lines().count(),
        2
    );
    instance.ok(&["rm", "-v", "user"]);
    assert_eq!(instance.ok(&["volume", "ls", "-q"]), "kept", "a name is not for one container");
}

/// docker's reference of `volume prune`: since API 1.42 only unnamed ones, all with `--all`.
#[test]
fn prune_asks_and_removes_what_is_unnamed() {
    let instance = Instance::new();
    let unnamed = instance.ok(&["volume", "create"]);
    fs::write(folder(&instance, &unnamed).join("file"), vec![b'x'; 1500]).unwrap();
    instance.ok(&["volume", "create", "--label", "keep", "named"]);
    instance.ok(&["volume", "create", "other"]);
    let answer = |text: &str, arguments: &[&str]| -> Done {
        let mut child = instance
            .command(&[&["volume", "prune"], arguments].concat())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
        child.wait_with_output().unwrap().into()
    };
    let done = answer("n\n", &[]);
    assert_eq!((done.status, done.out.as_str()), (0, ""));
    assert_eq!(
        done.err,
        "WARNING! This will remove anonymous local volumes not used by at least one container.\n\
         Are you sure you want to continue? [y/N] "
    );
    assert_eq!(answer("", &[]).out, "", "no answer is no");
    let done = answer("y\n", &[]);
    let expected = format!("Deleted Volumes:\n{unnamed}\n\nTotal reclaimed space: 1.5kB\n");
    assert_eq!((done.status, done.out), (0, expected));
    let done = instance.run(&["volume", "prune", "--all", "--force", "--filter", "label!=keep"]);
    assert_eq!(done.out, "Deleted Volumes:\nother\n\nTotal reclaimed space: 0B\n");
    assert_eq!(instance.ok(&["volume", "ls", "-q"]), "named");
}

/// docker's reference of `volume create`, «Driver-specific options».
#[test]
fn driver_options_are_mounted_in_the_container_alone() {
    let instance = with_data();
    let host = instance.path("host");
    fs::create_dir(&host).unwrap();
    fs::write(host.join("file"), "of the host\n").unwrap();
    let device = format!("device={}", host.display());
    let opt = |o: &str| o.to_owned();
    let create = |name: &str, options: &[String]| {
        let options = options.iter().flat_map(|option| ["--opt", option]);
        instance.ok(&["volume", "create", name].into_iter().chain(options).collect::<Vec<_>>())
    };
    create("bound", &[opt("type=none"), opt("o=bind"), device.clone()]);
    create("fixed", &[opt("type=none"), opt("o=bind,ro"), device]);
    create("memory", &[opt("type=tmpfs"), opt("device=tmpfs"), opt("o=size=1m,uid=1000")]);
    // A bind is not filled with the image's content, and what is written reaches the host.
    let script = "cat /data/file; echo more > /data/new";
    let done = run(&instance, &["-v", "bound:/data", "box", "sh", "-c", script]);
    assert_eq!((done.status, done.out.as_str()), (0, "of the host\n"), "{}", done.err);
    assert_eq!(fs::read_to_string(host.join("new")).unwrap(), "more\n");
    let done = run(&instance, &["-v", "fixed:/data", "box", "sh", "-c", "echo x > /data/new"]);
    assert_ne!(done.status, 0);
    assert!(done.err.contains("Read-only file system"), "{}", done.err);
    let script =
        "while read line; do case $line in *' /m tmpfs '*) echo $line;; esac; done < /proc/mounts";
    let done = run(&instance, &["-v", "memory:/m", "box", "sh", "-c", script]);
    assert!(done.out.contains("size=1024k") && done.out.contains("uid=1000"), "{done:?}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let ours = instance.path("").display().to_string();
    assert!(!mounts.contains(&ours), "the host mounts nothing");
}

#[test]
fn a_volume_is_made_as_a_mount_says() {
    let instance = Instance::with_image();
    let mount = "type=volume,src=made,dst=/m,volume-label=a=b,volume-driver=local,\
                 volume-opt=type=tmpfs,volume-opt=device=tmpfs";
    assert_eq!(run(&instance, &["--mount", mount, "box", "true"]).status, 0);
    assert_eq!(
        instance.ok(&["volume", "inspect", "-f", "{{.Labels.a}} {{.Options.type}}", "made"]),
        "b tmpfs"
    );
    let other = "type=volume,src=made,dst=/m,volume-label=a=other";
    let done = run(&instance, &["--mount", other, "box", "true"]);
    assert_eq!(done.status, 125);
    assert!(done.err.contains("made"), "{}", done.err);
}

/// docker's reference of `volume-subpath`: inside the volume, there before the container starts.
#[test]
fn a_part_of_a_volume_never_lies_outside_it() {
    let instance = with_data();
    assert_eq!(run(&instance, &["-v", "full:/data", "box", "true"]).status, 0);
    let host = folder(&instance, "full");
    symlink("sub", host.join("inside")).unwrap();
    symlink("/etc", host.join("absolute")).unwrap();
    symlink("../../../../../../../../etc", host.join("upwards")).unwrap();
    let part = |path: &str, command: &[&str]| {
        let mount = format!("type=volume,src=full,dst=/x,volume-subpath={path}");
        run(&instance, &[&["--mount", &mount, "box"], command].concat())
    };
    assert_eq!(part("sub", &["ls", "/x"]).out, "deep\n");
    assert_eq!(part("inside", &["ls", "/x"]).out, "deep\n");
    assert_eq!(part("file", &["cat", "/x"]).out, "of the image\n");
    for wrong in ["absolute", "upwards", "../full", "none-such"] {
        let done = part(wrong, &["ls", "/x"]);
        assert_ne!(done.status, 0, "{wrong}: {done:?}");
        assert!(done.err.contains(wrong), "{wrong}: {}", done.err);
    }
    let done = run(&instance, &["--mount", "type=volume,dst=/x,volume-subpath=a", "box", "true"]);
    assert!(done.err.contains("volume-subpath"), "{}", done.err);
}

/// What is written under a name is found under it, or gone with all of the volume: never another's, and no
/// command fails but for what another has done.
#[test]
fn many_hands_make_and_remove_volumes_of_one_name() {
    let instance = with_data();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let remove = || {
            while !is_over.load(Ordering::Relaxed) {
                let done = instance.run(&["volume", "rm", "shared"]);
                let is_expected = |text: &&str| done.err.contains(text);
                let expected = ["in use by", "no such volume"];
                assert!(done.status == 0 || expected.iter().any(is_expected), "{done:?}");
            }
        };
        let removers = [scope.spawn(remove), scope.spawn(remove)];
        let make = || {
            for _ in 0..12 {
                let create = ["create", "--network", "none", "-v", "shared:/data", "box", "true"];
                let id = instance.ok(&create);
                let content = instance.path("root/volumes/shared/_data");
                let names = fs::read_dir(&content).unwrap().count();
                instance.ok(&["rm", &id]);
                assert_eq!(names, 2, "the image's content is there while a container needs it");
            }
        };
        let makers = [scope.spawn(make), scope.spawn(make)];
        let made = makers.map(|maker| maker.join());
        is_over.store(true, Ordering::Relaxed);
        for done in removers.map(|remover| remover.join()).into_iter().chain(made) {
            done.unwrap();
        }
    });
    instance.run(&["volume", "rm", "-f", "shared"]);
    let left = fs::read_dir(instance.path("root/volumes")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn containers_that_use_a_volume_first_at_the_same_time_all_find_its_content() {
    let instance = Instance::new();
    let data = instance.path("rootfs/data");
    fs::create_dir_all(&data).unwrap();
    for number in 0..400 {
        fs::write(data.join(number.to_string()), "of the image\n").unwrap();
    }
    instance.load();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let done = run(&instance, &["-v", "full:/data", "box", "sh", "-c", "echo /data/*"]);
                assert_eq!(done.status, 0, "{done:?}");
                assert_eq!(done.out.split_whitespace().count(), 400);
            });
        }
    });
}

/// What a killed removal leaves has no row: a collection takes it if it was announced, and a new volume never
/// shows it.
#[test]
fn what_a_killed_removal_left_is_swept() {
    let instance = with_data();
    let volumes = instance.path("root/volumes");
    instance.ok(&["volume", "ls"]);
    for name in ["ghost", "other", ".removed-0123"] {
        fs::create_dir_all(volumes.join(name).join("_data")).unwrap();
        fs::write(volumes.join(name).join("_data/old"), "").unwrap();
    }
    fs::write(volumes.join(".leaving-other"), "").unwrap();
    let done = run(&instance, &["-v", "ghost:/x", "box", "ls", "/x"]);
    assert_eq!(done.out, "");
    // Commands that list containers sweep.
    instance.ok(&["ps"]);
    assert!(!volumes.join("other").exists() && !volumes.join(".removed-0123").exists());
    assert!(volumes.join("ghost").exists());
}
