//! runtime.md, "State", "Lifecycle" and "Operations"; runtime command line interface (`--pid-file`, `--process`).

use std::fs;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::bundle::{Bundle, eventually, said};
use crate::facts::Facts;
use crate::runtime::Runtime;

pub fn states(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "exit 3")
        .with(|spec| spec["annotations"] = json!({"org.example.note": "value"}));
    facts.is("before", bundle.status(), "gone");
    assert!(bundle.create(&[]));
    let state = bundle.state();
    facts.is("created", state["status"].as_str().unwrap_or_default(), "created");
    facts.is("id", state["id"].as_str().unwrap_or_default(), &bundle.id);
    let place = state["bundle"].as_str().map(Path::new).and_then(|path| path.canonicalize().ok());
    facts.holds("bundle", place == bundle.path(".").canonicalize().ok());
    facts.holds("version", state["ociVersion"].as_str().is_some_and(|v| v.starts_with("1.")));
    facts.is("annotation", &state["annotations"]["org.example.note"], json!("value"));
    facts.holds("process", Path::new(&format!("/proc/{}", bundle.pid())).exists());
    facts.holds("start", bundle.does("start", &[]));
    facts.is("ended", bundle.stopped(), "stopped");
    facts.holds("no process", matches!(bundle.state()["pid"].as_i64(), None | Some(0)));
    facts.holds("delete", bundle.does("delete", &[]));
    facts.is("after", bundle.status(), "gone");
    let running = Bundle::new(runtime, "sleep 1000");
    assert!(running.create(&[]) && running.does("start", &[]));
    facts.is("running", running.status(), "running");
    facts.holds("a second start is refused", !running.does("start", &[]));
    let listed = running.command().args(["list", "--format", "json"]).output().unwrap();
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap_or_default();
    facts.is("listed", &listed[0]["id"], json!(running.id));
    let ps = running.call("ps", &["--format", "json"], &[]);
    let ps: Value = serde_json::from_slice(&ps.stdout).unwrap_or_default();
    facts.is("its processes", ps, json!([running.pid()]));
}

pub fn pid_file(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "sleep 1000");
    let file = bundle.path("pid");
    assert!(bundle.create(&["--pid-file", file.to_str().unwrap()]));
    facts.is("of create", fs::read_to_string(&file).unwrap_or_default(), bundle.pid());
    let exec_file = bundle.path("exec-pid");
    assert!(bundle.does("start", &[]));
    let arguments = ["--detach", "--pid-file", exec_file.to_str().unwrap()];
    // It holds what it is given for its output: no pipe of ours, which would not end.
    let mut command = bundle.command();
    command.arg("exec").args(arguments).arg(&bundle.id).args(["sleep", "999"]);
    assert!(command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    let pid = fs::read_to_string(&exec_file).unwrap_or_default();
    let program = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    facts.is("of exec", program.replace('\0', " ").trim(), "sleep 999");
}

pub fn kill_and_signals(runtime: Runtime, facts: &mut Facts) {
    let script = "trap 'echo usr1' USR1; trap 'echo term; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let bundle = Bundle::new(runtime, script);
    assert!(bundle.create(&[]) && bundle.does("start", &[]));
    let says = |word: &str| eventually(|| bundle.printed().contains(word).then_some(())).is_some();
    assert!(says("ready"));
    facts.holds("by number", bundle.does("kill", &["10"]) && says("usr1"));
    facts.holds("nonsense is refused", !bundle.does("kill", &["NOSUCH"]));
    facts.holds("by name", bundle.does("kill", &["SIGTERM"]) && says("term"));
    facts.is("ended", bundle.stopped(), "stopped");
    facts.holds("what has stopped can't be killed", !bundle.does("kill", &["KILL"]));
    facts.holds("what there is not can't be killed", !{
        let mut command = bundle.command();
        command.args(["kill", "isopod-oci-none", "KILL"]).output().unwrap().status.success()
    });
    let created = Bundle::new(runtime, "sleep 1000");
    assert!(created.create(&[]));
    facts.holds("what was not started can be killed", created.does("kill", &["KILL"]));
    facts.is("and has stopped", created.stopped(), "stopped");
    let short = Bundle::new(runtime, "sleep 1000");
    assert!(short.create(&[]) && short.does("start", &[]));
    facts.holds("short name", short.does("kill", &["KILL"]));
    facts.is("killed", short.stopped(), "stopped");
}

