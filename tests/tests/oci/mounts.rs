//! config.md, "Mounts" and "Root"; config-linux.md, "Rootfs Mount Propagation".

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::bundle::Bundle;
use crate::facts::Facts;
use crate::runtime::Runtime;

/// A bundle with further mounts: destination, type, source, options.
fn mounting(runtime: Runtime, script: &str, mounts: &[(&str, &str, &str, &[&str])]) -> Bundle {
    let mut bundle = Bundle::new(runtime, script);
    for (destination, kind, source, options) in mounts {
        let source = match source.strip_prefix("./") {
            Some(beside) => bundle.path(beside).to_str().unwrap().to_owned(),
            None => (*source).to_owned(),
        };
        let mount =
            json!({"destination": destination, "type": kind, "source": source, "options": options});
        bundle.spec["mounts"].as_array_mut().unwrap().push(mount);
    }
    fs::create_dir(bundle.path("volume")).unwrap();
    fs::write(bundle.path("volume/file"), "content").unwrap();
    bundle
}

/// Options of a mount point as mountinfo has them, sorted.
fn options_of(mountinfo: &str, place: &str) -> String {
    let line = mountinfo.lines().rfind(|line| line.split(' ').nth(4) == Some(place));
    let mut options: Vec<_> =
        line.and_then(|line| line.split(' ').nth(5)).unwrap_or("not mounted").split(',').collect();
    options.sort_unstable();
    options.join(",")
}

/// The propagation of a mount point, without the numbers of groups.
fn propagation_of(mountinfo: &str, place: &str) -> String {
    let line = mountinfo.lines().rfind(|line| line.split(' ').nth(4) == Some(place));
    let Some(line) = line else { return "not mounted".to_owned() };
    let fields = line.split(' ').skip(6).take_while(|field| *field != "-");
    fields.map(|field| field.split(':').next().unwrap_or(field)).collect::<Vec<_>>().join(" ")
}

pub fn options(runtime: Runtime, facts: &mut Facts) {
    let mounts: [(&str, &str, &str, &[&str]); 4] = [
        ("/data/a", "tmpfs", "tmpfs", &["nosuid", "nodev", "noexec", "ro", "noatime"]),
        ("/data/b", "tmpfs", "tmpfs", &["suid", "dev", "exec", "rw", "strictatime"]),
        ("/data/c", "tmpfs", "tmpfs", &["nodiratime", "sync", "dirsync"]),
        ("/data/d", "tmpfs", "tmpfs", &["ro", "rw", "noexec", "exec"]),
    ];
    let printed = mounting(runtime, "cat /proc/self/mountinfo", &mounts).output();
    facts.is("all refused", options_of(&printed, "/data/a"), "noatime,nodev,noexec,nosuid,ro");
    facts.is("all allowed", options_of(&printed, "/data/b"), "rw");
    facts.is("of folders", options_of(&printed, "/data/c"), "nodiratime,relatime,rw");
    facts.is("the last wins", options_of(&printed, "/data/d"), "relatime,rw");
}

pub fn tmpfs(runtime: Runtime, facts: &mut Facts) {
    let script = "stat -c %a:%u /data; dd if=/dev/zero of=/data/f bs=1k count=2048 2>/dev/null; stat -c %s /data/f";
    let mounts: [(&str, &str, &str, &[&str]); 1] =
        [("/data", "tmpfs", "tmpfs", &["size=1m", "mode=0750", "uid=7"])];
    let printed = mounting(runtime, script, &mounts).output();
    facts.is("mode, owner and size", printed.replace('\n', " "), "750:7 1048576");
}

pub fn binds(runtime: Runtime, facts: &mut Facts) {
    let script = "cat /data/ro/file; echo x 2>/dev/null >/data/ro/file || echo refused; echo y >/data/rw/new; cat /data/a-file";
    let mounts: [(&str, &str, &str, &[&str]); 3] = [
        ("/data/ro", "bind", "./volume", &["bind", "ro"]),
        ("/data/rw", "bind", "./volume", &["bind"]),
        ("/data/a-file", "bind", "./volume/file", &["bind", "ro", "nosuid"]),
    ];
    let bundle = mounting(runtime, script, &mounts);
    let printed = bundle.output();
    facts.is("inside", printed.replace('\n', " "), "contentrefused content");
    let outside = fs::read_to_string(bundle.path("volume/new")).unwrap_or_default();
    facts.is("outside", outside.trim(), "y");
}

pub fn propagation(runtime: Runtime, facts: &mut Facts) {
    let mounts: [(&str, &str, &str, &[&str]); 4] = [
        ("/data/shared", "bind", "./volume", &["bind", "shared"]),
        ("/data/private", "bind", "./volume", &["bind", "private"]),
        ("/data/unbindable", "bind", "./volume", &["bind", "unbindable"]),
        ("/data/recursive", "bind", "./volume", &["rbind", "rshared", "ro"]),
    ];
    let printed = mounting(runtime, "cat /proc/self/mountinfo", &mounts).output();
    for kind in ["shared", "unbindable"] {
        facts.is(kind, propagation_of(&printed, &format!("/data/{kind}")), kind);
    }
    facts.is("private", propagation_of(&printed, "/data/private"), "");
    facts.is("recursive", propagation_of(&printed, "/data/recursive"), "shared");
    facts.is("recursive, read-only", options_of(&printed, "/data/recursive"), "relatime,ro");
}

