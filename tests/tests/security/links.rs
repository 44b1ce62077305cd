//! Row 5: every path inside a root file system is resolved inside it (CVE-2021-30465, CVE-2024-45310).

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use isopod_tests::TestContext;
use serde_json::json;

use crate::image::{Image, Layer};

const IMAGE: &str = "localhost/links:latest";

/// Folders of the host, as a test may own them, that nothing may be made or changed in.
struct Canary {
    folder: tempfile::TempDir,
    before: BTreeMap<String, String>,
}

impl Canary {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["etc", "dev", "proc", "sys", "data", "tmp"] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("kept"), "the host's").unwrap();
        }
        fs::write(folder.path().join("file"), "the host's").unwrap();
        let before = Self::look(folder.path());
        Self { folder, before }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// Every entry with its type, mode and owner, and what is in the files.
    fn look(folder: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
                let about = entry.metadata().unwrap();
                let content = if about.is_file() {
                    fs::read_to_string(entry.path()).unwrap()
                } else {
                    String::new()
                };
                let text =
                    format!("{:o} {} {} {content}", about.mode(), about.uid(), about.nlink());
                found.insert(entry.path().to_str().unwrap().to_owned(), text);
                if about.is_dir() {
                    folders.push(entry.path());
                }
            }
        }
        found
    }

    #[track_caller]
    fn assert_untouched(&self) {
        assert_eq!(Self::look(self.folder.path()), self.before);
    }
}

/// Each of these is a symbolic link to the canary in the image, by its whole path and by climbing.
#[test]
fn system_folders_that_are_symlinks_lead_nowhere_on_the_host() {
    for place in ["etc", "dev", "proc", "sys", "dev/shm", "dev/pts", "sys/fs", "data"] {
        let canary = Canary::new();
        let target = canary.path(place.split('/').next().unwrap());
        for target in [target.clone(), format!("../../../../../../../../../..{target}")] {
            let context = TestContext::without_registries();
            let mut hostile = Layer::new();
            if place == "etc" {
                hostile = hostile.file(".wh.etc", 0o644, "");
            }
            if let Some((parent, _)) = place.split_once('/') {
                hostile = hostile.folder(parent);
            }
            let image = Image::new().layer(hostile).layer(Layer::new().symlink(place, &target));
            image.says("Volumes", json!({"/data": {}})).import(&context, IMAGE);
            let run = [
                "run",
                "--rm",
                "--network",
                "none",
                "-w",
                "/data/new",
                "--tmpfs",
                "/data/tmp",
                IMAGE,
            ];
            // It may run or be refused; what counts is what it did not do.
            let script = "touch /data/in /etc/in /dev/in /sys/in; echo x > /etc/hosts; cat /data/kept /etc/kept /dev/kept /file";
            let outcome = context.isopod(run.iter().chain(&["sh", "-c", script]));
            outcome.never_mentions("the host's").never_mentions("panicked");
            canary.assert_untouched();
        }
    }
}

#[test]
fn destinations_through_symlinks_lead_nowhere_on_the_host() {
    let canary = Canary::new();
    let given = tempfile::tempdir().unwrap();
    fs::write(given.path().join("given"), "given").unwrap();
    let given = given.path().to_str().unwrap();
    for target in [canary.path(""), format!("../../../../../../../../..{}", canary.path(""))] {
        let context = TestContext::without_registries();
        // The image has the same path: mounts can be made there, inside.
        let inside = canary.path("");
        let inside = inside.trim_matches('/');
        let link = Layer::new()
            .folder(inside)
            .folder(&format!("{inside}/tmp"))
            .folder(&format!("{inside}/data"))
            .symlink("link", target.trim_end_matches('/'))
            .symlink("data", "/link/data");
        let mut ran = 0;
        Image::new().layer(link).says("Volumes", json!({"/link/data": {}})).import(&context, IMAGE);
        for mount in [
            format!("type=bind,source={given},target=/link/tmp"),
            format!("type=bind,source={given},target=/link/new/deep"),
            format!("type=bind,source={given}/given,target=/link/file"),
            format!("type=bind,source={given}/given,target=/data/made"),
            "type=tmpfs,target=/link/tmp".to_owned(),
            "type=volume,target=/link/tmp".to_owned(),
            "type=volume,source=named,target=/link/other".to_owned(),
        ] {
            let run = ["run", "--rm", "--network", "none", "--mount", &mount, IMAGE];
            let script = "touch /link/data/x /link/tmp/y; cat /link/data/kept /link/tmp/kept; true";
            let outcome = context.isopod(run.iter().chain(&["sh", "-c", script]));
            outcome.never_mentions("the host's").never_mentions("panicked");
            canary.assert_untouched();
            ran += u32::from(outcome.code == 0);
        }
        assert!(ran >= 3, "what is there can be mounted on");
    }
}

