//! Pulls that are killed, meet each other, or meet a full disk.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use isopod_tests::handmade::{Entry, Handmade};
use isopod_tests::{Fixtures, Reply, Request, Served, TestContext};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::Signal;

const RUN: [&str; 5] = ["run", "--rm", "--network", "none", "redis:alpine"];

fn instance(rule: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> (TestContext, Served) {
    let served = Served::new(&Fixtures::load().layout, rule);
    let context = TestContext::without_registries();
    context.configure_host("docker.io", &served.hosts_toml());
    (context, served)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn is_whole(context: &TestContext) {
    let check = context.isopod(["ctr", "images", "check"]);
    check.succeeds().mentions("complete (11/11)").mentions("true");
    context
        .isopod(RUN.iter().chain(&["redis-server", "--version"]))
        .succeeds()
        .mentions("Redis server");
    context.isopod(["rmi", "redis:alpine"]).succeeds();
    for folder in ["leases", "layers", "content/blobs/sha256", "content/ingest"] {
        let left = files(&context.path("root").join(folder));
        assert!(left.is_empty(), "left after the image is gone: {left:?}");
    }
}

/// Bytes of each blob that were sent, by path.
fn sent(requests: &[Request]) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = Vec::new();
    for request in requests {
        match all.iter_mut().find(|(path, _)| *path == request.path) {
            Some((_, sent)) => *sent += request.sent,
            None => all.push((request.path.clone(), request.sent)),
        }
    }
    all
}

#[test]
fn a_killed_pull_is_gone_on_with_at_every_moment() {
    // From before the first byte to shortly before the end.
    for moment in [20, 120, 300, 600, 1000] {
        let (context, served) = instance(|_| Reply::Slow(Duration::from_millis(20)));
        let pull = context.command(["pull", "-q", "redis:alpine"]).start();
        thread::sleep(Duration::from_millis(moment));
        pull.signal(Signal::SIGKILL);
        assert_ne!(pull.outcome().code, 0, "the pull was over within {moment} ms");
        context.isopod(["images", "-q"]).succeeds().prints_nothing();
        let before = served.requests().len();
        let partials = files(&context.path("root/content/ingest"));
        let layout = Fixtures::load().layout;
        let is_begun = |name: &String| {
            let size = |path: PathBuf| fs::metadata(path).map_or(0, |found| found.len());
            let part = size(context.path("root/content/ingest").join(name));
            part > 0 && part < size(layout.join("blobs").join(name.replacen('-', "/", 1)))
        };
        let begun: BTreeSet<_> = partials
            .iter()
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .filter(is_begun)
            .map(|name| name.replacen('-', ":", 1))
            .collect();
        context.pull("redis:alpine");
        let second = &served.requests()[before..];
        for digest in &begun {
            let request = second.iter().find(|request| request.path.contains(digest.as_str()));
            let request = request.unwrap_or_else(|| panic!("{digest} is complete without its end"));
            assert!(request.range.is_some(), "not resumed after {moment} ms: {request:?}");
        }
        assert!(moment < 600 || !begun.is_empty(), "nothing was begun after {moment} ms");
        is_whole(&context);
    }
}

#[test]
fn a_pull_that_is_interrupted_by_hand_leaves_a_store_that_works() {
    let (context, _served) = instance(|_| Reply::Slow(Duration::from_millis(20)));
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let pull = context.command(["pull", "redis:alpine"]).start();
        thread::sleep(Duration::from_millis(300));
        pull.signal(signal);
        pull.outcome().fails_with(128 + signal as i32);
    }
    context.pull("redis:alpine");
    is_whole(&context);
}