/// `rro` (since 1.1): what is mounted below is read-only too.
pub fn recursive_read_only(runtime: Runtime, facts: &mut Facts) {
    let mounts: [(&str, &str, &str, &[&str]); 3] = [
        ("/data/one", "tmpfs", "tmpfs", &[]),
        ("/data/plain", "bind", "/dev", &["rbind", "ro"]),
        ("/data/deep", "bind", "/dev", &["rbind", "rro"]),
    ];
    let printed = mounting(runtime, "cat /proc/self/mountinfo", &mounts).output();
    let below = |place: &str| {
        let of = |line: &str| line.split(' ').nth(4).is_some_and(|at| at.starts_with(place));
        let lines = printed.lines().filter(|line| of(line));
        let ro =
            |line: &&str| line.split(' ').nth(5).is_some_and(|o| o.split(',').any(|o| o == "ro"));
        let lines: Vec<&str> = lines.collect();
        match lines.len() {
            0 => "nothing mounted".to_owned(),
            _ if lines.iter().all(ro) => "all read-only".to_owned(),
            _ => "some writable".to_owned(),
        }
    };
    facts.is("ro", options_of(&printed, "/data/plain").contains("ro"), true);
    facts.is("below rro", below("/data/deep/"), "all read-only");
}

pub fn rootfs_read_only(runtime: Runtime, facts: &mut Facts) {
    let script = "touch /x 2>/dev/null || echo refused; touch /dev/x && echo but not mounts";
    let bundle = Bundle::new(runtime, script).with(|spec| spec["root"]["readonly"] = true.into());
    facts.is("writes", bundle.output().replace('\n', ", "), "refused, but not mounts");
    let bundle = Bundle::new(runtime, "touch /x && echo written");
    facts.is("without", bundle.output(), "written");
}

pub fn rootfs_propagation(runtime: Runtime, facts: &mut Facts) {
    for (kind, expected) in [("private", ""), ("shared", "shared"), ("unbindable", "unbindable")] {
        let bundle = Bundle::new(runtime, "cat /proc/self/mountinfo")
            .with(|spec| spec["linux"]["rootfsPropagation"] = kind.into());
        facts.is(kind, propagation_of(&bundle.output(), "/"), expected);
    }
}

/// "The runtime MUST mount entries in the listed order."
pub fn order(runtime: Runtime, facts: &mut Facts) {
    let mounts: [(&str, &str, &str, &[&str]); 3] = [
        ("/data", "tmpfs", "tmpfs", &["size=1m"]),
        ("/data/below/deep", "bind", "./volume", &["bind"]),
        ("/data/below/file", "bind", "./volume/file", &["bind"]),
    ];
    let bundle = mounting(runtime, "cat /data/below/deep/file /data/below/file; ls /data", &mounts);
    fs::write(bundle.inside("data/hidden"), "").unwrap();
    facts.is("seen", bundle.output(), "contentcontentbelow");
}

/// A link in the root file system is followed inside it, or refused; never outside.
pub fn links_stay_inside(runtime: Runtime, facts: &mut Facts) {
    let mounts: [(&str, &str, &str, &[&str]); 1] =
        [("/upward/place", "tmpfs", "tmpfs", &["size=1m"])];
    let bundle = mounting(runtime, "cat /proc/self/mountinfo", &mounts);
    symlink("../../../../../../data", bundle.inside("upward")).unwrap();
    facts.is("upward", options_of(&bundle.output(), "/data/place"), "relatime,rw");
    let mounts: [(&str, &str, &str, &[&str]); 1] =
        [("/absolute/place", "tmpfs", "tmpfs", &["size=1m"])];
    let bundle = mounting(runtime, "cat /proc/self/mountinfo", &mounts);
    let outside = bundle.path("volume");
    symlink(&outside, bundle.inside("absolute")).unwrap();
    let absolute = format!("{}/place", outside.display());
    facts.is(
        "absolute, to what is not there inside",
        options_of(&bundle.output(), &absolute),
        "relatime,rw",
    );
    facts.holds("nothing is made outside", !outside.join("place").exists());
}

pub fn missing_source(runtime: Runtime, facts: &mut Facts) {
    let mounts: [(&str, &str, &str, &[&str]); 1] = [("/data", "bind", "./none", &["bind"])];
    let bundle = mounting(runtime, "true", &mounts);
    facts.holds("refused", !bundle.run().status.success());
    facts.is("left behind", bundle.status(), "gone");
    let bundle = mounting(runtime, "true", &[("/data", "nosuchfs", "none", &[])]);
    facts.holds("a type that the kernel lacks is refused", !bundle.run().status.success());
    facts.is("left behind by that", bundle.status(), "gone");
}