pub fn delete_needs_an_end(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "sleep 1000");
    assert!(bundle.create(&[]) && bundle.does("start", &[]));
    facts.holds("of what runs is refused", !bundle.does("delete", &[]));
    facts.is("which goes on", bundle.status(), "running");
    let pid = bundle.pid();
    facts.holds("forced", bundle.call("delete", &["--force"], &[]).status.success());
    facts.is("gone", bundle.status(), "gone");
    let is_gone = eventually(|| (!Path::new(&format!("/proc/{pid}")).exists()).then_some(()));
    facts.holds("its process too", is_gone.is_some());
    facts.holds("its cgroup too", !bundle.cgroup("memory").exists());
    facts.holds("of nothing is refused", !bundle.does("delete", &[]));
    facts.holds("of nothing, forced", bundle.call("delete", &["--force"], &[]).status.success());
}

pub fn ids(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "sleep 1000");
    assert!(bundle.create(&[]));
    facts.holds("taken", !bundle.create(&[]));
    facts.is("the first stays", bundle.status(), "created");
    for wrong in ["../up", "a/b", "", ".."] {
        let mut other = Bundle::new(runtime, "true");
        other.id = wrong.to_owned();
        let succeeded = other.run().status.success();
        facts.holds(&format!("{wrong:?} is refused"), !succeeded);
        // A forced delete of such a name would be another test.
        other.id = "isopod-oci-none".to_owned();
    }
}

pub fn exec(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "sleep 1000");
    assert!(bundle.create(&[]) && bundle.does("start", &[]));
    let ask = |flags: &[&str], script: &str| bundle.call("exec", flags, &["/bin/sh", "-c", script]);
    facts.is("output", said(&ask(&[], "echo out; echo err >&2")), "out");
    facts.is("status", ask(&[], "exit 7").status.code().unwrap_or(-1), 7);
    facts.is("a signal's status", ask(&[], "kill -TERM $$").status.code().unwrap_or(-1), 143);
    facts.is("working directory", said(&ask(&["--cwd", "/data"], "pwd")), "/data");
    facts.is("environment", said(&ask(&["--env", "A=b"], "echo $A $PATH")), "b /bin");
    facts.is(
        "user",
        said(&ask(&["--user", "1000:1001"], "id -u; id -g")).replace('\n', " "),
        "1000 1001",
    );
    let sets = "grep -e CapInh -e CapEff -e NoNewPrivs /proc/self/status | tr -d '\\n\\t'";
    facts.is(
        "confined",
        said(&ask(&[], sets)),
        "CapInh:0000000000000000CapEff:00000000a80425fbNoNewPrivs:1",
    );
    let same = "for n in pid net ipc uts mnt; do [ $(readlink /proc/1/ns/$n) = $(readlink /proc/self/ns/$n) ] || echo $n; done";
    facts.is("other namespaces", said(&ask(&[], same)), "");
    let cgroup = said(&ask(&[], "grep -E 'memory|^0::/.' /proc/self/cgroup | head -n1"));
    facts.holds("its cgroup", cgroup.ends_with(&format!(":/{}", bundle.id)));
    let missing = bundle.call("exec", &[], &["/bin/not-there"]);
    facts.holds("no program", !missing.status.success());
    facts.is("the container goes on", bundle.status(), "running");
    let stopped = Bundle::new(runtime, "true");
    assert!(stopped.create(&[]) && stopped.does("start", &[]));
    stopped.stopped();
    facts.holds("in what has stopped is refused", !stopped.does("exec", &["true"]));
}

