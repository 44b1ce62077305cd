//! Damage of every kind that `docs/fsck.md` names: planted, found by its code, mended, and gone; and the next commands work.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use isopod_tests::handmade::flip_a_byte;
use isopod_tests::{TestContext, until};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, mknod};
use rusqlite::Connection;
use serde_json::Value;

/// No process has this id (pid_max is at most 4,194,304).
const NOBODY: &str = "2147483647";
const LONG_AGO: Duration = Duration::from_secs(7200);

/// The codes of what is wrong.
#[track_caller]
fn found(context: &TestContext) -> BTreeSet<String> {
    let outcome = context.isopod(["system", "fsck", "--format", "{{.Code}}"]);
    outcome.fails_with(1);
    outcome.lines().into_iter().map(str::to_owned).collect()
}

/// Plants, expects just these codes, and that looking changed nothing.
#[track_caller]
fn shows(context: &TestContext, what: &str, codes: &[&str]) {
    let expected: BTreeSet<String> = codes.iter().map(ToString::to_string).collect();
    assert_eq!(found(context), expected, "{what}");
    assert_eq!(found(context), expected, "{what}: looking mends nothing");
}

/// As [`shows`]; a repair mends all of it, and an image still runs.
#[track_caller]
fn heals(context: &TestContext, what: &str, codes: &[&str]) {
    shows(context, what, codes);
    let repair =
        context.isopod(["system", "fsck", "--repair", "--format", "{{.Code}} {{.Mended}}"]);
    repair.succeeds();
    for code in codes {
        repair.mentions(&format!("{code} true"));
    }
    context.is_sound();
    works(context);
}

#[track_caller]
fn works(context: &TestContext) {
    context.isopod(["run", "--rm", "--network", "none", "busybox", "true"]).succeeds();
    context.isopod(["images"]).succeeds().mentions("busybox");
    context.isopod(["ps", "-a"]).succeeds();
}

fn root(context: &TestContext, name: &str) -> PathBuf {
    context.path("root").join(name)
}

/// A folder as ours are.
fn make(path: &Path) {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path).unwrap();
}

fn age(path: &Path) {
    let file = File::open(path).unwrap();
    file.set_modified(SystemTime::now() - LONG_AGO).unwrap();
}

/// Changes rows behind everybody's back.
fn sql(context: &TestContext, statement: &str) {
    let changed = Connection::open(root(context, "state.db")).unwrap().execute(statement, []);
    assert!(changed.unwrap() > 0, "{statement}: nothing was changed");
}

fn only_entry(folder: &Path) -> PathBuf {
    let mut entries = fs::read_dir(folder).unwrap();
    let path = entries.next().unwrap().unwrap().path();
    assert!(entries.next().is_none(), "{} has more than one entry", folder.display());
    path
}

/// Config, manifest and layer of busybox, by size.
fn blobs(context: &TestContext) -> Vec<PathBuf> {
    let folder = root(context, "content/blobs/sha256");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort_by_key(|path| path.metadata().unwrap().len());
    paths
}

fn kept(context: &TestContext, kind: &str) -> usize {
    fs::read_dir(root(context, "damaged").join(kind)).map_or(0, Iterator::count)
}

#[test]
fn an_instance_that_was_used_is_sound_and_so_is_none_at_all() {
    let context = TestContext::without_registries();
    context.is_sound();
    assert_eq!(fs::read_dir(context.path("root")).unwrap().count(), 0, "looking makes nothing");
    let context = TestContext::with(["busybox", "redis:alpine"]);
    context.is_sound();
    context
        .isopod([
            "run",
            "-d",
            "--name",
            "a",
            "--network",
            "none",
            "-v",
            "vol:/v",
            "busybox",
            "sleep",
            "1000",
        ])
        .succeeds();
    context.is_sound();
    context.isopod(["create", "--network", "none", "redis:alpine"]).succeeds();
    context.isopod(["stop", "-t", "0", "a"]).succeeds();
    context.is_sound();
    context.isopod(["system", "fsck", "--thorough"]).succeeds().prints_nothing();
    context.isopod(["system", "fsck", "--repair"]).succeeds().prints_nothing();
    let all: Value = context.isopod(["system", "fsck", "--format", "json"]).json();
    assert_eq!(all["Clean"], true);
}