#[test]
fn two_pulls_at_once_transfer_each_layer_once() {
    let (context, served) = instance(|_| Reply::Slow(Duration::from_millis(10)));
    let pulls: Vec<_> = (0..3).map(|_| context.command(["pull", "redis:alpine"]).start()).collect();
    let outcomes: Vec<_> = pulls.into_iter().map(|pull| pull.outcome()).collect();
    for outcome in &outcomes {
        outcome.succeeds();
    }
    assert!(
        outcomes.iter().any(|o| o.stderr.contains("Waiting for another pull")),
        "{}",
        outcomes[0]
    );
    let layout = Fixtures::load().layout;
    for (path, bytes) in sent(&served.blobs()) {
        let digest = path.split("/blobs/").nth(1).unwrap().split('?').next().unwrap().to_owned();
        let size =
            fs::metadata(layout.join("blobs").join(digest.replacen(':', "/", 1))).unwrap().len();
        // The config is read before anything is locked; it has some hundred bytes.
        assert!(bytes == size || size < 10_000, "{digest}: {bytes} of {size} bytes");
    }
    is_whole(&context);
}

#[test]
fn three_images_at_once_ask_for_each_blob_that_they_share_once() {
    let context = TestContext::without_registries();
    let mut image = Handmade::new(context.path("layout"));
    let layer = |name: &str, seed| image.layer(&[Entry::File(name, &noise_of(400_000, seed))]);
    let [a, b, c, d] =
        [("a", 1), ("b", 2), ("c", 3), ("d", 4)].map(|(name, seed)| layer(name, seed));
    let images = [("one", vec![&a, &b]), ("two", vec![&a, &c, &b]), ("three", vec![&a, &b, &d])];
    for (name, layers) in &images {
        image.image(&format!("library/{name}:latest"), layers);
    }
    let served = Served::new(&image.folder, |_| Reply::Slow(Duration::from_millis(30)));
    context.configure_host("docker.io", &served.hosts_toml());
    let pulls = images.each_ref().map(|(name, _)| context.command(["pull", "-q", name]).start());
    for pull in pulls {
        pull.outcome().succeeds();
    }
    let asked = served.blobs();
    let mut digests: Vec<_> =
        asked.iter().filter_map(|request| request.path.split("/blobs/").nth(1)).collect();
    digests.sort_unstable();
    // Four layers, and a config of each image.
    let mut once = digests.clone();
    once.dedup();
    assert_eq!(once.len(), 7, "{asked:#?}");
    assert_eq!(digests, once, "{asked:#?}");
    context.isopod(["system", "fsck"]).succeeds();
    context.isopod(["rmi", "one", "two", "three"]).succeeds();
    assert!(files(&context.path("root/content/blobs/sha256")).is_empty());
}

#[test]
fn whoever_waits_goes_on_where_a_killed_pull_ended() {
    let (context, served) = instance(|_| Reply::Slow(Duration::from_millis(60)));
    let first = context.command(["pull", "redis:alpine"]).start();
    thread::sleep(Duration::from_millis(400));
    let second = context.command(["pull", "redis:alpine"]).start();
    thread::sleep(Duration::from_millis(1200));
    first.signal(Signal::SIGKILL);
    first.outcome().fails_with(137);
    second.outcome().succeeds().complains_of("Waiting for another pull");
    assert!(served.blobs().iter().any(|request| request.range.is_some()), "{:#?}", served.blobs());
    is_whole(&context);
}

