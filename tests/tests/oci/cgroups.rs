//! config-linux.md, "Control groups": every limit read back from the kernel (Documentation/admin-guide/cgroup-v1).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::bundle::{Bundle, is_unified};
use crate::cgroups_v2;
use crate::facts::Facts;
use crate::runtime::Runtime;

/// Files of version 2 by their names, which version 1 has none of.
pub fn by_file(runtime: Runtime, facts: &mut Facts) {
    if is_unified() {
        return cgroups_v2::by_file(runtime, facts);
    }
    let bundle = Bundle::new(runtime, "true").with(|spec| {
        spec["linux"]["resources"]["unified"] = json!({"memory.high": "60000000"});
    });
    facts.holds("refused where there are none", !bundle.run().status.success());
}

/// A container with these resources beside the usual ones, created.
pub fn created(runtime: Runtime, script: &str, resources: &Value) -> Bundle {
    let mut bundle = Bundle::new(runtime, script);
    for (name, value) in resources.as_object().unwrap() {
        bundle.spec["linux"]["resources"][name] = value.clone();
    }
    assert!(
        bundle.create(&[]),
        "{}",
        fs::read_to_string(bundle.path("stderr")).unwrap_or_default()
    );
    bundle
}

pub fn memory(runtime: Runtime, facts: &mut Facts) {
    if is_unified() {
        return cgroups_v2::memory(runtime, facts);
    }
    let limit = 64 << 20;
    let resources = json!({"memory": {"limit": limit, "disableOOMKiller": true, "swappiness": 7}});
    let bundle = created(runtime, "sleep 1000", &resources);
    facts.is("limit", bundle.limit("memory", "memory.limit_in_bytes"), limit);
    facts.is("swappiness", bundle.limit("memory", "memory.swappiness"), 7);
    let oom = bundle.limit("memory", "memory.oom_control");
    facts.is("oom killer disabled", oom.lines().next().unwrap_or_default(), "oom_kill_disable 1");
}

pub fn swap_and_reservation(runtime: Runtime, facts: &mut Facts) {
    if is_unified() {
        return cgroups_v2::swap_and_reservation(runtime, facts);
    }
    let (limit, swap, reservation) = (32 << 20, 48 << 20, 16 << 20);
    let resources = json!({"memory": {"limit": limit, "swap": swap, "reservation": reservation}});
    let bundle = created(runtime, "sleep 1000", &resources);
    facts.is("limit", bundle.limit("memory", "memory.limit_in_bytes"), limit);
    facts.is("memory and swap", bundle.limit("memory", "memory.memsw.limit_in_bytes"), swap);
    facts.is("reservation", bundle.limit("memory", "memory.soft_limit_in_bytes"), reservation);
    let bundle = created(runtime, "sleep 1000", &json!({"memory": {"limit": limit, "swap": -1}}));
    let swap = bundle.limit("memory", "memory.memsw.limit_in_bytes");
    facts.is("no limit of swap", swap, "9223372036854771712");
    let less = Bundle::new(runtime, "true").with(|spec| {
        spec["linux"]["resources"]["memory"] = json!({"limit": limit, "swap": 1 << 20})
    });
    facts.holds("less with swap than without is refused", !less.run().status.success());
}

pub fn cpu(runtime: Runtime, facts: &mut Facts) {
    if is_unified() {
        return cgroups_v2::cpu(runtime, facts);
    }
    let resources = json!({"cpu": {"shares": 512, "quota": 20_000, "period": 50_000}});
    let bundle = created(runtime, "sleep 1000", &resources);
    facts.is("shares", bundle.limit("cpu", "cpu.shares"), 512);
    facts.is("quota", bundle.limit("cpu", "cpu.cfs_quota_us"), 20_000);
    facts.is("period", bundle.limit("cpu", "cpu.cfs_period_us"), 50_000);
    let bundle = Bundle::new(runtime, "sleep 1000")
        .with(|spec| spec["linux"]["resources"]["cpu"] = json!({"quota": -1}));
    facts.holds("no quota can be said", bundle.create(&[]));
}

