//! From `create` to `delete`, with every state asked for everything.

use isopod_tests::until;
use serde_json::Value;

use crate::bundle::{Bundle, Runtime};

/// Status and message of a command.
fn step(runtime: &Runtime, words: &[&str]) -> String {
    let told = runtime.run(words);
    // It calls itself what it was called.
    let message = told.message().replace("\"/usr/sbin/runc: ", "\"runc: ");
    format!("{words:?}: {} {message}", told.status)
}

#[test]
fn every_command_in_every_state_answers_as_runc_does() {
    let bundle = Bundle::new();
    let steps = bundle.compare(|runtime| {
        let mut steps = Vec::new();
        let all = |steps: &mut Vec<String>| {
            for words in [
                &["start", "c1"][..],
                &["resume", "c1"],
                &["exec", "c1", "true"],
                &["delete", "c1"],
                &["kill", "c1", "XYZ"],
            ] {
                steps.push(step(runtime, words));
            }
        };
        for words in [
            &["state", "c1"][..],
            &["start", "c1"],
            &["kill", "c1", "9"],
            &["exec", "c1", "true"],
            &["pause", "c1"],
            &["resume", "c1"],
            &["ps", "c1"],
            &["delete", "c1"],
            &["delete", "--force", "c1"],
            &["update", "--memory", "10000000", "c1"],
            &["events", "--stats", "c1"],
        ] {
            steps.push(step(runtime, words));
        }
        steps.push(format!("{}", runtime.leave(&["create", "c1"])));
        steps.push(step(runtime, &["create", "c1"]));
        steps.push(runtime.status("c1"));
        steps.push(step(runtime, &["start", "c1"]));
        steps.push(runtime.status("c1"));
        all(&mut steps);
        steps.push(step(runtime, &["pause", "c1"]));
        steps.push(runtime.status("c1"));
        steps.push(step(runtime, &["pause", "c1"]));
        steps.push(step(runtime, &["start", "c1"]));
        steps.push(step(runtime, &["exec", "c1", "true"]));
        steps.push(step(runtime, &["delete", "c1"]));
        steps.push(step(runtime, &["resume", "c1"]));
        steps.push(step(runtime, &["kill", "c1"]));
        steps.push(step(runtime, &["kill", "c1", "SIGKILL"]));
        until("the end", || runtime.status("c1") == "stopped");
        steps.push(format!("pid {}", runtime.state("c1")["pid"]));
        steps.push(step(runtime, &["kill", "c1", "KILL"]));
        steps.push(step(runtime, &["kill", "--all", "c1", "KILL"]));
        steps.push(step(runtime, &["pause", "c1"]));
        steps.push(step(runtime, &["exec", "c1", "true"]));
        steps.push(step(runtime, &["delete", "c1"]));
        steps.push(step(runtime, &["delete", "c1"]));
        steps.push(format!("{:?}", std::fs::read_dir(runtime.root()).unwrap().count()));
        steps
    });
    assert!(steps.iter().any(|step| step.contains("container not running")), "{steps:#?}");
}

#[test]
fn a_created_container_can_be_deleted_and_a_running_one_by_force() {
    Bundle::new().compare(|runtime| {
        let mut steps = vec![runtime.leave(&["create", "c1"]).to_string()];
        steps.push(step(runtime, &["delete", "c1"]));
        steps.push(runtime.leave(&["run", "-d", "c1"]).to_string());
        steps.push(runtime.status("c1"));
        steps.push(step(runtime, &["delete", "-f", "c1"]));
        steps.push(step(runtime, &["state", "c1"]));
        steps
    });
}

#[test]
fn a_created_container_that_was_killed_is_not_started() {
    let bundle = Bundle::new();
    let ours = bundle.ours();
    assert_eq!(ours.leave(&["create", "c1"]), 0);
    assert_eq!(ours.run(&["kill", "c1", "KILL"]).status, 0);
    until("the end", || ours.status("c1") == "stopped");
    let told = ours.run(&["start", "c1"]);
    assert_eq!(
        (told.status, told.message().as_str()),
        (1, "\"cannot start a container that has stopped\"")
    );
}

