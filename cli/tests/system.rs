//! `system …` of the built binary.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::fs;

use harness::Instance;

/// A container that wrote 1500 bytes into a volume of its own and a few elsewhere, and has ended.
fn used() -> Instance {
    let instance = Instance::with_image();
    let script =
        "while [ ${#x} -lt 1500 ]; do x=$x..........; done; echo -n $x > /v/file; echo x > /own";
    let run = ["run", "--name", "user", "--network", "none", "-v", "/v", "box", "sh", "-c", script];
    instance.ok(&run);
    instance.ok(&["volume", "create", "idle"]);
    instance
}

/// Counts and columns as docker's reference of `system df` has them; sizes of volumes are those of files.
#[test]
fn df_counts_what_is_there_and_in_use() {
    let instance = used();
    let lines = instance.ok(&["system", "df"]);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE");
    let format = "{{.Type}} {{.TotalCount}} {{.Active}}";
    assert_eq!(
        instance.ok(&["system", "df", "--format", format]),
        "Images 1 1\nContainers 1 0\nLocal Volumes 2 1\nBuild Cache 0 0"
    );
    let figures = instance.ok(&["system", "df", "--format", "{{.Size}} {{.Reclaimable}}"]);
    let figures: Vec<&str> = figures.lines().collect();
    assert!(figures[0].ends_with(" 0B (0%)"), "a used image stays: {figures:?}");
    assert!(figures[1].ends_with("(100%)"), "a container that has ended may go: {figures:?}");
    assert_eq!(figures[2], "1.5kB 0B (0%)");
    let verbose = instance.ok(&["system", "df", "-v"]);
    assert!(verbose.contains("\nidle  "), "{verbose}");
    instance.ok(&["rm", "user"]);
    let figures = instance.ok(&["system", "df", "--format", "{{.Reclaimable}}"]);
    let figures: Vec<&str> = figures.lines().collect();
    assert!(figures[0].ends_with("(100%)"), "nobody needs the image now: {figures:?}");
    assert_eq!(figures[2], "1.5kB (100%)");
}

/// What an image takes is what is in the store: its blobs and its layers.
#[test]
fn an_image_s_size_is_that_of_its_files() {
    let instance = Instance::with_image();
    let blobs = fs::read_dir(instance.path("root/content/blobs/sha256")).unwrap();
    let blobs: u64 = blobs.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    let rootfs = instance.path("rootfs");
    let files =
        ["bin/busybox", "etc/passwd"].map(|name| rootfs.join(name).metadata().unwrap().len());
    let usage = instance.ok(&["system", "df", "-v", "--format", "{{(index .Images 0).Size}}"]);
    let all = blobs + files.iter().sum::<u64>();
    // Three digits, as docker writes sizes of images.
    #[expect(clippy::cast_precision_loss, reason = "rounded to three digits")]
    let megabytes = all as f64 / 1e6;
    assert_eq!(usage, format!("{megabytes:.2}MB"));
}

#[test]
fn prune_takes_what_nothing_uses_and_no_more() {
    let instance = used();
    let id = instance.ok(&["inspect", "-f", "{{.Id}}", "user"]);
    let text = instance.ok(&["system", "prune", "--force"]);
    assert!(text.starts_with(&format!("Deleted Containers:\n{id}\n\n")), "{text}");
    assert!(text.lines().last().unwrap().starts_with("Total reclaimed space: "), "{text}");
    assert_eq!(instance.ok(&["volume", "ls", "-q"]).lines().count(), 2, "not without --volumes");
    assert_eq!(instance.ok(&["images", "-q"]).lines().count(), 1, "it has a name");
    let text = instance.ok(&["system", "prune", "--force", "--all", "--volumes"]);
    assert!(text.starts_with("Deleted Volumes:\n"), "{text}");
    assert!(text.contains("\nDeleted Images:\nuntagged: box:latest\n"), "{text}");
    assert_eq!(instance.ok(&["volume", "ls", "-q"]), "idle", "what has a name stays");
    assert_eq!(instance.ok(&["images", "-q"]), "");
}

/// docker's reference of `system prune` asks the same.
#[test]
fn prune_says_what_will_go_before_it_goes() {
    let instance = Instance::new();
    let done = instance.run(&["system", "prune", "--volumes", "--filter", "label=a"]);
    assert_eq!((done.status, done.out.as_str()), (0, ""), "no answer is no");
    assert_eq!(
        done.err,
        "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least \
         one container\n  - all anonymous volumes not used by at least one container\n  - all \
         dangling images\n\n  Items to be pruned will be filtered with:\n  - label=a\n\nAre you sure \
         you want to continue? [y/N] "
    );
    let done = instance.run(&["system", "prune", "--volumes", "--filter", "until=1h"]);
    assert_ne!(done.status, 0);
    assert!(done.err.contains("until"), "{}", done.err);
}

