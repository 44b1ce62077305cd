//! config.md, "POSIX-platform Hooks"; runtime.md, "Lifecycle".

use std::fs;

use serde_json::{Value, json};

use crate::bundle::{Bundle, eventually};
use crate::facts::Facts;
use crate::runtime::Runtime;

/// A hook that writes its name and the status in the state it is handed to a log in the root file system.
fn logging(name: &str, log: &str) -> Value {
    let script = format!(
        "state=$(cat | tr -d ' \\n\\t'); case $state in *'\"status\":\"'*) s=${{state#*'\"status\":\"'}};; *) s='nothing\"';; esac; \
         echo {name} ${{s%%'\"'*}} >> {log}"
    );
    json!({"path": "/bin/sh", "args": ["sh", "-c", script], "env": ["PATH=/bin:/usr/bin"]})
}

/// A hook that fails after it has read its state: who writes to one that ended before fails otherwise.
fn failing() -> Value {
    json!({"path": "/bin/sh", "args": ["sh", "-c", "cat >/dev/null; exit 3"], "env": ["PATH=/usr/bin:/bin"]})
}

fn log(bundle: &Bundle) -> String {
    let text = fs::read_to_string(bundle.inside("data/log")).unwrap_or_default();
    text.trim_end().replace('\n', ", ")
}

fn with_hooks(runtime: Runtime, kinds: &[&str]) -> Bundle {
    let mut bundle = Bundle::new(runtime, "echo process >> /data/log");
    let outside = bundle.inside("data/log");
    for kind in kinds {
        let place = if *kind == "startContainer" { "/data/log" } else { outside.to_str().unwrap() };
        bundle.spec["hooks"][kind] = json!([logging(kind, place)]);
    }
    bundle
}

pub fn order_and_state(runtime: Runtime, facts: &mut Facts) {
    let all =
        ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
    let mut bundle = with_hooks(runtime, &all);
    // Long enough for a runtime that doesn't wait for it to be seen.
    bundle.spec["hooks"]["startContainer"] = json!([
        {"path": "/bin/sh", "args": ["sh", "-c", "cat >/dev/null; sleep 0.3"], "env": ["PATH=/bin:/usr/bin"]},
        logging("startContainer", "/data/log"),
    ]);
    assert!(bundle.create(&[]), "{}", fs::read_to_string(bundle.path("stderr")).unwrap());
    let created = log(&bundle);
    let names = |text: &str| -> String {
        let names = text.split(", ").map(|line| line.split(' ').next().unwrap_or_default());
        names.collect::<Vec<_>>().join(" ")
    };
    facts.is("in create", names(&created), "prestart createRuntime createContainer");
    let status = |text: &str, name: &str| {
        let line = text.split(", ").find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or("no such hook").to_owned()
    };
    for name in ["createRuntime", "createContainer"] {
        facts.is(&format!("status in {name}"), status(&created, name), "creating");
    }
    assert!(bundle.does("start", &[]));
    bundle.stopped();
    let started = log(&bundle);
    // The program runs while the hooks behind its start do.
    let started = started.strip_prefix(&created).unwrap_or_default().trim_start_matches(", ");
    let place = |name| names(started).split(' ').position(|one| one == name);
    let (hook, program, after) = (place("startContainer"), place("process"), place("poststart"));
    facts.holds("startContainer before the program", hook.is_some() && hook < program);
    facts.holds("poststart after startContainer", after.is_some() && hook < after);
    facts.is("status in startContainer", status(started, "startContainer"), "created");
    facts.is("status in poststart", status(started, "poststart"), "running");
    assert!(bundle.does("delete", &[]));
    facts.is("status in poststop", status(&log(&bundle), "poststop"), "stopped");
}

pub fn failing_before_start(runtime: Runtime, facts: &mut Facts) {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let mut bundle = with_hooks(runtime, &["poststop"]);
        bundle.spec["hooks"][kind] = json!([failing()]);
        facts.holds(&format!("create fails with {kind}"), !bundle.create(&[]));
        facts.is(&format!("left behind by {kind}"), bundle.status(), "gone");
    }
    let mut bundle = with_hooks(runtime, &[]);
    fs::create_dir_all(bundle.inside("bin")).unwrap();
    bundle.spec["hooks"]["startContainer"] = json!([failing()]);
    assert!(bundle.create(&[]));
    facts.holds("start fails with startContainer", !bundle.does("start", &[]));
    let ended = eventually(|| matches!(&*bundle.status(), "stopped" | "gone").then_some(()));
    facts.holds("startContainer ends it", ended.is_some());
    facts.is("and its program did not run", log(&bundle), "");
}

/// "If any poststart hook fails, the runtime MUST log a warning, but the remaining hooks and lifecycle continue as if
/// the hook had succeeded"; the same of poststop.
pub fn failing_after_start(runtime: Runtime, facts: &mut Facts) {
    let mut bundle = Bundle::new(runtime, "sleep 1000");
    let place = bundle.inside("data/log");
    let second = logging("second", place.to_str().unwrap());
    bundle.spec["hooks"]["poststart"] = json!([failing(), second.clone()]);
    bundle.spec["hooks"]["poststop"] = json!([failing(), second]);
    facts.holds("create", bundle.create(&[]));
    facts.holds("start", bundle.does("start", &[]));
    facts.is("status", bundle.status(), "running");
    let calls = |bundle: &Bundle| log(bundle).matches("second").count();
    facts.is("the second poststart hook is called", calls(&bundle), 1);
    let _ = bundle.call("delete", &["--force"], &[]);
    facts.is("after delete", bundle.status(), "gone");
    facts.is("the second poststop hook is called too", calls(&bundle), 2);
}

pub fn environment_and_timeout(runtime: Runtime, facts: &mut Facts) {
    let mut bundle = Bundle::new(runtime, "true");
    let place = bundle.inside("data/log");
    let script = format!(
        "env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD= > {}; echo \"$0 $*\" >> {0}",
        place.display()
    );
    bundle.spec["hooks"]["createRuntime"] = json!([{"path": "/bin/sh", "args": ["zero", "-c", script, "name", "a b"], "env": ["PATH=/usr/bin:/bin", "A=b c"]}]);
    let status = bundle.run().status;
    facts.holds("runs", status.success());
    let mut seen: Vec<String> = log(&bundle).split(", ").map(str::to_owned).collect();
    seen.sort_unstable();
    facts.is("environment and arguments", seen.join("|"), "A=b c|PATH=/usr/bin:/bin|name a b");
    let mut bundle = Bundle::new(runtime, "true");
    bundle.spec["hooks"]["createRuntime"] =
        json!([{"path": "/bin/sleep", "args": ["sleep", "1000"], "timeout": 1}]);
    facts.holds("a hook that takes too long fails", !bundle.create(&[]));
    facts.is("and leaves", bundle.status(), "gone");
}
