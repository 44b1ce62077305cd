//! What a container sees of an image: the same as a peer unpacks, and only what its own layers say.

use std::fs;
use std::path::PathBuf;

use isopod_tests::handmade::{Entry, Handmade};
use isopod_tests::tree::{Tree, differences, look};
use isopod_tests::{Fixtures, Invocation, Served, TestContext};

/// Files that every container gets from us.
const OF_THE_CONTAINER: [&str; 4] =
    ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab"];

/// What umoci unpacks as root, by way of skopeo from the layout the registries were filled from.
fn by_umoci(context: &TestContext, image: &str, from: &str) -> Tree {
    let run = |program: &str, args: &[&str]| {
        let invocation = Invocation::new(program, args).env("HOME", context.path("home"));
        invocation.env("TMPDIR", context.folder()).run().succeeds();
    };
    let layout = context.path(&format!("peer-{}", image.replace(['/', ':'], "-")));
    let to = format!("oci:{}:image", layout.display());
    run("skopeo", &["--insecure-policy", "copy", "-q", "--src-tls-verify=false", from, &to]);
    let bundle = layout.with_extension("bundle");
    let at = format!("{}:image", layout.display());
    run("umoci", &["unpack", "--image", &at, bundle.to_str().expect("its name is ours")]);
    look(&bundle.join("rootfs"), &OF_THE_CONTAINER)
}

/// What a container of the image sees, looked at through its process.
fn in_a_container(context: &TestContext, image: &str, command: &[&str]) -> Tree {
    let run = ["run", "-d", "--network", "none", "--read-only", image];
    let container = context.isopod(run.iter().chain(command)).line().to_owned();
    let pid = context.isopod(["inspect", "--format", "{{.State.Pid}}", &container]);
    let root = PathBuf::from(format!("/proc/{}/root/.", pid.line()));
    let tree = look(&root, &OF_THE_CONTAINER);
    context.isopod(["rm", "-f", &container]).succeeds();
    tree
}

/// Takes out of both what can't be compared: folders where the container's own mounts are; Go's tar, and
/// so umoci, drops attributes without a value fills holes, and gives a folder that a
/// later layer changes without an entry the time of unpacking.
fn comparable(theirs: &Tree, ours: &Tree) -> (Tree, Tree) {
    let (mut theirs, mut ours) = (theirs.clone(), ours.clone());
    for path in ["", "/dev", "/proc", "/sys", "/etc"] {
        theirs.remove(path);
        ours.remove(path);
    }
    for line in ours.values_mut() {
        *line = line.replace(" user.empty=", "").replace(" sparse", "");
    }
    // A later layer gives this inode two more names. overlayfs keeps the names of one inode together
    // within a layer only, as for every engine that uses it.
    let kept_in_the_lower_layer = "/opt/corners/linked-too";
    theirs.entry(kept_in_the_lower_layer.to_owned()).and_modify(|line| {
        *line = line.replace(" linked to /opt/corners/linked", "");
    });
    // The archives' own times are of 2024 and before.
    let is_of_now = |line: &str| {
        let time = line.split(' ').nth(2).and_then(|time| time.split('.').next()?.parse().ok());
        line.starts_with('4') && time.is_some_and(|time: i64| time > 1_735_000_000)
    };
    for (path, line) in &mut theirs {
        if is_of_now(line) {
            *line = without_time(line);
            ours.entry(path.clone()).and_modify(|line| *line = without_time(line));
        }
    }
    (theirs, ours)
}

fn without_time(line: &str) -> String {
    line.split(' ').enumerate().filter(|(at, _)| *at != 2).map(|(_, word)| word).collect()
}

#[test]
fn every_encoding_of_the_corners_looks_as_umoci_unpacks_it() {
    let (context, fixtures) = TestContext::new();
    let from = format!("docker://{}", fixtures.plain().reference("test/corners:gzip"));
    let theirs = by_umoci(&context, "test/corners:gzip", &from);
    assert!(theirs.len() > 60, "{} entries", theirs.len());
    for tag in ["gzip", "zstd", "plain", "schema2"] {
        let image = format!("test/corners:{tag}");
        let ours = in_a_container(&context, &image, &["sleep", "600"]);
        for sparse in ["/opt/corners/sparse", "/opt/corners/holes-only"] {
            assert!(ours[sparse].contains(" sparse"), "{image}: {}", ours[sparse]);
        }
        let empty = &ours["/opt/corners/attributed"];
        assert!(empty.contains(" user.empty= "), "{image}: {empty}");
        let (theirs, ours) = comparable(&theirs, &ours);
        let differ = differences(&theirs, &ours);
        assert!(differ.is_empty(), "{image}: umoci above, isopod below:\n{differ}");
        // The next encoding is unpacked anew, not found.
        context.isopod(["rmi", &image]).succeeds();
    }
}