/// A blob that nothing leads to goes, and nothing else.
#[test]
fn gc_says_what_would_go_and_for_whom_the_rest_stays() {
    let instance = Instance::with_image();
    instance.ok(&["create", "--name", "user", "--network", "none", "box"]);
    let bytes = "nobody's";
    let file = instance.path("stray");
    fs::write(&file, bytes).unwrap();
    let printed = std::process::Command::new("sha256sum").arg(&file).output().unwrap().stdout;
    let hex = String::from_utf8(printed).unwrap()[..64].to_owned();
    let stray = instance.path("root/content/blobs/sha256").join(&hex);
    fs::write(&stray, bytes).unwrap();
    let orphan = instance.path("root/snapshots/4711");
    fs::create_dir(&orphan).unwrap();

    let all: serde_json::Value =
        serde_json::from_str(&instance.ok(&["system", "gc", "--explain", "--format", "json"]))
            .unwrap();
    assert_eq!(all["Reclaimable"], bytes.len());
    let items = all["Items"].as_array().unwrap();
    let (going, staying): (Vec<_>, Vec<_>) = items.iter().partition(|item| item["Goes"] == true);
    let names: Vec<_> = going.iter().map(|item| item["Name"].as_str().unwrap()).collect();
    assert_eq!(names, [format!("sha256:{hex}").as_str(), orphan.to_str().unwrap()]);
    assert_eq!(staying.len(), 4, "config, manifest, layer and its files: {items:?}");
    for item in staying {
        let why = [format!("image {}", harness::IMAGE), "container user".to_owned()];
        assert_eq!(item["Why"], serde_json::json!(why));
    }
    assert!(stray.exists() && orphan.exists(), "explaining removes nothing");

    let gone = instance.ok(&["system", "gc"]);
    assert_eq!(gone, format!("deleted: sha256:{hex}\nTotal reclaimed space: 8B"));
    assert!(!stray.exists() && !orphan.exists());
    // Without its name the container still holds it all.
    instance.ok(&["rmi", "-f", "box"]);
    assert_eq!(instance.ok(&["system", "gc"]), "Total reclaimed space: 0B");
    instance.ok(&["rm", "user"]);
    let gone = instance.ok(&["system", "gc", "--format", "json"]);
    let gone: serde_json::Value = serde_json::from_str(&gone).unwrap();
    assert_eq!(gone["Removed"].as_array().unwrap().len(), 4);
}

/// A repair keeps what it takes out of the store; a collection leaves that for a month, and takes it when it is told to.
#[test]
fn what_repairs_moved_aside_is_named_and_goes_when_it_is_asked_for() {
    let instance = Instance::with_image();
    let foreign = instance.path("root/content/blobs/sha256/notes.txt");
    fs::write(&foreign, b"eight by").unwrap();
    instance.ok(&["system", "fsck", "--repair"]);
    let kept = instance.path("root/damaged/blobs/notes.txt");
    assert_eq!(fs::read(&kept).unwrap(), b"eight by");
    let explained = instance.ok(&["system", "gc", "--explain"]);
    let line = explained.lines().find(|line| line.contains(kept.to_str().unwrap()));
    let line = line.unwrap_or_else(|| panic!("{explained}"));
    assert!(line.starts_with("stays") && line.contains("gc --damaged"), "{line}");
    assert_eq!(instance.ok(&["system", "gc"]), "Total reclaimed space: 0B");
    assert!(kept.exists());
    // ctime has whole seconds here.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let gone = instance.ok(&["system", "gc", "--damaged"]);
    assert_eq!(gone, format!("deleted: {}\nTotal reclaimed space: 8B", kept.display()));
    assert!(!instance.path("root/damaged").exists());
}

/// As kill -9 leaves them between the writing and the renaming of any small file.
#[test]
fn temporary_files_of_the_dead_go_at_once_and_those_of_the_living_stay() {
    let instance = Instance::with_image();
    instance.ok(&["create", "--name", "c1", "--network", "none", "box"]);
    let only = |folder: &str| {
        let entry = fs::read_dir(instance.path(folder)).unwrap().next();
        entry.expect("there is one").unwrap().path()
    };
    let container = only("root/containers/default");
    let layer = only("root/layers");
    let folders = [
        instance.path("root"),
        instance.path("root/content"),
        instance.path("root/content/blobs/sha256"),
        container,
        layer,
    ];
    // No process has the one id (pid_max is at most 4,194,304); this one has the other.
    let (dead, living) =
        (".some.json.2147483647.tmp", format!(".some.json.{}.tmp", std::process::id()));
    for folder in &folders {
        fs::write(folder.join(dead), "half").unwrap();
        fs::write(folder.join(&living), "half").unwrap();
    }
    let explained = instance.ok(&["system", "gc", "--explain"]);
    let named = |name: &str| explained.lines().filter(|line| line.contains(name)).count();
    assert_eq!((named(dead), named(&living)), (folders.len(), 0), "{explained}");
    let found = instance.run(&["system", "fsck", "--format", "{{.Code}}"]);
    let codes: Vec<&str> = found.out.lines().collect();
    assert_eq!(codes, vec!["content-leftover"; folders.len()], "{found:?}");
    instance.ok(&["system", "gc"]);
    for folder in &folders {
        assert!(!folder.join(dead).exists(), "{}", folder.display());
        assert!(folder.join(&living).exists(), "{}", folder.display());
    }
}