#[test]
fn wrong_command_lines_are_refused_as_runc_refuses_them() {
    Bundle::new().compare(|runtime| {
        let lines = [
            &["create", "a/b"][..],
            &["create", "."],
            &["create"],
            &["create", "--nonsense", "x"],
            &["create", "a", "b"],
            &["state"],
            &["delete", "a", "b"],
            &["pause"],
            &["start", "a", "b"],
        ];
        lines.iter().map(|words| step(runtime, words)).collect()
    });
    let bundle = Bundle::new();
    let ours = bundle.ours();
    assert_eq!(ours.run(&["nonsense"]).status, 3);
    for (words, part) in [
        (&["--systemd-cgroup", "list"][..], "systemd does not run on this machine"),
        (&["--rootless", "true", "list"], "--rootless=true is not supported"),
        (&["--criu", "x", "list"], "--criu is not supported"),
        (&["checkpoint", "--image-path", "x", "c1"], "`runc checkpoint` is not supported (c1)"),
        (&["restore", "c1"], "`runc restore` is not supported (c1)"),
        (&["spec", "--rootless"], "`runc spec --rootless` is not supported"),
        (&["--log-format", "x", "list"], "invalid log-format: x"),
    ] {
        let told = ours.run(words);
        assert_eq!(told.status, 1, "{words:?}");
        assert!(told.err.contains(part), "{words:?}: {}", told.err);
    }
}

#[test]
fn state_and_list_have_the_same_fields() {
    let bundle = Bundle::new();
    bundle.set("/annotations", serde_json::json!({"org.example.a": "b"}));
    bundle.compare(|runtime| {
        assert_eq!(runtime.leave(&["run", "-d", "--pid-file", "../pid", "c1"]), 0);
        let pid = std::fs::read_to_string(bundle.path("pid")).unwrap();
        let mut state = runtime.state("c1");
        let mut listed: Value =
            serde_json::from_str(&runtime.run(&["list", "-f", "json"]).out).unwrap();
        for one in [&mut state, &mut listed[0]] {
            assert_eq!(one["pid"].to_string(), pid);
            one["pid"] = 1.into();
            assert!(one["created"].as_str().unwrap().ends_with('Z'));
            one["created"] = "".into();
        }
        let table = runtime.run(&["list"]).out;
        let columns: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
        let json = runtime.run(&["ps", "-f", "json", "c1"]).out.trim().replace(&pid, "PID");
        let ps = runtime.run(&["ps", "c1"]).out.lines().count();
        let args = runtime.run(&["ps", "c1", "-o", "pid,args"]).out.replace(&pid, "PID");
        let args: Vec<&str> = args.split_whitespace().collect();
        let steps = vec![
            state.to_string(),
            listed.to_string(),
            columns.join(" "),
            runtime.run(&["list", "-q"]).out,
            json,
            ps.to_string(),
            args.join(" "),
        ];
        assert_eq!(runtime.run(&["delete", "-f", "c1"]).status, 0);
        steps
    });
}

#[test]
fn engines_read_the_last_line_of_the_log() {
    let bundle = Bundle::new();
    let log = bundle.path("log.json");
    bundle.compare(|runtime| {
        std::fs::remove_file(&log).ok();
        let log = log.display().to_string();
        let told = runtime.run(&["--log", &log, "--log-format", "json", "start", "c1"]);
        let line = std::fs::read_to_string(&log).unwrap();
        let mut line: Value = serde_json::from_str(line.lines().last().unwrap()).unwrap();
        assert_eq!(line["time"].as_str().unwrap().len(), 20);
        line["time"] = "".into();
        vec![line.to_string(), format!("{told:?}")]
    });
    let version = bundle.ours().run(&["--version"]).out;
    let mut lines = version.lines();
    assert!(lines.next().unwrap().starts_with("runc version "), "{version}");
    assert!(lines.next().unwrap().starts_with("spec: 1."), "{version}");
}