#[test]
fn what_a_volume_is_filled_with_comes_from_the_image() {
    let canary = Canary::new();
    let context = TestContext::without_registries();
    let link = Layer::new()
        .symlink("data", &canary.path("data"))
        .folder("more")
        .symlink("more/file", &canary.path("file"))
        .symlink("climb", &format!("../../../../../../../../../..{}", canary.path("data")));
    let image = Image::new().layer(link);
    image.says("Volumes", json!({"/data": {}, "/more": {}, "/climb": {}})).import(&context, IMAGE);
    let created = context.isopod(["create", "--network", "none", IMAGE, "true"]);
    created.succeeds();
    let volumes = fs::read_dir(context.path("root/volumes")).unwrap().map(Result::unwrap);
    let filled: Vec<_> = volumes.map(|volume| Canary::look(&volume.path())).collect();
    assert_eq!(filled.len(), 3, "{filled:?}");
    for volume in &filled {
        assert!(volume.values().all(|entry| !entry.contains("the host's")), "{volume:?}");
    }
    // What there is of the image's own is copied as it is.
    assert!(filled.iter().any(|volume| volume.keys().any(|path| path.ends_with("/_data/file"))));
    let run = ["run", "--rm", "--network", "none", IMAGE, "sh", "-c"];
    let script = "cat /data/* /more/* /climb/*; echo x > /more/file; chmod 777 /more/file; true";
    let outcome = context.isopod(run.iter().chain(&[script]));
    outcome.never_mentions("the host's");
    canary.assert_untouched();
}

/// What an exec needs of a root that the container has changed meanwhile.
#[test]
fn a_container_that_changes_its_root_gains_nothing_from_an_exec() {
    let canary = Canary::new();
    let context = TestContext::without_registries();
    Image::new().import(&context, IMAGE);
    let sleep = ["run", "-d", "--name", "c1", "--network", "none", IMAGE, "sleep", "600"];
    context.isopod(sleep).succeeds();
    let target = canary.path("etc");
    let change = format!("mv /bin /usr; ln -s {target} /bin; mv /tmp /old; ln -s {target} /tmp");
    context.isopod(["exec", "c1", "sh", "-c", &change]).succeeds();
    let script = "/usr/busybox cat /bin/kept /tmp/kept; /usr/busybox touch /tmp/new; exit 3";
    let exec = ["exec", "-it", "c1", "/usr/busybox", "sh", "-c", script];
    let screen = context.terminal(exec).exits_with(3);
    assert!(!screen.contains("the host's"), "{screen}");
    let exec = ["exec", "-w", "/tmp", "c1", "/usr/busybox", "cat", "kept"];
    let outcome = context.isopod(exec);
    assert_ne!(outcome.code, 0, "{outcome}");
    outcome.never_mentions("the host's");
    canary.assert_untouched();
}

/// Row 3: what masks a path, and the console, are looked at before they are mounted (CVE-2025-31133,
/// CVE-2025-52565).
#[test]
fn a_fake_null_device_or_console_gives_no_way_to_kernel_files() {
    let context = TestContext::without_registries();
    Image::new().import(&context, IMAGE);
    let canary = Canary::new();
    let fill =
        "cd /v && ln -s /proc/sys/kernel/core_pattern null && ln -s /proc/sysrq-trigger console
        mkdir pts shm mqueue; ln -s pts/ptmx ptmx; true";
    let run = ["run", "--rm", "--network", "none", "-v", "shared:/v", IMAGE, "sh", "-c", fill];
    context.isopod(run).succeeds();
    let secret = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    // Of what is masked, nothing may lead to the file that the links mean, or be open for writing.
    let script = "for f in /proc/kcore /proc/keys /proc/timer_list /proc/sched_debug; do
            head -c 64 $f 2>/dev/null; ( : >> $f ) 2>/dev/null && [ ! -c $f ] && echo $f is open
        done; for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger; do ( : >> $f ) 2>/dev/null && echo $f is open; done; true";
    for options in [&["-d"][..], &["-d", "-t"]] {
        let name = format!("c{}", options.len());
        let head = [
            "run",
            "--name",
            &name,
            "--network",
            "none",
            "-v",
            "shared:/dev",
            IMAGE,
            "sleep",
            "600",
        ];
        let outcome = context.isopod(head[..1].iter().chain(options).chain(&head[1..]));
        outcome.never_mentions("panicked");
        if outcome.code == 0 {
            let seen = context.command(["exec", "-i", &name, "sh", "-c", script]).stdin("x").run();
            seen.never_mentions("is open");
            assert!(!seen.lines().contains(&secret.trim()), "{seen}");
        }
    }
    // From an image, whose folder a tmpfs hides.
    let fake = Layer::new()
        .folder("dev")
        .symlink("dev/null", "/proc/sys/kernel/core_pattern")
        .symlink("dev/console", &canary.path("file"));
    Image::new().layer(fake).import(&context, "localhost/fake:latest");
    let run =
        ["run", "--rm", "-t", "--network", "none", "localhost/fake:latest", "sh", "-c", script];
    let outcome = context.isopod(run);
    outcome.succeeds().never_mentions("is open");
    assert!(!outcome.lines().contains(&secret.trim()), "{outcome}");
    canary.assert_untouched();
}