pub fn cpus(runtime: Runtime, facts: &mut Facts) {
    if is_unified() {
        return cgroups_v2::cpus(runtime, facts);
    }
    let script = "grep Cpus_allowed_list /proc/self/status; sleep 1000";
    let bundle = created(runtime, script, &json!({"cpu": {"cpus": "0", "mems": "0"}}));
    facts.is("cpus", bundle.limit("cpuset", "cpuset.cpus"), 0);
    facts.is("mems", bundle.limit("cpuset", "cpuset.mems"), 0);
    assert!(bundle.does("start", &[]));
    let seen = crate::bundle::eventually(|| Some(bundle.printed()).filter(|text| !text.is_empty()));
    facts.is("inside", seen.unwrap_or_default().replace('\t', " "), "Cpus_allowed_list: 0");
}

pub fn pids(runtime: Runtime, facts: &mut Facts) {
    let bundle = created(runtime, "sleep 1000", &json!({"pids": {"limit": 17}}));
    facts.is("limit", bundle.limit("pids", "pids.max"), 17);
    let few = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; echo all";
    let bundle = Bundle::new(runtime, &format!("( {few} ) 2>/dev/null || echo refused"))
        .with(|spec| spec["linux"]["resources"]["pids"] = json!({"limit": 10}));
    facts.is("held by the kernel", bundle.output(), "refused");
}

pub fn block_io(runtime: Runtime, facts: &mut Facts) {
    if is_unified() {
        return cgroups_v2::block_io(runtime, facts);
    }
    // The disk below this file system, not a partition of it: only disks are throttled.
    let device = fs::metadata("/").unwrap().dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device) & !0xf);
    let rate = |rate: u32| json!([{"major": major, "minor": minor, "rate": rate}]);
    let resources = json!({"blockIO": {
        "throttleReadBpsDevice": rate(1 << 20), "throttleWriteBpsDevice": rate(2 << 20),
        "throttleReadIOPSDevice": rate(300), "throttleWriteIOPSDevice": rate(400),
    }});
    let bundle = created(runtime, "sleep 1000", &resources);
    for (file, expected) in
        [("read_bps", 1 << 20), ("write_bps", 2 << 20), ("read_iops", 300), ("write_iops", 400)]
    {
        let seen = bundle.limit("blkio", &format!("blkio.throttle.{file}_device"));
        facts.is(file, seen, format!("{major}:{minor} {expected}"));
    }
}

pub fn path(runtime: Runtime, facts: &mut Facts) {
    if is_unified() {
        return cgroups_v2::path(runtime, facts);
    }
    let mut bundle = Bundle::new(runtime, "sed 's/^[0-9]*://' /proc/self/cgroup");
    let path = format!("/{}/below", bundle.id);
    bundle.spec["linux"]["cgroupsPath"] = path.clone().into();
    let printed = bundle.output();
    for controller in ["memory", "cpu", "cpuset", "devices", "freezer", "blkio", "pids"] {
        let line = printed.lines().find(|line| line.split(':').next() == Some(controller));
        facts.is(controller, line.unwrap_or_default(), format!("{controller}:{path}"));
    }
    facts.holds("gone with the container", !bundle.cgroup("memory").join("below").exists());
}