#[test]
fn redis_looks_as_umoci_unpacks_it() {
    let (context, fixtures) = TestContext::new();
    let from = format!("docker://{}", fixtures.plain().reference("library/redis:alpine"));
    let theirs = by_umoci(&context, "library/redis:alpine", &from);
    let image = "redis:alpine";
    let ours = in_a_container(&context, image, &["sleep", "600"]);
    let (mut theirs, ours) = comparable(&theirs, &ours);
    // The volume is a mount of its own.
    theirs.retain(|path, _| !path.starts_with("/data"));
    let differ = differences(&theirs, &ours);
    assert!(differ.is_empty(), "umoci above, isopod below:\n{differ}");
}

/// Two images with the same upper layer over different bases: `evil` first, then `good`.
struct Shared {
    context: TestContext,
    _served: Served,
}

fn busybox() -> Vec<u8> {
    let images = Fixtures::load().layout;
    let fixtures = images.ancestors().nth(2).expect("images lie two folders deep");
    fs::read(fixtures.join("debian/bin/busybox")).expect("scripts/setup --mirror unpacked it")
}

fn two_images(base: [&[Entry<'_>]; 2], upper: &[Entry<'_>]) -> Shared {
    let context = TestContext::without_registries();
    let mut images = Handmade::new(context.path("images"));
    let shared = images.layer(upper);
    for (name, entries) in ["test/evil:latest", "test/good:latest"].into_iter().zip(base) {
        let bottom = images.layer(entries);
        images.image(name, &[&bottom, &shared]);
    }
    let served = Served::honest(&images.folder);
    context.configure_host("docker.io", &served.hosts_toml());
    Shared { context, _served: served }
}

impl Shared {
    /// What `file` has in the good image, pulled before or after the evil one.
    fn content(&self, image: &str, file: &str) -> String {
        let run = ["run", "--rm", "--network", "none", image, "/bin/busybox", "cat", file];
        self.context.isopod(run).succeeds().stdout.clone()
    }
}

#[test]
fn a_hostile_base_puts_no_bytes_into_a_layer_that_another_image_shares() {
    let busybox = busybox();
    let base = |secret: &'static [u8]| {
        vec![
            Entry::Folder("bin"),
            Entry::File("bin/busybox", &busybox),
            Entry::Folder("etc"),
            Entry::File("etc/secret", secret),
        ]
    };
    let (evil, good) = (base(b"evil"), base(b"good"));
    // The shared layer gives the base's file a second name.
    let upper = [Entry::Folder("opt"), Entry::HardLink("opt/linked", "etc/secret")];
    for order in [["test/evil", "test/good"], ["test/good", "test/evil"]] {
        let images = two_images([&evil, &good], &upper);
        for image in order {
            images.context.pull(image);
        }
        assert_eq!(images.content("test/good", "/opt/linked"), "good");
        assert_eq!(images.content("test/evil", "/opt/linked"), "evil");
        images.context.isopod(["rmi", order[0]]).succeeds();
        let left = order[1].strip_prefix("test/").unwrap();
        assert_eq!(images.content(order[1], "/opt/linked"), left);
    }
}

#[test]
fn the_mode_of_a_folder_without_entry_comes_from_the_images_own_base() {
    let busybox = busybox();
    let base = |mode| {
        vec![
            Entry::Folder("bin"),
            Entry::File("bin/busybox", &busybox),
            Entry::FolderOf("opt", mode),
        ]
    };
    let upper = [Entry::File("opt/below/file", b"the same")];
    let images = two_images([&base(0o777), &base(0o750)], &upper);
    images.context.pull("test/evil").pull("test/good");
    for (image, mode) in [("test/evil", "777"), ("test/good", "750")] {
        assert_eq!(images.content(image, "/opt/below/file"), "the same", "{image}");
        let stat = ["/bin/busybox", "stat", "-c", "%a", "/opt"];
        let run = ["run", "--rm", "--network", "none", image];
        images.context.isopod(run.iter().chain(&stat)).succeeds().prints(&format!("{mode}\n"));
    }
}

#[test]
fn a_layer_that_stands_alone_is_one_folder_for_all_images() {
    let busybox = busybox();
    let base = |name| {
        vec![Entry::Folder("bin"), Entry::File("bin/busybox", &busybox), Entry::File(name, b"x")]
    };
    let (one, other) = (base("one"), base("other"));
    let upper = [Entry::Folder("opt"), Entry::File("opt/file", b"the same")];
    let images = two_images([&one, &other], &upper);
    images.context.pull("test/evil").pull("test/good");
    let folders = fs::read_dir(images.context.path("root/layers")).unwrap().count();
    assert_eq!(folders, 3, "two bases and one layer for both");
    assert_eq!(images.content("test/good", "/opt/file"), "the same");
}