#[test]
fn limits_are_changed_and_read_back() {
    let bundle = Bundle::new();
    bundle.compare(|runtime| {
        assert_eq!(runtime.leave(&["run", "-d", "c1"]), 0);
        let mut steps = Vec::new();
        let read = |controller: &str, file: &str| {
            let path = format!("/sys/fs/cgroup/{controller}{}/c1/{file}", runtime.cgroup());
            format!("{file} {}", std::fs::read_to_string(path).unwrap())
        };
        steps.push(step(runtime, &["update", "--memory", "33554432", "--cpu-share", "512", "c1"]));
        steps.push(read("memory", "memory.limit_in_bytes"));
        steps.push(read("cpu", "cpu.shares"));
        steps.push(step(runtime, &["update", "--pids-limit", "17", "c1"]));
        steps.push(read("pids", "pids.max"));
        steps.push(read("memory", "memory.limit_in_bytes"));
        std::fs::write(bundle.path("r"), r#"{"cpu": {"quota": 20000, "period": 100000}}"#).unwrap();
        steps.push(step(runtime, &["update", "-r", "../r", "c1"]));
        steps.push(read("cpu", "cpu.cfs_quota_us"));
        let stats: Value =
            serde_json::from_str(&runtime.run(&["events", "--stats", "c1"]).out).unwrap();
        let data = &stats["data"];
        steps.push(format!("{} {}", data["memory"]["usage"]["limit"], data["pids"]));
        assert!(data["cpu"]["usage"]["total"].as_u64().unwrap() > 0);
        assert_eq!(runtime.run(&["delete", "-f", "c1"]).status, 0);
        steps
    });
}

/// As runc does it: between the lines of others, in the log's own format.
#[test]
fn what_is_done_is_logged_if_asked_for() {
    let bundle = Bundle::new();
    let ours = bundle.ours();
    let log = bundle.path("log.json");
    let log = log.to_str().unwrap();
    assert_eq!(ours.leave(&["--log", log, "--log-format", "json", "run", "-d", "quiet"]), 0);
    assert!(!std::path::Path::new(log).exists());
    bundle.set("/linux/cgroupsPath", serde_json::json!(format!("{}/other", ours.cgroup())));
    let debug = ["--debug", "--log", log, "--log-format", "json"];
    let steps: [&[&str]; 5] = [
        &["create", "c1"],
        &["start", "c1"],
        &["exec", "c1", "true"],
        &["update", "--pids-limit", "17", "c1"],
        &["delete", "-f", "c1"],
    ];
    for step in steps {
        std::fs::remove_file(log).ok();
        assert_eq!(ours.leave(&[&debug[..], step].concat()), 0, "{}", ours.left());
        let text = std::fs::read_to_string(log).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.len() > 1 && lines.iter().all(|line| line["level"] == "debug"), "{text}");
        assert!(lines[0]["msg"].as_str().unwrap().starts_with(step[0]), "{text}");
        assert_eq!(ours.left(), "");
    }
    let told = ours.run(&["--debug", "state", "quiet"]);
    assert!(told.err.contains(" level=debug msg=\"state: "), "{told:?}");
    serde_json::from_str::<Value>(&told.out).unwrap();
}

/// runc 1.1 warns of it, and 1.2 refuses it: "container's cgroup is not empty".
#[test]
fn a_cgroup_with_processes_of_others_is_left_alone() {
    let bundle = Bundle::new();
    let ours = bundle.ours();
    assert_eq!(ours.leave(&["run", "-d", "c1"]), 0, "{}", ours.left());
    assert_ne!(ours.leave(&["run", "-d", "c2"]), 0);
    let left = ours.left();
    assert!(left.contains("container's cgroup is not empty: 1 process(es) found"), "{left}");
    assert_eq!(ours.status("c1"), "running");
    assert_eq!(ours.run(&["list", "-q"]).out, "c1\n");
    assert_eq!(ours.run(&["exec", "c1", "echo", "there"]).out, "there\n");
    assert_eq!(ours.run(&["delete", "-f", "c1"]).status, 0);
    // With its last process the group is anybody's.
    assert_eq!(ours.leave(&["run", "-d", "c2"]), 0, "{}", ours.left());
    assert_eq!(ours.run(&["delete", "-f", "c2"]).status, 0);
}

/// On cgroup v1; runc writes the container's own wish with every update too.
#[test]
fn an_update_leaves_the_out_of_memory_killer_disabled() {
    let bundle = Bundle::new();
    bundle.set(
        "/linux/resources/memory",
        serde_json::json!({"limit": 67_108_864, "disableOOMKiller": true}),
    );
    bundle.compare(|runtime| {
        assert_eq!(runtime.leave(&["run", "-d", "c1"]), 0, "{}", runtime.left());
        let read = || {
            let path = format!("/sys/fs/cgroup/memory{}/c1/memory.oom_control", runtime.cgroup());
            std::fs::read_to_string(path).unwrap()
        };
        let before = read();
        let updated = step(runtime, &["update", "--memory", "33554432", "c1"]);
        let steps = vec![before, updated, read()];
        assert_eq!(runtime.run(&["delete", "-f", "c1"]).status, 0);
        steps
    });
}