#[test]
fn pulls_and_removals_side_by_side_lose_nothing() {
    let (context, _served) = instance(|_| Reply::Honest);
    let until = Instant::now() + Duration::from_secs(6);
    context.pull("busybox");
    thread::scope(|scope| {
        for image in ["redis:alpine", "alpine", "test/corners:zstd"] {
            let context = &context;
            scope.spawn(move || {
                while Instant::now() < until {
                    context.pull(image);
                    let run = ["create", "--network", "none", image];
                    let created = context.isopod(run);
                    // Removed again before it was used: then nothing was created.
                    if created.code != 0 {
                        let fine = ["not in the store", "no such image"];
                        assert!(fine.iter().any(|t| created.stderr.contains(t)), "{created}");
                        continue;
                    }
                    context.isopod(["rm", created.line()]).succeeds();
                }
            });
        }
        let context = &context;
        scope.spawn(move || {
            while Instant::now() < until {
                for image in ["alpine", "test/corners:zstd", "redis:alpine"] {
                    // Not there at this moment, or in use: both are right.
                    let removed = context.isopod(["rmi", image]);
                    let fine = removed.code == 0
                        || removed.stderr.contains("no such image")
                        || removed.stderr.contains("in use");
                    assert!(fine, "{removed}");
                }
            }
        });
        scope.spawn(move || {
            while Instant::now() < until {
                let run = ["run", "--rm", "--network", "none", "busybox", "echo", "here"];
                context.isopod(run).succeeds().prints("here\n");
            }
        });
    });
    for image in ["redis:alpine", "alpine", "test/corners:zstd", "busybox"] {
        context.pull(image);
    }
    let check = context.isopod(["ctr", "images", "check"]);
    check.succeeds().never_mentions("incomplete").never_mentions("false");
    let all: Vec<String> = context
        .isopod(["images", "--format", "{{.Repository}}:{{.Tag}}"])
        .lines()
        .iter()
        .map(ToString::to_string)
        .collect();
    context.isopod(["rmi"].iter().map(ToString::to_string).chain(all)).succeeds();
    assert!(files(&context.path("root/content/blobs/sha256")).is_empty());
    assert!(
        files(&context.path("root/layers")).is_empty(),
        "{:?}",
        files(&context.path("root/layers"))
    );
}

/// A small file system of its own in the instance's root.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(at: PathBuf, megabytes: u32) -> Self {
        let size = format!("size={megabytes}m,mode=0700");
        mount(Some("none"), &at, Some("tmpfs"), MsFlags::empty(), Some(size.as_str())).unwrap();
        Self(at)
    }

    fn fill(&self, leave: u64) -> PathBuf {
        let free = rustix::fs::statvfs(&self.0).unwrap();
        let bytes = free.f_bavail * free.f_frsize - leave;
        let path = self.0.join("filler");
        fs::write(&path, vec![1; usize::try_from(bytes).unwrap()]).unwrap();
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        umount2(&self.0, MntFlags::MNT_DETACH).ok();
    }
}

#[test]
fn a_full_disk_is_one_clear_error_and_the_pull_finishes_once_there_is_room() {
    for leave in [0, 300_000, 2_000_000, 5_000_000, 12_000_000] {
        let (context, _served) = instance(|_| Reply::Honest);
        let disk = SmallDisk::new(context.path("root"), 64);
        context.pull("busybox");
        let before = context.isopod(["images"]).stdout;
        let filler = disk.fill(leave);
        let pulled =
            context.command(["pull", "-q", "redis:alpine"]).deadline(Duration::from_secs(60)).run();
        pulled.fails_with(1).prints_nothing();
        pulled.complains_of("No space left on device").complains_of("hint: ");
        assert_eq!(context.isopod(["images"]).succeeds().stdout, before);
        context.isopod(["ps", "-a"]).succeeds();
        let layers = files(&context.path("root/layers"));
        let staging = layers.iter().any(|path| path.display().to_string().contains("staging"));
        assert!(!staging, "{layers:?}");
        // Removing something needs no more room than there is.
        context.isopod(["rmi", "busybox"]).succeeds();
        fs::remove_file(filler).unwrap();
        context.pull("redis:alpine");
        is_whole(&context);
    }
}

/// Waits one second for a body that stands still, and looks as often whether it comes fast enough.
fn is_impatient(context: &TestContext) {
    let path = context.path("config.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{config}download_idle_timeout = 1\n")).unwrap();
}

#[test]
fn a_mirror_that_trickles_is_left_for_the_next_and_not_asked_again() {
    let layout = Fixtures::load().layout;
    let slow = |request: &Request| match request.path.contains("/blobs/") {
        true => Reply::Trickle(Duration::from_millis(400)),
        false => Reply::Honest,
    };
    let (mirror, server) = (Served::new(&layout, slow), Served::honest(&layout));
    let context = TestContext::without_registries();
    is_impatient(&context);
    let toml = format!("{}[host.\"http://{}\"]\n", server.hosts_toml(), mirror.address);
    context.configure_host("docker.io", &toml);
    // One layer at a time: what is learned from the first one's serves the others.
    let path = context.path("config.toml");
    let config = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{config}max_concurrent_downloads = 1\n")).unwrap();
    context.pull("redis:alpine");
    let layers = |served: &Served| {
        let asked = served.blobs().into_iter().filter(|request| request.method == "GET");
        asked.map(|request| request.path).collect::<BTreeSet<_>>()
    };
    assert!(server.blobs().iter().any(|request| request.range.is_some()), "begun anew");
    assert!(layers(&mirror).len() <= 2, "asked again and again: {:#?}", mirror.blobs());
    is_whole(&context);
}

