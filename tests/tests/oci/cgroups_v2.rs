//! The cases of [`crate::cgroups`] where the kernel has version 2 alone (Documentation/admin-guide/cgroup-v2.rst). What of
//! the specification's values becomes which file: crun(1), "CGROUP v2", which runc follows, but for shares: those are converted as crun does from 1.23 on.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use serde_json::json;

use crate::bundle::{Bundle, eventually};
use crate::cgroups::created;
use crate::facts::Facts;
use crate::runtime::Runtime;

pub fn memory(runtime: Runtime, facts: &mut Facts) {
    let limit = 64 << 20;
    let resources = json!({
        "memory": {"limit": limit}, "hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}],
    });
    let bundle = created(runtime, "sleep 1000", &resources);
    facts.is("limit", bundle.limit("memory", "memory.max"), limit);
    facts.is("huge pages", bundle.limit("hugetlb", "hugetlb.2MB.max"), 4 << 20);
}

pub fn swap_and_reservation(runtime: Runtime, facts: &mut Facts) {
    let (limit, swap, reservation) = (32 << 20, 48 << 20, 16 << 20);
    let resources = json!({"memory": {"limit": limit, "swap": swap, "reservation": reservation}});
    let bundle = created(runtime, "sleep 1000", &resources);
    facts.is("limit", bundle.limit("memory", "memory.max"), limit);
    facts.is("swap alone", bundle.limit("memory", "memory.swap.max"), swap - limit);
    facts.is("reservation", bundle.limit("memory", "memory.low"), reservation);
    let bundle = created(runtime, "sleep 1000", &json!({"memory": {"limit": limit, "swap": -1}}));
    facts.is("no limit of swap", bundle.limit("memory", "memory.swap.max"), "max");
    let same = json!({"memory": {"limit": limit, "swap": limit}});
    let bundle = created(runtime, "sleep 1000", &same);
    facts.is("no swap", bundle.limit("memory", "memory.swap.max"), 0);
    let less = Bundle::new(runtime, "true").with(|spec| {
        spec["linux"]["resources"]["memory"] = json!({"limit": limit, "swap": 1 << 20})
    });
    facts.holds("less with swap than without is refused", !less.run().status.success());
}

pub fn cpu(runtime: Runtime, facts: &mut Facts) {
    let resources = json!({"cpu": {"shares": 512, "quota": 20_000, "period": 50_000}});
    let bundle = created(runtime, "sleep 1000", &resources);
    // 10 ^ ((9 * 9 + 125 * 9) / 612 - 7 / 34), rounded up
    facts.is("shares", bundle.limit("cpu", "cpu.weight"), 59);
    facts.is("quota and period", bundle.limit("cpu", "cpu.max"), "20000 50000");
    let bundle = Bundle::new(runtime, "sleep 1000")
        .with(|spec| spec["linux"]["resources"]["cpu"] = json!({"quota": -1}));
    facts.holds("no quota can be said", bundle.create(&[]));
    facts.is("and is none", bundle.limit("cpu", "cpu.max"), "max 100000");
}

pub fn cpus(runtime: Runtime, facts: &mut Facts) {
    let script = "grep Cpus_allowed_list /proc/self/status; sleep 1000";
    let bundle = created(runtime, script, &json!({"cpu": {"cpus": "0", "mems": "0"}}));
    facts.is("cpus", bundle.limit("cpuset", "cpuset.cpus"), 0);
    facts.is("mems", bundle.limit("cpuset", "cpuset.mems"), 0);
    assert!(bundle.does("start", &[]));
    let seen = eventually(|| Some(bundle.printed()).filter(|text| !text.is_empty()));
    facts.is("inside", seen.unwrap_or_default().replace('\t', " "), "Cpus_allowed_list: 0");
}

pub fn block_io(runtime: Runtime, facts: &mut Facts) {
    // The disk itself: the root is an overlay there.
    let device = fs::metadata("/tmp").unwrap().dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device) & !0xf);
    let rate = |rate: u32| json!([{"major": major, "minor": minor, "rate": rate}]);
    let resources = json!({"blockIO": {
        "throttleReadBpsDevice": rate(1 << 20), "throttleWriteBpsDevice": rate(2 << 20),
        "throttleReadIOPSDevice": rate(300), "throttleWriteIOPSDevice": rate(400),
    }});
    let bundle = created(runtime, "sleep 1000", &resources);
    let expected = format!("{major}:{minor} rbps=1048576 wbps=2097152 riops=300 wiops=400");
    facts.is("rates", bundle.limit("io", "io.max"), expected);
}

