//! config.md, "Process" and "POSIX process": what the program finds itself to be.

use serde_json::json;

use crate::bundle::Bundle;
use crate::facts::Facts;
use crate::runtime::Runtime;

pub fn user_and_groups(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "id -u; id -g; grep Groups /proc/self/status").with(|spec| {
        spec["process"]["user"] = json!({"uid": 1000, "gid": 1001, "additionalGids": [5, 6]})
    });
    let printed = bundle.output();
    let mut lines = printed.lines();
    facts.is("user", lines.next().unwrap_or_default(), 1000);
    facts.is("group", lines.next().unwrap_or_default(), 1001);
    facts.is("additional groups", lines.next().unwrap_or_default().trim(), "Groups:\t5 6");
    let bundle = Bundle::new(runtime, "grep Groups /proc/self/status");
    facts.is("none", bundle.output().trim(), "Groups:");
    let last = Bundle::new(runtime, "id -u; id -g").with(|spec| {
        spec["process"]["user"] = json!({"uid": 4_294_967_294_u32, "gid": 4_294_967_294_u32})
    });
    facts.is("the last numbers", last.output().replace('\n', " "), "4294967294 4294967294");
    let beyond = Bundle::new(runtime, "true")
        .with(|spec| spec["process"]["user"] = json!({"uid": 4_294_967_296_u64, "gid": 0}));
    facts.holds("a number beyond them is refused", !beyond.run().status.success());
}

pub fn umask(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "umask; touch /tmp/f; stat -c %a /tmp/f")
        .with(|spec| spec["process"]["user"]["umask"] = 0o027.into());
    facts.is("asked for", bundle.output().replace('\n', " "), "0027 640");
    facts.is("usual", Bundle::new(runtime, "umask").output(), "0022");
}

pub fn working_directory(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "pwd; readlink /proc/self/cwd")
        .with(|spec| spec["process"]["cwd"] = "/data".into());
    facts.is("seen", bundle.output().replace('\n', " "), "/data /data");
    let relative = Bundle::new(runtime, "true").with(|spec| spec["process"]["cwd"] = "data".into());
    facts.holds("a relative one is refused", !relative.run().status.success());
}

/// What no specification says, and every image relies on.
pub fn missing_working_directory(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "pwd; stat -c %a:%u .")
        .with(|spec| spec["process"]["cwd"] = "/not/there/yet".into());
    facts.is("made", bundle.output().replace('\n', " "), "/not/there/yet 755:0");
    let mut file = Bundle::new(runtime, "true");
    file.spec["process"]["cwd"] = "/etc/passwd".into();
    facts.holds("a file is refused", !file.run().status.success());
}

pub fn environment(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "env | grep -v -e ^SHLVL= -e ^PWD= | sort")
        .with(|spec| spec["process"]["env"] = json!(["PATH=/bin", "A=b=c d", "EMPTY=", "HOME=/h"]));
    facts.is("all", bundle.output().replace('\n', "|"), "A=b=c d|EMPTY=|HOME=/h|PATH=/bin");
    let bundle = Bundle::new(runtime, "echo $HOME")
        .with(|spec| spec["process"]["env"] = json!(["PATH=/bin"]));
    facts.is("HOME of passwd", bundle.output(), "/root");
}

pub fn rlimits(runtime: Runtime, facts: &mut Facts) {
    let limits = json!([
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
        {"type": "RLIMIT_NPROC", "soft": 300, "hard": 300},
        {"type": "RLIMIT_STACK", "soft": 1_048_576, "hard": 2_097_152},
    ]);
    let bundle = Bundle::new(runtime, "cat /proc/self/limits")
        .with(|spec| spec["process"]["rlimits"] = limits);
    let printed = bundle.output();
    let of = |name: &str| {
        let line = printed.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    };
    facts.is("open files", of("Max open files"), "100 200");
    facts.is("core", of("Max core file size"), "0 0");
    facts.is("processes", of("Max processes"), "300 300");
    facts.is("stack", of("Max stack size"), "1048576 2097152");
    for (name, wrong) in [
        ("an unknown one is refused", json!([{"type": "RLIMIT_NONE", "soft": 1, "hard": 1}])),
        (
            "one that comes twice is refused",
            json!([
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}, {"type": "RLIMIT_CORE", "soft": 1, "hard": 1},
            ]),
        ),
        ("soft beyond hard is refused", json!([{"type": "RLIMIT_NOFILE", "soft": 20, "hard": 10}])),
    ] {
        let bundle = Bundle::new(runtime, "true").with(|spec| spec["process"]["rlimits"] = wrong);
        facts.holds(name, !bundle.run().status.success());
    }
}

pub fn oom_score(runtime: Runtime, facts: &mut Facts) {
    let script = "cat /proc/self/oom_score_adj";
    let bundle =
        Bundle::new(runtime, script).with(|spec| spec["process"]["oomScoreAdj"] = 321.into());
    facts.is("asked for", bundle.output(), 321);
    // "If not set, the runtime MUST NOT change the value."
    let ours = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    facts.is("not asked for", Bundle::new(runtime, script).output(), ours.trim());
}

/// config-linux.md, "Personality" (since 1.0.2 in the schema).
pub fn personality(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "uname -m; cat /proc/self/personality")
        .with(|spec| spec["linux"]["personality"] = json!({"domain": "LINUX32"}));
    facts.is("of 32 bits", bundle.output().replace('\n', " "), "i686 00000008");
}

pub fn arguments_as_they_are(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "").with(|spec| {
        spec["process"]["args"] =
            json!(["printf", "<%s>", "a b", "c'd\"e", "x\ny", "", "$HOME", "é"]);
    });
    facts.is("seen", bundle.output(), "<a b><c'd\"e><x\ny><><$HOME><é>");
    let none = Bundle::new(runtime, "").with(|spec| spec["process"]["args"] = json!([]));
    facts.holds("none are refused", !none.run().status.success());
}

pub fn exit_status(runtime: Runtime, facts: &mut Facts) {
    let code = |script: &str| Bundle::new(runtime, script).run().status.code().unwrap_or(-1);
    facts.is("its own", code("exit 42"), 42);
    facts.is("zero", code("true"), 0);
    let missing =
        Bundle::new(runtime, "").with(|spec| spec["process"]["args"] = json!(["/bin/not-there"]));
    facts.holds("no program", !missing.run().status.success());
    facts.is("and no container", missing.status(), "gone");
    let folder = Bundle::new(runtime, "").with(|spec| spec["process"]["args"] = json!(["/etc"]));
    facts.holds("a folder", !folder.run().status.success());
}