#[test]
fn the_image_layout() {
    let context = TestContext::with(["busybox"]);
    let at = |name: &str| root(&context, "content").join(name);
    for text in ["", "{}", r#"{"imageLayoutVersion":"9"}"#] {
        fs::write(at("oci-layout"), text).unwrap();
        heals(&context, "a marker that says something else", &["content-marker"]);
    }
    fs::remove_file(at("index.json")).unwrap();
    heals(&context, "no index", &["content-index"]);
    fs::write(at("index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
    heals(&context, "an index without the image", &["content-index"]);

    fs::write(at("blobs/sha256/notes.txt"), "mine").unwrap();
    fs::create_dir(at("blobs/sha512/folder")).unwrap();
    heals(&context, "what is no blob", &["blob-foreign"]);
    assert_eq!(kept(&context, "blobs"), 2, "nothing of it is lost");
    fs::write(at(&format!("blobs/sha256/.{}.{NOBODY}.tmp", "a".repeat(64))), "").unwrap();
    heals(&context, "what a dead writer left", &["content-leftover"]);

    fs::write(at("ingest/notes.txt"), "mine").unwrap();
    heals(&context, "what was never on its way in", &["file-foreign"]);
    let partial = at(&format!("ingest/sha256-{}", "b".repeat(64)));
    fs::write(&partial, "half").unwrap();
    context.is_sound();
    age(&partial);
    heals(&context, "a part that nobody wants any more", &["content-leftover"]);
    fs::write(at(&format!("ingest/sha256-{}.lock", "b".repeat(64))), "").unwrap();
    heals(&context, "a lock under which nothing comes in", &["content-leftover"]);
}

#[test]
fn blobs_and_what_refers_to_them() {
    let context = TestContext::with(["busybox"]);
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 4] = [
        ("other bytes", flip_a_byte),
        ("truncated", |path| {
            let length = path.metadata().unwrap().len();
            File::options().write(true).open(path).unwrap().set_len(length / 2).unwrap();
        }),
        ("empty", |path| drop(File::create(path).unwrap())),
        ("gone", |path| fs::remove_file(path).unwrap()),
    ];
    for (what, damage) in damages {
        for nth in 0..3 {
            let path = blobs(&context)[nth].clone();
            damage(&path);
            let is_layer = path.metadata().map_or(nth == 2, |_| nth == 2);
            let expected: &[&str] = match (what, is_layer) {
                ("gone", _) => &["image-incomplete"],
                ("other bytes", true) => &["blob-damaged"],
                (_, true) => &["blob-damaged", "image-incomplete"],
                (_, false) => &["blob-damaged", "image-damaged"],
            };
            shows(&context, &format!("{what}: blob {nth}"), expected);
            // What is lost comes from where it came from, and that a person has to say.
            let repair = context.isopod(["system", "fsck", "--repair"]);
            repair.fails_with(1).mentions("isopod pull docker.io/library/busybox:latest");
            assert_eq!(found(&context), BTreeSet::from(["image-incomplete".to_owned()]));
            context.pull("busybox").is_sound();
            works(&context);
        }
    }
    assert_eq!(kept(&context, "blobs"), 9, "damaged bytes are kept for whoever wants to look");
}

#[test]
fn folders_and_small_things() {
    let context = TestContext::with(["busybox"]);
    works(&context);
    for name in ["root/content", "root/layers", "root/volumes", "root/bin", "state/containers"] {
        let path = context.path(name);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        heals(&context, name, &["mode-open"]);
        assert_eq!(path.metadata().map_or(0o700, |m| m.permissions().mode() & 0o777), 0o700);
    }
    fs::set_permissions(context.path("root"), Permissions::from_mode(0o777)).unwrap();
    heals(&context, "a root that others may write", &["mode-open"]);
    for name in ["snapshots", "content/blobs/sha512", "content/ingest"] {
        fs::remove_dir(root(&context, name)).unwrap();
        heals(&context, name, &["folder-missing"]);
    }
    File::create(root(&context, "reserve")).unwrap();
    heals(&context, "a reserve that keeps nothing", &["reserve-hollow"]);
    let program = only_entry(&root(&context, "bin")).join("isopod-monitor");
    fs::set_permissions(&program, Permissions::from_mode(0o700)).unwrap();
    flip_a_byte(&program);
    fs::set_permissions(&program, Permissions::from_mode(0o500)).unwrap();
    heals(&context, "a monitor of other bytes", &["program-damaged"]);
    fs::write(root(&context, "bin/notes.txt"), "mine").unwrap();
    heals(&context, "no monitor", &["file-foreign"]);
    fs::create_dir_all(root(&context, "leases")).unwrap();
    fs::write(root(&context, "leases/0123456789abcdef"), "[").unwrap();
    heals(&context, "the lease of a process that was killed", &["lease-dead"]);
    // One that is held and can't be read: only its holder can help.
    let lease = root(&context, "leases/fedcba9876543210");
    fs::write(&lease, "[").unwrap();
    let held = File::open(&lease).unwrap();
    held.lock().unwrap();
    shows(&context, "a lease of a living process", &["lease-damaged"]);
    drop(held);
    heals(&context, "the same when that has ended", &["lease-dead"]);
    // What somebody put among ours stays where it is: only they know what it is.
    for name in ["root/notes.txt", "root/content/notes", "root/events/more", "state/notes.sock"] {
        let path = context.path(name);
        fs::write(&path, "mine").unwrap();
        shows(&context, name, &["entry-unknown"]);
        let repair = context.isopod(["system", "fsck", "--repair"]);
        repair.fails_with(1).mentions(&path.display().to_string()).mentions("move it away");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        fs::remove_file(&path).unwrap();
    }
    // A disk of its own has this.
    make(&root(&context, "lost+found"));
    context.is_sound();
    let probe = root(&context, ".doctor-0123456789abcdef");
    make(&probe.join("upper"));
    context.is_sound();
    age(&probe);
    heals(&context, "what a doctor left that was killed", &["content-leftover"]);
    let journal = root(&context, "events/journal");
    let mut text = fs::read_to_string(&journal).unwrap();
    let lines = text.lines().count();
    text.insert_str(0, "{\"time\":\n");
    fs::write(&journal, text).unwrap();
    heals(&context, "a journal with half a line", &["journal-damaged"]);
    assert!(fs::read_to_string(&journal).unwrap().lines().count() >= lines);
}

#[test]
fn layers() {
    let context = TestContext::with(["busybox"]);
    context.isopod(["create", "--name", "c", "--network", "none", "busybox", "true"]).succeeds();
    let layer = only_entry(&root(&context, "layers"));
    let needed = &["layer-damaged"];
    fs::remove_file(layer.join("layer.json")).unwrap();
    heals(&context, "no description", needed);
    fs::write(layer.join("layer.json"), "{").unwrap();
    heals(&context, "a description that can't be read", needed);
    fs::rename(&layer, layer.with_file_name("0123456789abcdef01234567")).unwrap();
    heals(&context, "another's name", &["layer-damaged", "container-layer-missing"]);
    fs::remove_dir_all(layer.join("fs")).unwrap();
    heals(&context, "no files", &["layer-damaged", "container-layer-missing"]);
    fs::remove_dir_all(&layer).unwrap();
    heals(&context, "a layer that is gone", &["container-layer-missing"]);

    let path = layer.join("layer.json");
    let mut description: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    description["boot_id"] = "another".into();
    fs::write(&path, description.to_string()).unwrap();
    fs::remove_file(layer.join("settled")).ok();
    heals(&context, "of another boot, and not synced", &["layer-unsettled"]);

    fs::write(root(&context, "layers/notes.txt"), "mine").unwrap();
    heals(&context, "what is no layer", &["layer-foreign"]);
    let staging = root(&context, "layers/.staging-0123456789abcdef");
    make(&staging);
    context.is_sound();
    age(&staging);
    heals(&context, "half unpacked, long ago", &["layer-leftover"]);

    // Its blob is gone too: a pull brings it, and then it can be mended.
    fs::remove_dir_all(&layer).unwrap();
    fs::remove_file(&blobs(&context)[2]).unwrap();
    shows(&context, "layer and blob", &["container-layer-missing", "image-incomplete"]);
    context.isopod(["system", "fsck", "--repair"]).fails_with(1).mentions("isopod pull");
    context.pull("busybox").isopod(["system", "fsck", "--repair"]).succeeds();
    context.is_sound().isopod(["start", "c"]).succeeds();
}

#[test]
fn files_of_a_layer_that_were_changed_are_found_by_a_thorough_look() {
    let context = TestContext::with(["busybox"]);
    let file = only_entry(&root(&context, "layers")).join("fs/etc/passwd");
    let before = fs::read(&file).unwrap();
    context
        .isopod(["run", "-d", "--name", "c", "--network", "none", "busybox", "sleep", "1000"])
        .succeeds();
    flip_a_byte(&file);
    context.is_sound();
    let thorough = ["system", "fsck", "--thorough", "--format", "{{.Code}} {{.Detail}}"];
    context.isopod(thorough).fails_with(1).mentions("layer-changed /etc/passwd");
    let repair = ["system", "fsck", "--thorough", "--repair"];
    // A container that runs has it mounted.
    context.isopod(repair).fails_with(1).mentions("stop container c");
    context.isopod(["stop", "-t", "0", "c"]).succeeds();
    context.isopod(repair).succeeds().mentions("layer-changed");
    context.isopod(thorough).succeeds().prints_nothing();
    assert_eq!(fs::read(&file).unwrap(), before);
    context.isopod(["start", "c"]).succeeds();
}

#[test]
fn containers_and_their_rows() {
    let context = TestContext::with(["busybox"]);
    let create = ["create", "--name", "c", "--network", "none", "-v", "vol:/v", "busybox", "true"];
    let id = context.isopod(create).line().to_owned();
    let data = root(&context, "containers/default").join(&id);
    let starts = || {
        context.isopod(["start", "-a", "c"]).succeeds().prints_nothing();
    };
    starts();

    fs::remove_dir_all(&data).unwrap();
    heals(&context, "no folder", &["container-folder-missing"]);
    starts();
    fs::write(data.join("status.json"), "{").unwrap();
    heals(&context, "a status that can't be read", &["status-damaged"]);
    starts();
    let snapshot = only_entry(&root(&context, "snapshots"));
    fs::remove_dir_all(&snapshot).unwrap();
    heals(&context, "no writable folder", &["snapshot-folder-missing"]);
    starts();
    sql(&context, "DELETE FROM snapshots");
    heals(&context, "no row of it", &["container-snapshot-missing", "snapshot-leftover"]);
    starts();
    make(&root(&context, "snapshots/4711"));
    heals(&context, "a folder without a row", &["snapshot-leftover"]);
    make(&root(&context, "snapshots/notes"));
    heals(&context, "what is no snapshot", &["snapshot-foreign"]);
    for top in ["root", "state"] {
        make(&context.path(top).join("containers/default/abc"));
        heals(&context, "what a killed removal left", &["container-leftover"]);
    }
    fs::write(root(&context, "containers/default/notes.txt"), "mine").unwrap();
    heals(&context, "what is no container", &["container-foreign"]);
    sql(&context, "DELETE FROM namespaces WHERE name = 'default'");
    heals(&context, "a namespace without a row", &["namespace-missing"]);
    for (table, kept_rows) in [("images", 1), ("containers", 2), ("snapshots", 3), ("volumes", 4)] {
        sql(&context, &format!("UPDATE {table} SET labels = '['"));
        heals(&context, table, &["row-damaged"]);
        assert_eq!(kept(&context, "rows"), kept_rows, "{table}");
    }
    starts();
    sql(&context, "UPDATE images SET target = 'nothing'");
    shows(&context, "a name that leads nowhere", &["row-damaged"]);
    context.isopod(["system", "fsck", "--repair"]).succeeds();
    context.pull("busybox").is_sound();
    starts();
    sql(&context, "UPDATE containers SET record = '{}'");
    shows(&context, "a record that can't be read", &["container-unreadable"]);
    context.isopod(["system", "fsck", "--repair"]).fails_with(1).mentions("isopod rm -f c");
    context.isopod(["rm", "-f", "c"]).succeeds();
    context.is_sound();
}

#[test]
fn volumes() {
    let context = TestContext::with(["busybox"]);
    context.isopod(["volume", "create", "idle"]).succeeds();
    let create =
        ["run", "--name", "c", "--network", "none", "-v", "vol:/v", "busybox", "touch", "/v/mine"];
    context.isopod(create).succeeds();
    let folder = root(&context, "volumes");
    fs::remove_dir_all(folder.join("idle")).unwrap();
    heals(&context, "no folder", &["volume-folder-missing"]);
    sql(&context, "DELETE FROM volumes WHERE name = 'vol'");
    heals(&context, "no row, and a container that has it", &["container-volume-missing"]);
    assert!(folder.join("vol/_data/mine").exists(), "what was in it stays");
    sql(&context, "DELETE FROM volume_uses");
    heals(&context, "nobody is said to use it", &["volume-use-missing"]);
    context.isopod(["volume", "rm", "vol"]).fails_with(1).complains_of("container");
    sql(&context, "INSERT INTO volume_uses VALUES ('idle', 'default', 'gone')");
    heals(&context, "who is not there is said to use it", &["volume-use-stale"]);
    context.isopod(["volume", "rm", "idle"]).succeeds();
    make(&folder.join("found"));
    fs::write(folder.join("found/file"), "mine").unwrap();
    heals(&context, "a folder without a row", &["volume-foreign"]);
    assert!(root(&context, "damaged/volumes/found/file").exists());
    make(&folder.join(".removed-0123456789abcdef"));
    heals(&context, "a removal that was killed", &["volume-leftover"]);
}

#[test]
fn a_database_is_made_of_what_is_left() {
    let context = TestContext::with(["busybox"]);
    context.isopod(["volume", "create", "vol"]).succeeds();
    context.isopod(["create", "--name", "c", "--network", "none", "busybox"]).succeeds();
    let database = root(&context, "state.db");
    fs::write(root(&context, "layout"), "x").unwrap();
    heals(&context, "a layout of no version", &["layout-damaged"]);

    // A few pages at its end: what can be read comes over, container and all.
    Connection::open(&database).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let before = fs::read(&database).unwrap();
    let mut bytes = before.clone();
    let root_page = |table: &str| -> usize {
        let page: i64 = Connection::open(&database)
            .unwrap()
            .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [table], |r| r.get(0))
            .unwrap();
        usize::try_from(page).unwrap()
    };
    let at = (root_page("networks") - 1) * 4096;
    bytes[at..at + 4096].fill(0xff);
    fs::write(&database, &bytes).unwrap();
    shows(&context, "a page of other bytes", &["database-damaged"]);
    heals(&context, "a page of other bytes", &["database-damaged"]);
    context.isopod(["ps", "-a"]).succeeds().mentions("c");
    context.isopod(["start", "c"]).succeeds();

    for (what, code, damage) in [
        ("gone", "database-missing", (|path| fs::remove_file(path).unwrap()) as fn(&Path)),
        ("empty", "database-damaged", |path| fs::write(path, "").unwrap()),
        ("foreign", "database-damaged", |path| fs::write(path, [b'x'; 8192]).unwrap()),
    ] {
        for log in ["state.db-wal", "state.db-shm"] {
            fs::remove_file(root(&context, log)).ok();
        }
        damage(&database);
        context.isopod(["images"]).fails_with(1).complains_of("system fsck --repair");
        heals(&context, what, &[code]);
        context.isopod(["volume", "ls", "-q"]).prints("vol\n");
        context.isopod(["network", "ls"]).succeeds();
    }
    // What only the database knew is lost; what the container wrote is kept.
    context.isopod(["ps", "-aq"]).prints_nothing();
    assert!(kept(&context, "containers") > 0 && kept(&context, "snapshots") > 0);
}