pub fn exec_process(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "sleep 1000");
    assert!(bundle.create(&[]) && bundle.does("start", &[]));
    let process = json!({
        "user": {"uid": 7, "gid": 8, "additionalGids": [9]}, "cwd": "/tmp", "env": ["PATH=/bin", "X=y"],
        "args": ["sh", "-c", "id -u; id -g; pwd; echo $X; grep -e Groups -e CapBnd -e CapEff /proc/self/status"],
        "capabilities": {"bounding": ["CAP_KILL"], "effective": [], "permitted": []},
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 50, "hard": 60}],
    });
    fs::write(bundle.path("process.json"), process.to_string()).unwrap();
    let path = bundle.path("process.json");
    let printed = said(&bundle.call("exec", &["--process", path.to_str().unwrap()], &[]));
    let mut lines = printed.lines().map(|line| line.replace('\t', " "));
    for (name, expected) in [
        ("user", "7"),
        ("group", "8"),
        ("working directory", "/tmp"),
        ("environment", "y"),
        ("groups", "Groups: 9"),
        ("effective capabilities", "CapEff: 0000000000000000"),
        ("bounding capabilities", "CapBnd: 0000000000000020"),
    ] {
        facts.is(name, lines.next().unwrap_or_default().trim(), expected);
    }
}

pub fn out_of_memory(runtime: Runtime, facts: &mut Facts) {
    let limit = |spec: &mut Value| {
        spec["linux"]["resources"]["memory"] = json!({"limit": 24 << 20, "swap": 24 << 20});
    };
    let fill = "dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null";
    let bundle = Bundle::new(runtime, &format!("{fill}; echo $?")).with(limit);
    facts.is("a process of it", bundle.output(), 137);
    let bundle = Bundle::new(runtime, &format!("exec {fill}")).with(limit);
    facts.is("its first", bundle.run().status.code().unwrap_or(-1), 137);
}

/// What is done to a good specification.
type Change = fn(&mut Value);

pub fn bad_bundles(runtime: Runtime, facts: &mut Facts) {
    let bundle = Bundle::new(runtime, "true");
    let mut command = bundle.command();
    command.args(["create", "--bundle"]).arg(bundle.path(".")).arg(&bundle.id);
    facts.holds("without config.json", !command.output().unwrap().status.success());
    fs::write(bundle.path("config.json"), "{\"ociVersion\": ").unwrap();
    facts.holds("half a config.json", !command.output().unwrap().status.success());
    let wrong: [(&str, Change); 8] = [
        ("no root", |spec| drop(spec.as_object_mut().unwrap().remove("root"))),
        ("a root that is not there", |spec| spec["root"]["path"] = "none".into()),
        ("no process", |spec| drop(spec.as_object_mut().unwrap().remove("process"))),
        ("an unknown namespace", |spec| {
            spec["linux"]["namespaces"] = json!([{"type": "nonsense"}])
        }),
        ("a namespace twice", |spec| {
            spec["linux"]["namespaces"] =
                json!([{"type": "mount"}, {"type": "pid"}, {"type": "pid"}])
        }),
        ("a joined namespace that is not there", |spec| {
            spec["linux"]["namespaces"] =
                json!([{"type": "mount"}, {"type": "network", "path": "/none"}]);
        }),
        ("an unknown version", |spec| spec["ociVersion"] = "9.0.0".into()),
        ("a relative mount", |spec| {
            spec["mounts"] = json!([{"destination": "../x", "type": "tmpfs", "source": "t"}])
        }),
    ];
    for (name, change) in wrong {
        let bundle = Bundle::new(runtime, "true").with(change);
        facts.holds(name, !bundle.create(&[]));
        facts.is(&format!("{name}: left behind"), bundle.status(), "gone");
    }
}