pub fn update(runtime: Runtime, facts: &mut Facts) {
    if is_unified() {
        return cgroups_v2::update(runtime, facts);
    }
    let bundle = created(runtime, "sleep 1000", &json!({"memory": {"limit": 64 << 20}}));
    assert!(bundle.does("start", &[]));
    let memory = (48 << 20).to_string();
    let done = bundle.call(
        "update",
        &["--memory", &memory, "--pids-limit", "23", "--cpu-share", "256"],
        &[],
    );
    facts.holds("by flags", done.status.success());
    facts.is("memory", bundle.limit("memory", "memory.limit_in_bytes"), &memory);
    facts.is("pids", bundle.limit("pids", "pids.max"), 23);
    facts.is("shares", bundle.limit("cpu", "cpu.shares"), 256);
    fs::write(
        bundle.path("new.json"),
        r#"{"memory": {"limit": 33554432}, "cpu": {"quota": 30000, "period": 60000}}"#,
    )
    .unwrap();
    let mut command = bundle.command();
    command.args(["update", "--resources"]).arg(bundle.path("new.json")).arg(&bundle.id);
    facts.holds("by a file", command.stderr(Stdio::null()).status().unwrap().success());
    facts.is("memory by it", bundle.limit("memory", "memory.limit_in_bytes"), 32 << 20);
    facts.is("quota by it", bundle.limit("cpu", "cpu.cfs_quota_us"), 30_000);
    facts.is("shares stay", bundle.limit("cpu", "cpu.shares"), 256);
}

pub fn freezer(runtime: Runtime, facts: &mut Facts) {
    if is_unified() {
        return cgroups_v2::freezer(runtime, facts);
    }
    let bundle = created(runtime, "sleep 1000", &json!({}));
    facts.holds(
        "pausing what was not started",
        bundle.does("pause", &[]) && bundle.does("resume", &[]),
    );
    assert!(bundle.does("start", &[]));
    facts.holds("pause", bundle.does("pause", &[]));
    facts.is("in the kernel", bundle.limit("freezer", "freezer.state"), "FROZEN");
    facts.is("status", bundle.status(), "paused");
    facts.holds("an exec is refused", !bundle.does("exec", &["true"]));
    facts.holds("resume", bundle.does("resume", &[]));
    facts.is("in the kernel again", bundle.limit("freezer", "freezer.state"), "THAWED");
    facts.is("status again", bundle.status(), "running");
}

/// "Device whitelist": what is not allowed fails, whatever node is made.
pub fn devices(runtime: Runtime, facts: &mut Facts) {
    let rules = json!([
        {"allow": false, "access": "rwm"},
        {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rm"},
        {"allow": true, "type": "c", "major": 13, "access": "m"},
        {"allow": true, "type": "b", "major": 7, "minor": 3, "access": "w"},
    ]);
    // /dev/fuse, which anyone may open, and its neighbour, which only the list keeps from being opened.
    let script = "
        mknod /tmp/fuse c 10 229 && echo made
        (: </tmp/fuse) 2>/dev/null && echo read
        (: >>/tmp/fuse) 2>/dev/null || echo not written
        mknod /tmp/control c 10 237; (: </tmp/control) 2>/dev/null || echo not opened
        sleep 1000";
    let bundle = created(runtime, script, &json!({"devices": rules}));
    if !is_unified() {
        devices_in_the_list(&bundle, facts);
    }
    assert!(bundle.does("start", &[]));
    let seen =
        crate::bundle::eventually(|| Some(bundle.printed()).filter(|t| t.contains("not opened")));
    let seen = seen.unwrap_or_else(|| bundle.printed());
    facts.is("inside", seen.replace('\n', ", "), "made, read, not written, not opened");
}

/// Version 2 has a program in its place, which can't be read back.
fn devices_in_the_list(bundle: &Bundle, facts: &mut Facts) {
    let list = bundle.limit("devices", "devices.list");
    let mut own: Vec<&str> = list
        .lines()
        .filter(|l| ["c 10:229 ", "c 13:* ", "b 7:3 "].iter().any(|d| l.starts_with(d)))
        .collect();
    own.sort_unstable();
    facts.is("list", own.join(", "), "b 7:3 w, c 10:229 rm, c 13:* m");
    facts.holds("not everything", !list.lines().any(|line| line.starts_with("a *:*")));
}
