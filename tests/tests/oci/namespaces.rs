//! config-linux.md, "Namespaces", "User namespace mappings"; config.md, "Hostname"; config-linux.md, "Sysctl".

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::facts::Facts;
use crate::runtime::Runtime;

const KINDS: [&str; 6] = ["ipc", "mnt", "net", "pid", "user", "uts"];
const SHOW: &str = "for n in ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done";

/// The namespaces of a process, `kind:[number]` each.
fn of(process: impl std::fmt::Display) -> Vec<String> {
    let link = |kind| fs::read_link(format!("/proc/{process}/ns/{kind}")).unwrap();
    KINDS.iter().map(|kind| link(kind).to_string_lossy().into_owned()).collect()
}

/// The kinds that two processes share.
fn shared(one: &[String], other: &str) -> String {
    let other: Vec<&str> = other.lines().collect();
    let same = KINDS.iter().filter(|kind| {
        one.iter().any(|link| link.starts_with(&format!("{kind}:")) && other.contains(&&**link))
    });
    same.copied().collect::<Vec<_>>().join(" ")
}

fn namespaces(bundle: &mut Bundle) -> &mut Vec<Value> {
    bundle.spec["linux"]["namespaces"].as_array_mut().unwrap()
}

pub fn own(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, &format!("{SHOW}; echo pid $$; ls /proc | grep -c '^[0-9]'"));
    let printed = bundle.output();
    facts.is("shared with the host", shared(&of("self"), &printed), "user");
    facts.holds("first of its processes", printed.contains("\npid 1\n"));
}

pub fn joined_network(runtime: Runtime, facts: &mut Facts) {
    joined(runtime, facts, "network", "net");
}

pub fn joined_pid(runtime: Runtime, facts: &mut Facts) {
    joined(runtime, facts, "pid", "pid");
}

fn joined(runtime: Runtime, facts: &mut Facts, kind: &str, name: &str) {
    let first = Bundle::new(runtime, "sleep 1000");
    assert!(first.create(&[]) && first.does("start", &[]));
    let theirs = of(first.pid());
    let mut second = Bundle::new(runtime, SHOW);
    let path = format!("/proc/{}/ns/{name}", first.pid());
    namespaces(&mut second).retain(|one| one["type"] != kind);
    namespaces(&mut second).push(json!({"type": kind, "path": path}));
    let printed = second.output();
    facts.is("shared with the other", shared(&theirs, &printed), format!("{name} user").trim());
}

pub fn the_hosts(runtime: Runtime, facts: &mut Facts) {
    let mut bundle = Bundle::new(runtime, SHOW);
    namespaces(&mut bundle).retain(|one| one["type"] == "mount");
    bundle.spec.as_object_mut().unwrap().remove("hostname");
    let printed = bundle.output();
    facts.is("shared with the host", shared(&of("self"), &printed), "ipc net pid user uts");
}

fn mapped(runtime: Runtime, script: &str) -> Bundle {
    let mut bundle = Bundle::new(runtime, script);
    // Whoever root is in there, it is a stranger to folders of ours.
    fs::set_permissions(bundle.path("."), Permissions::from_mode(0o755)).unwrap();
    namespaces(&mut bundle).push(json!({"type": "user"}));
    let mapping = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
    bundle.spec["linux"]["uidMappings"] = mapping.clone();
    bundle.spec["linux"]["gidMappings"] = mapping;
    bundle
}

pub fn users_are_mapped(runtime: Runtime, facts: &mut Facts) {
    let script = "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; id -u; stat -c %u /bin/busybox; echo x > /tmp/mine; stat -c %u:%g /tmp/mine";
    let bundle = mapped(runtime, script);
    fs::set_permissions(bundle.inside("tmp"), Permissions::from_mode(0o1777)).unwrap();
    let printed = bundle.output();
    let mut lines = printed.lines().map(str::trim);
    let mut next = || lines.next().unwrap_or("nothing").to_owned();
    facts.is("uid_map", next(), "0 100000 65536");
    facts.is("gid_map", next(), "0 100000 65536");
    facts.is("user", next(), 0);
    facts.is("the host's root", next(), 65_534);
    facts.is("owner of what it makes", next(), "0:0");
    use std::os::unix::fs::MetadataExt;
    let owner = fs::metadata(bundle.inside("tmp/mine")).map(|meta| meta.uid());
    facts.is("owner outside", owner.unwrap_or_default(), 100_000);
}