#[test]
fn one_server_alone_may_be_slow() {
    let slow = |_: &Request| Reply::Trickle(Duration::from_millis(400));
    let context = TestContext::without_registries();
    is_impatient(&context);
    let mut image = Handmade::new(context.path("layout"));
    let noise = noise_of(6_000, 1);
    let layer = image.layer(&[Entry::File("noise", &noise)]);
    image.image("library/small:latest", &[&layer]);
    let server = Served::new(&image.folder, slow);
    context.configure_host("docker.io", &server.hosts_toml());
    context.pull("small");
}

/// A layer of one file of so many megabytes: 16 KiB of noise again and again, of which gzip makes a hundredth.
fn noise(image: &mut Handmade, name: &str, megabytes: u64) {
    let script = r#"tee >(sha256sum | cut -c1-64 >"$0/diff") | gzip -1"#;
    let mut command = Command::new("bash");
    command.args(["-c", script]).arg(&image.folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writing = thread::spawn(move || {
        let mut header = tar::Header::new_gnu();
        header.set_path("noise").unwrap();
        header.set_mode(0o644);
        header.set_size(megabytes << 20);
        header.set_cksum();
        input.write_all(header.as_bytes()).unwrap();
        let block = noise_of(16 << 10, 1).repeat(64);
        (0..megabytes).for_each(|_| input.write_all(&block).unwrap());
        input.write_all(&[0; 1024]).unwrap();
    });
    let made = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let diff = image.folder.join("diff");
    isopod_tests::until("the digest", || {
        fs::read_to_string(&diff).is_ok_and(|text| text.len() > 64)
    });
    let diff_id = format!("sha256:{}", fs::read_to_string(&diff).unwrap().trim());
    fs::remove_file(diff).unwrap();
    let layer = image.gzip_layer(&made.stdout, &diff_id);
    image.image(&format!("library/{name}:latest"), &[&layer]);
}

/// Bytes that don't repeat (xorshift64).
fn noise_of(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// The most memory that a pull of this image takes, in KiB, by GNU time.
fn peak_of(context: &TestContext, image: &str) -> u64 {
    let binary = isopod_tests::binary::isopod();
    let words = ["-f", "peak %M", &binary.to_string_lossy(), "pull", "-q", image];
    let pulled =
        context.command_of("/usr/bin/time", words).deadline(Duration::from_secs(600)).run();
    pulled.succeeds();
    let peak = pulled.stderr.lines().find_map(|line| line.strip_prefix("peak ")?.parse().ok());
    peak.unwrap_or_else(|| panic!("{pulled}"))
}

fn a_layer_takes_no_more_memory_than_a_small_one(megabytes: u64) {
    let context = TestContext::without_registries();
    let mut image = Handmade::new(context.path("layout"));
    noise(&mut image, "small", 10);
    noise(&mut image, "large", megabytes);
    let served = Served::honest(&image.folder);
    context.configure_host("docker.io", &served.hosts_toml());
    let (small, large) = (peak_of(&context, "small"), peak_of(&context, "large"));
    assert!(large * 10 <= small * 12, "{small} KiB for 10 MB, {large} KiB for {megabytes} MB");
}

#[test]
fn a_layer_of_500_megabytes_takes_no_more_memory_than_one_of_10() {
    a_layer_takes_no_more_memory_than_a_small_one(500);
}

#[test]
#[ignore = "slow: writes 10 GB"]
fn a_layer_of_10_gigabytes_takes_no_more_memory_than_one_of_10_megabytes() {
    a_layer_takes_no_more_memory_than_a_small_one(10 << 10);
}