pub fn path(runtime: Runtime, facts: &mut Facts) {
    let mut bundle = Bundle::new(runtime, "cat /proc/self/cgroup");
    let path = format!("/{}/below", bundle.id);
    bundle.spec["linux"]["cgroupsPath"] = path.clone().into();
    facts.is("inside", bundle.output(), format!("0::{path}"));
    facts.holds("gone with the container", !bundle.cgroup("memory").join("below").exists());
}

pub fn update(runtime: Runtime, facts: &mut Facts) {
    let bundle = created(runtime, "sleep 1000", &json!({"memory": {"limit": 64 << 20}}));
    assert!(bundle.does("start", &[]));
    let memory = (48 << 20).to_string();
    let flags =
        ["--memory", &memory, "--memory-swap", &memory, "--pids-limit", "23", "--cpu-share", "256"];
    let done = bundle.call("update", &flags, &[]);
    facts.holds("by flags", done.status.success());
    facts.is("memory", bundle.limit("memory", "memory.max"), &memory);
    facts.is("swap", bundle.limit("memory", "memory.swap.max"), 0);
    facts.is("pids", bundle.limit("pids", "pids.max"), 23);
    // 10 ^ ((8 * 8 + 125 * 8) / 612 - 7 / 34), rounded up
    facts.is("shares", bundle.limit("cpu", "cpu.weight"), 35);
    fs::write(
        bundle.path("new.json"),
        r#"{"memory": {"limit": 33554432}, "cpu": {"quota": 30000, "period": 60000}}"#,
    )
    .unwrap();
    let mut command = bundle.command();
    command.args(["update", "--resources"]).arg(bundle.path("new.json")).arg(&bundle.id);
    facts.holds("by a file", command.stderr(Stdio::null()).status().unwrap().success());
    facts.is("memory by it", bundle.limit("memory", "memory.max"), 32 << 20);
    facts.is("quota by it", bundle.limit("cpu", "cpu.max"), "30000 60000");
    facts.is("shares stay", bundle.limit("cpu", "cpu.weight"), 35);
}

pub fn freezer(runtime: Runtime, facts: &mut Facts) {
    let bundle = created(runtime, "sleep 1000", &json!({}));
    let frozen = || {
        let events = bundle.limit("freezer", "cgroup.events");
        events.lines().any(|line| line == "frozen 1")
    };
    facts.holds(
        "pausing what was not started",
        bundle.does("pause", &[]) && bundle.does("resume", &[]),
    );
    assert!(bundle.does("start", &[]));
    facts.holds("pause", bundle.does("pause", &[]));
    facts.holds("in the kernel", frozen());
    facts.is("status", bundle.status(), "paused");
    facts.holds("an exec is refused", !bundle.does("exec", &["true"]));
    facts.holds("resume", bundle.does("resume", &[]));
    facts.holds("in the kernel again", !frozen());
    facts.is("status again", bundle.status(), "running");
}

/// "Unified": files by their names.
pub fn by_file(runtime: Runtime, facts: &mut Facts) {
    let resources = json!({"unified": {
        "memory.high": "60000000", "memory.min": "1048576", "cpu.max": "40000 80000", "pids.max": "19",
        "hugetlb.2MB.max": "6291456",
    }});
    let bundle = created(runtime, "sleep 1000", &resources);
    // The kernel has whole pages.
    facts.is("memory.high", bundle.limit("memory", "memory.high"), 60_000_000 / 4096 * 4096);
    facts.is("memory.min", bundle.limit("memory", "memory.min"), 1 << 20);
    facts.is("cpu.max", bundle.limit("cpu", "cpu.max"), "40000 80000");
    facts.is("pids.max", bundle.limit("pids", "pids.max"), 19);
    facts.is("hugetlb.2MB.max", bundle.limit("hugetlb", "hugetlb.2MB.max"), 6 << 20);
    let outside = Bundle::new(runtime, "true").with(|spec| {
        spec["linux"]["resources"]["unified"] = json!({"../cgroup.procs": "0"});
    });
    facts.holds("no file outside", !outside.run().status.success());
    let absent = Bundle::new(runtime, "true").with(|spec| {
        spec["linux"]["resources"]["unified"] = json!({"memory.nonsense": "1"});
    });
    facts.holds("what is no file is refused", !absent.run().status.success());
}