/// A folder `volume` with a file of root's, and what the container says of both.
fn with_volume(bundle: &mut Bundle, options: &[&str], maps: &Value) {
    fs::create_dir(bundle.path("volume")).unwrap();
    fs::write(bundle.path("volume/file"), "x").unwrap();
    chown(bundle.path("volume/file"), Some(7), Some(8)).unwrap();
    let mut mount = json!({
        "destination": "/data", "type": "bind", "source": bundle.path("volume"), "options": options,
    });
    if !maps.is_null() {
        mount["uidMappings"] = maps.clone();
        mount["gidMappings"] = maps.clone();
    }
    bundle.spec["mounts"].as_array_mut().unwrap().push(mount);
}

const OWNERS: &str =
    "stat -c %u:%g /data/file; echo x > /data/new && stat -c %u:%g /data/new; exit 0";

/// The owner of a file outside, or that it is not there.
fn owner(bundle: &Bundle, name: &str) -> String {
    use std::os::unix::fs::MetadataExt;
    match fs::metadata(bundle.path(name)) {
        Ok(about) => format!("{}:{}", about.uid(), about.gid()),
        Err(error) => error.kind().to_string(),
    }
}

/// config.md, "Mounts": `uidMappings`, `gidMappings` (since 1.1).
pub fn users_and_their_mounts(runtime: Runtime, facts: &mut Facts) {
    let mut bundle = mapped(runtime, OWNERS);
    let maps = json!([{"containerID": 0, "hostID": 100_000, "size": 65_536}]);
    with_volume(&mut bundle, &["bind"], &maps);
    // What the container's root may not pass is no matter: the runtime looks sources up.
    fs::create_dir(bundle.path("closed")).unwrap();
    fs::set_permissions(bundle.path("closed"), Permissions::from_mode(0o700)).unwrap();
    fs::rename(bundle.path("volume"), bundle.path("closed/volume")).unwrap();
    let source = bundle.path("closed/volume");
    bundle.spec["mounts"].as_array_mut().unwrap().last_mut().unwrap()["source"] = json!(source);
    let printed = bundle.output();
    facts.is("owners inside", printed.replace('\n', " "), "7:8 0:0");
    facts.is("owner of what it makes outside", owner(&bundle, "closed/volume/new"), "0:0");
}

/// `idmap` without maps: those of the container (config.md, since 1.2).
pub fn mounts_mapped_by_a_word(runtime: Runtime, facts: &mut Facts) {
    let mut bundle = mapped(runtime, OWNERS);
    with_volume(&mut bundle, &["bind", "idmap"], &Value::Null);
    facts.is("owners inside", bundle.output().replace('\n', " "), "7:8 0:0");
    facts.is("owner of what it makes outside", owner(&bundle, "volume/new"), "0:0");
    let mut without = Bundle::new(runtime, OWNERS);
    with_volume(&mut without, &["bind", "idmap"], &Value::Null);
    facts.holds("refused where nobody says which", !without.run().status.success());
}