#[test]
fn a_database_that_is_gone_is_not_made_anew_under_a_container_that_runs() {
    let context = TestContext::with(["busybox"]);
    let run = ["run", "-d", "--name", "c", "--network", "none", "busybox", "sleep", "1000"];
    context.isopod(run).succeeds();
    let (database, aside) = (root(&context, "state.db"), context.path("aside"));
    Connection::open(&database).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    fs::rename(&database, &aside).unwrap();
    let repair = context.isopod(["system", "fsck", "--repair"]);
    repair.fails_with(1).mentions("database-missing").mentions("end its processes first");
    assert!(!database.exists());
    fs::rename(&aside, &database).unwrap();
    context.is_sound().isopod(["exec", "c", "true"]).succeeds();
    // Without its row nobody could end it by its name.
    let rows = "UPDATE containers SET id = 'another'";
    sql(&context, rows);
    assert!(found(&context).contains("monitor-unknown"));
    let id = only_entry(&context.path("state/containers/default"));
    let id = id.file_name().unwrap().to_string_lossy().into_owned();
    sql(&context, &format!("UPDATE containers SET id = '{id}'"));
    context.is_sound();
}

#[test]
fn what_dead_monitors_leave() {
    let context = TestContext::with(["busybox"]);
    context.isopod(["run", "--name", "c", "--network", "none", "busybox", "true"]).succeeds();
    let id = context.isopod(["inspect", "-f", "{{.Id}}", "c"]).line().to_owned();
    let path = root(&context, "containers/default").join(&id).join("status.json");
    let change = |field: &str, value: Value| {
        let mut status: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        *status.pointer_mut(field).unwrap() = value;
        fs::write(&path, status.to_string()).unwrap();
    };
    until("the monitor is gone", || {
        context.isopod(["ps", "-q"]).stdout.is_empty()
            && context.isopod(["system", "fsck"]).code == 0
    });
    change("/phase", "running".into());
    heals(&context, "said to run", &["monitor-dead"]);
    context.isopod(["ps", "-a"]).succeeds().mentions("Exited (255)");

    let group = format!("{}/default/{id}", context.cgroup());
    let pids = Path::new("/sys/fs/cgroup/pids");
    let top = if pids.exists() { pids } else { Path::new("/sys/fs/cgroup") };
    for name in [group.clone(), format!("{}/default/unknown", context.cgroup())] {
        fs::create_dir_all(top.join(&name)).unwrap();
        heals(&context, &name, &["cgroup-leftover"]);
        assert!(!top.join(&name).exists());
    }
    // A process of a container that has ended is nobody's.
    fs::create_dir_all(top.join(&group)).unwrap();
    let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    fs::write(top.join(&group).join("cgroup.procs"), child.id().to_string()).unwrap();
    let waiter = std::thread::spawn(move || child.wait().unwrap());
    heals(&context, "a process", &["cgroup-leftover"]);
    assert!(!waiter.join().unwrap().success());

    let socket = context.path("state/containers/default").join(&id).join("monitor.sock");
    // As a listener's end leaves it; the path is too long for an address.
    mknod(&socket, SFlag::S_IFSOCK, Mode::S_IRUSR | Mode::S_IWUSR, 0).unwrap();
    heals(&context, "a socket that nobody listens at", &["socket-stale"]);
    assert!(!socket.exists());

    let place = context.path("state/containers/default").join(&id).join("rootfs");
    fs::create_dir_all(&place).unwrap();
    mount(Some("none"), &place, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
    heals(&context, "a mount", &["mount-leftover"]);

    sql(&context, "UPDATE containers SET record = json_set(record, '$.auto_remove', json('true'))");
    change("/exit/at", 1_000_000_000.into());
    heals(&context, "to be removed", &["container-ended"]);
    assert!(context.containers().is_empty());
}

#[test]
fn networks() {
    let context = TestContext::networked(["busybox"]);
    let host = context.host();
    context.isopod(["network", "create", "n"]).succeeds();
    let run =
        ["run", "-d", "--name", "c", "--network", "n", "-p", "8080:80", "busybox", "sleep", "1000"];
    context.isopod(run).succeeds();
    context.is_sound();
    let id = context.isopod(["network", "inspect", "-f", "{{.Id}}", "n"]).line().to_owned();
    let table = host.rules();
    let table = table.lines().find_map(|line| line.strip_prefix("table inet ")).unwrap();
    let table = table.trim_end_matches(" {").to_owned();

    host.run("nft", ["delete", "table", "inet", &table]).succeeds();
    heals(&context, "rules that were flushed", &["rules-missing"]);
    let names = context.path("state/networks").join(&id).join("names");
    fs::write(&names, "").unwrap();
    heals(&context, "names that nobody answers", &["network-names"]);
    let extra = context.path("state/networks/abc");
    make(&extra);
    heals(&context, "the folder of a network that is gone", &["network-leftover"]);

    let devices: Value = host.run("ip", ["-j", "link", "show", "type", "bridge"]).succeeds().json();
    let bridge = devices[0]["ifname"].as_str().unwrap().to_owned();
    let alias = devices[0]["ifalias"].as_str().unwrap().to_owned();
    host.run("ip", ["link", "add", "br-stray", "type", "bridge"]).succeeds();
    host.run("ip", ["link", "set", "br-stray", "alias", &alias]).succeeds();
    let pair = ["link", "add", "veth0123456789a", "type", "veth", "peer", "name", "other"];
    host.run("ip", pair).succeeds();
    host.run("ip", ["link", "set", "veth0123456789a", "master", &bridge]).succeeds();
    // Of a macvlan network on a VLAN, and of an internal one: a pair does where there are no dummies.
    let pair =
        ["link", "add", "dm-0123456789ab", "type", "veth", "peer", "name", "dn-0123456789ab"];
    host.run("ip", pair).succeeds();
    host.run("ip", ["link", "set", "dm-0123456789ab", "alias", &alias]).succeeds();
    heals(&context, "devices that nothing stands for", &["device-leftover"]);
    let left: Value = host.run("ip", ["-j", "link"]).succeeds().json();
    let left: Vec<&str> =
        left.as_array().unwrap().iter().map(|link| link["ifname"].as_str().unwrap()).collect();
    for name in ["br-stray", "veth0123456789a", "dm-0123456789ab", "dn-0123456789ab"] {
        assert!(!left.contains(&name), "{left:?}");
    }
    host.run("ip", ["link", "del", "other"]);

    let element = format!("{{ \"{}\" }}", "br-gone");
    host.run("nft", ["add", "element", "inet", &table, "bridges", &element]).succeeds();
    heals(&context, "rules of a bridge that is gone", &["rules-leftover"]);

    // What lives keeps its devices, whatever became of the rows that say so.
    let rows = Connection::open(root(&context, "state.db")).unwrap();
    for (table, code) in [("networks", "network-unreadable"), ("endpoints", "endpoint-unreadable")]
    {
        rows.execute_batch(&format!("CREATE TEMP TABLE was AS SELECT * FROM {table}")).unwrap();
        rows.execute_batch(&format!("UPDATE {table} SET record = '{{}}'")).unwrap();
        let repair = context.isopod(["system", "fsck", "--repair", "--format", "{{.Code}}"]);
        repair.fails_with(1).mentions(code).never_mentions("device-leftover");
        let back =
            format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM was; DROP TABLE was");
        rows.execute_batch(&back).unwrap();
        context.is_sound();
    }
    drop(rows);

    // As of a container that has ended, but nobody is about to see to this one.
    let idle = context.isopod(["create", "--network", "n", "busybox"]).line().to_owned();
    let connection = Connection::open(root(&context, "state.db")).unwrap();
    connection.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM endpoints").unwrap();
    connection.execute("UPDATE kept SET container = ?1, ip = NULL", [&idle]).unwrap();
    connection
        .execute("UPDATE kept SET record = json_set(record, '$.ports', json('[]'))", [])
        .unwrap();
    connection.execute_batch("INSERT INTO endpoints SELECT * FROM kept").unwrap();
    heals(&context, "an endpoint of what does not run", &["endpoint-stale"]);
    connection.execute_batch("UPDATE kept SET record = '{}'").unwrap();
    connection.execute_batch("INSERT INTO endpoints SELECT * FROM kept").unwrap();
    heals(&context, "an endpoint that can't be read", &["endpoint-unreadable"]);

    context.isopod(["rm", &idle]).succeeds();
    host.run("ip", ["link", "del", &bridge]).succeeds();
    assert!(found(&context).contains("device-missing"));
    context.isopod(["system", "fsck", "--repair"]).succeeds().mentions("restart these containers");
    context.isopod(["restart", "-t", "0", "c"]).succeeds();
    context.is_sound();
    context.isopod(["stop", "-t", "0", "c"]).succeeds();

    until("the endpoint is given back", || {
        connection.query_row("SELECT count(*) FROM endpoints", [], |r| r.get::<_, i64>(0)) == Ok(0)
    });
    connection.execute("UPDATE networks SET record = '{}' WHERE name = 'n'", []).unwrap();
    drop(connection);
    assert!(found(&context).contains("network-unreadable"));
    let repair = context.isopod(["system", "fsck", "--repair"]);
    repair.fails_with(1).mentions("isopod network create n");
    assert_eq!(found(&context), BTreeSet::from(["container-network-missing".to_owned()]));
    context.isopod(["network", "create", "n"]).succeeds();
    context.is_sound();
    context.isopod(["start", "c"]).succeeds();
    context.is_sound();
}

#[test]
fn a_disconnection_that_was_killed_is_finished() {
    let context = TestContext::networked(["busybox"]);
    context.isopod(["network", "create", "nn"]).succeeds();
    context.isopod(["run", "-d", "--name", "cc", "busybox", "sleep", "1000"]).succeeds();
    context.isopod(["network", "connect", "nn", "cc"]).succeeds();
    context.command(["network", "disconnect", "nn", "cc"]).env("ISOPOD_STEP", "unplug.said").run();
    heals(&context, "a network that a container is leaving", &["container-leaving"]);
}

#[test]
fn repairs_and_commands_side_by_side_hurt_nothing() {
    let context = TestContext::with(["busybox"]);
    let run = |name: &str| {
        context
            .command(["run", "--rm", "--network", "none", "--name", name, "busybox", "true"])
            .start()
    };
    fs::write(root(&context, "content/index.json"), "{").unwrap();
    let repairs: Vec<_> =
        (0..3).map(|_| context.command(["system", "fsck", "--repair"]).start()).collect();
    for round in 0..10 {
        let running: Vec<_> = (0..3).map(|nth| run(&format!("r{round}-{nth}"))).collect();
        for one in running {
            one.outcome().succeeds();
        }
        context.isopod(["system", "fsck"]);
    }
    for repair in repairs {
        repair.outcome().succeeds();
    }
    context.is_sound();
}

#[test]
fn every_code_of_the_page_is_planted_here() {
    let page = fs::read_to_string(isopod_tests::binary::workspace().join("docs/fsck.md")).unwrap();
    let codes = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let here = include_str!("fsck.rs");
    let missing: Vec<&str> = codes.filter(|code| !here.contains(&format!("\"{code}\""))).collect();
    assert!(missing.is_empty(), "no test plants {missing:?}");
}
