//! What scenarios start from that no command of ours makes.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use isopod_tests::{Fixtures, Invocation, TestContext};
use serde_json::{Value, json};

/// Runs a command whose output nobody waits for; where it fails, it is shown.
pub const APART: &str = r#""$0" "$@" >told 2>&1 </dev/null; status=$?
[ $status = 0 ] || cat told >&2; exit $status"#;

/// So many events are more than a journal may have.
pub const NOISE: usize = 130;

/// What those are called that were written last.
static FILLED: AtomicUsize = AtomicUsize::new(0);

/// How many of the last ones are left, in the journal and the one before it.
pub fn noise_in_the_journals(root: &Path) -> usize {
    let id = format!("\"id\":\"noise-{}\"", FILLED.load(Ordering::Relaxed));
    let texts =
        ["events/journal", "events/journal.1"].map(|name| fs::read_to_string(root.join(name)));
    texts.iter().flatten().map(|text| text.matches(&id).count()).sum()
}

/// Events of 64 KiB each, more than a journal may have (8 MiB).
pub fn fill_the_journal(root: &Path) {
    let path = root.join("events/journal");
    let opened = File::options().append(true).create(true).mode(0o600).open(path);
    let mut journal = BufWriter::new(opened.expect("something has happened before"));
    let event = json!({
        "time": 1_767_225_600_000_000_000_i64,
        "kind": "image",
        "action": "tag",
        "id": format!("noise-{}", FILLED.fetch_add(1, Ordering::Relaxed) + 1),
        "attributes": {"noise": "x".repeat(64 << 10)},
    });
    for _ in 0..NOISE {
        writeln!(journal, "{event}").expect("there is room");
    }
    journal.flush().expect("there is room");
}

/// What the bundle's cgroup is called, below the instance's.
pub const GROUP: &str = "of-the-bundle";

/// With the machine's busybox, as runc's own command begins one.
pub fn make_a_bundle(context: &TestContext) {
    let bundle = context.path("home/bundle");
    if bundle.exists() {
        return;
    }
    let bin = bundle.join("rootfs/bin");
    fs::create_dir_all(&bin).expect("the folder is ours");
    fs::copy("/bin/busybox", bin.join("sleep")).expect("busybox-static is there");
    Invocation::new("runc", ["spec", "-b", &bundle.to_string_lossy()]).run().succeeds();
    let path = bundle.join("config.json");
    let text = fs::read(&path).expect("runc wrote it");
    let mut config: Value = serde_json::from_slice(&text).expect("it is JSON");
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["sleep", "1000"]);
    config["linux"]["cgroupsPath"] = json!(format!("/{}/{GROUP}", context.cgroup()));
    fs::write(path, config.to_string()).expect("the folder is ours");
}

/// Of this instance alone: the registries are everyone's.
pub fn place_at_a_registry(context: &TestContext) -> String {
    let place = format!("pushed/{}", context.cgroup().to_lowercase());
    Fixtures::load().plain().reference(&place)
}