/// Maps of a mount alone, in a container whose users are the host's.
pub fn mounts_mapped_for_the_hosts_users(runtime: Runtime, facts: &mut Facts) {
    let mut bundle = Bundle::new(runtime, OWNERS);
    let maps = json!([
        {"containerID": 0, "hostID": 0, "size": 1}, {"containerID": 7, "hostID": 1007, "size": 2},
    ]);
    with_volume(&mut bundle, &["bind"], &maps);
    facts.is("owners inside", bundle.output().replace('\n', " "), "1007:1008 0:0");
    facts.is("owner of what it makes outside", owner(&bundle, "volume/new"), "0:0");
    let mut half = Bundle::new(runtime, OWNERS);
    with_volume(&mut half, &["bind"], &maps);
    half.spec["mounts"].as_array_mut().unwrap().last_mut().unwrap()["gidMappings"] = Value::Null;
    facts.holds("users without groups are refused", !half.run().status.success());
    let mut twice = Bundle::new(runtime, OWNERS);
    let overlapping = json!([
        {"containerID": 0, "hostID": 0, "size": 9}, {"containerID": 7, "hostID": 1007, "size": 2},
    ]);
    with_volume(&mut twice, &["bind"], &overlapping);
    facts.holds("maps that overlap are refused", !twice.run().status.success());
}

/// `ridmap`: what is mounted below has mapped ids too; with `idmap` it has not.
pub fn mounts_mapped_recursively(runtime: Runtime, facts: &mut Facts) {
    // This thread's, and what it starts.
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
    let private = nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE;
    nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
    for (word, expected) in [("ridmap", "7:8 9:9"), ("idmap", "7:8 65534:65534")] {
        let mut bundle = mapped(runtime, "stat -c %u:%g /data/file /data/below/file; exit 0");
        with_volume(&mut bundle, &["rbind", word], &Value::Null);
        for place in ["volume/below", "other"] {
            fs::create_dir(bundle.path(place)).unwrap();
        }
        fs::write(bundle.path("other/file"), "x").unwrap();
        chown(bundle.path("other/file"), Some(9), Some(9)).unwrap();
        let bind = nix::mount::MsFlags::MS_BIND;
        let (from, to) = (bundle.path("other"), bundle.path("volume/below"));
        nix::mount::mount(Some(&from), &to, None::<&str>, bind, None::<&str>).unwrap();
        facts.is(word, bundle.output().replace('\n', " "), expected);
        nix::mount::umount(&to).unwrap();
    }
}

/// What can't be mapped is refused, and not shown as it is.
pub fn mounts_that_cannot_be_mapped(runtime: Runtime, facts: &mut Facts) {
    for (name, kind, source, options) in [
        ("another kind", "tmpfs", "tmpfs", json!(["idmap"])),
        ("a file system without owners of its own", "bind", "/proc/sys", json!(["bind", "idmap"])),
    ] {
        let mut bundle = mapped(runtime, "true");
        let mount =
            json!({"destination": "/data", "type": kind, "source": source, "options": options});
        bundle.spec["mounts"].as_array_mut().unwrap().push(mount);
        facts.holds(name, !bundle.run().status.success());
    }
}

pub fn hostname_and_domainname(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "hostname; cat /proc/sys/kernel/domainname")
        .with(|spec| spec["domainname"] = "example.org".into());
    let printed = bundle.output();
    facts.is("hostname", printed.lines().next().unwrap_or_default(), "bundle");
    facts.is("domainname", printed.lines().nth(1).unwrap_or_default(), "example.org");
}

pub fn sysctls(runtime: Runtime, facts: &mut Facts) {
    let set = json!({"net.ipv4.ip_forward": "1", "kernel.shm_rmid_forced": "1", "fs.mqueue.msg_max": "7"});
    let bundle = Bundle::new(
        runtime,
        "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced /proc/sys/fs/mqueue/msg_max",
    );
    let printed = bundle.with(|spec| spec["linux"]["sysctl"] = set).output();
    facts.is("values", printed.replace('\n', " "), "1 1 7");
    let not_its_own = Bundle::new(runtime, "true")
        .with(|spec| spec["linux"]["sysctl"] = json!({"kernel.printk_ratelimit": "5"}));
    facts.holds("one of the host is refused", !not_its_own.run().status.success());
    let malformed = Bundle::new(runtime, "true")
        .with(|spec| spec["linux"]["sysctl"] = json!({"net/../kernel/core_pattern": "x"}));
    facts.holds("one that leads elsewhere is refused", !malformed.run().status.success());
}
