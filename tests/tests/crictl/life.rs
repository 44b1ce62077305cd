//! A pod through its whole life, by every command that containerd 1.6 has an answer for. What is expected is what
//! containerd's own client says of the same objects, and the forms of cri-tools' `docs/crictl.md`.

use isopod_tests::until;

use crate::containerd::Containerd;

fn words(text: &str, line: usize) -> Vec<String> {
    text.lines().nth(line).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_pod_lives_and_every_command_tells_of_it() {
    let containerd = Containerd::start();
    let run = |arguments: &[&str]| containerd.run(arguments);

    // The runtime itself.
    let version = run(&["version"]).ok();
    assert!(
        version.starts_with("Version:  0.1.0\nRuntimeName:  containerd\nRuntimeVersion:  1."),
        "{version}"
    );
    let info = run(&["info"]).json();
    assert_eq!(info["status"]["conditions"][0]["type"], "RuntimeReady");
    assert_eq!(info["status"]["conditions"][0]["status"], true);
    assert!(info["config"]["containerd"]["snapshotter"] == "native", "{info}");
    let quiet = run(&["info", "-q"]).json();
    assert_eq!(quiet.get("config"), None);
    let template = "{{range .status.conditions}}{{.type}} {{end}}";
    let types = run(&["info", "-o", "go-template", "--template", template]).ok();
    assert_eq!(types, "RuntimeReady NetworkReady \n");

    // Images.
    let image = containerd.image();
    assert!(run(&["pull", &image]).ok().starts_with("Image is up to date for sha256:"));
    assert!(containerd.ctr(&["images", "ls", "-q"]).contains(&image));
    let table = run(&["images", "--no-trunc", &image]).ok();
    assert_eq!(words(&table, 0), ["IMAGE", "TAG", "IMAGE", "ID", "SIZE"]);
    let row = words(&table, 1);
    let (repository, tag) = image.rsplit_once(':').unwrap();
    assert_eq!((row[0].as_str(), row[1].as_str()), (repository, tag));
    let id = row[2].clone();
    assert_eq!(run(&["images", "-q", &image]).ok(), format!("{id}\n"));
    let inspected = run(&["inspecti", &image]).json();
    assert_eq!(inspected["status"]["id"], id.as_str());
    assert_eq!(inspected["info"]["imageSpec"]["config"]["Cmd"][0], "/bin/sh");
    let size: String = inspected["status"]["size"].as_str().unwrap().to_owned();
    assert!(size.parse::<u64>().unwrap() > 500_000, "{size}");
    let places = run(&["imagefsinfo"]).json();
    let place = places["status"]["imageFilesystems"][0]["fsId"]["mountpoint"].as_str().unwrap();
    assert!(place.ends_with("io.containerd.snapshotter.v1.native"), "{place}");

    // A pod.
    let pod_file = containerd.pod_file("one");
    let pod = run(&["runp", &pod_file]).ok().trim().to_owned();
    assert_eq!(pod.len(), 64);
    let table = run(&["pods"]).ok();
    assert_eq!(
        words(&table, 0),
        ["POD", "ID", "CREATED", "STATE", "NAME", "NAMESPACE", "ATTEMPT", "RUNTIME"]
    );
    let row = words(&table, 1);
    assert_eq!(row[0], pod[..13]);
    assert_eq!(row[row.len() - 5..], ["Ready", "one", "default", "1", "(default)"]);
    for (arguments, found) in [
        (&["--name", "^o"] as &[&str], true),
        (&["--name", "^x"], false),
        (&["--namespace", "default"], true),
        (&["--state", "NotReady"], false),
        (&["-s", "ready"], true),
        (&["--label", "app=one"], true),
        (&["--label", "app=two"], false),
        (&["--id", &pod[..10]], true),
        (&["--last", "3"], true),
    ] {
        let listed = run(&[&["pods", "-q"], arguments].concat()).ok();
        assert_eq!(listed.trim() == pod, found, "{arguments:?}: {listed}");
    }
    let listed = run(&["pods", "-o", "json"]).json();
    assert_eq!(listed["items"][0]["state"], "SANDBOX_READY");
    assert_eq!(listed["items"][0]["metadata"]["uid"], "uid-one");
    let status = run(&["inspectp", &pod[..13]]).json();
    assert_eq!(status["status"]["id"], pod.as_str());
    assert_eq!(status["status"]["linux"]["namespaces"]["options"]["network"], "NODE");
    let pid = status["info"]["pid"].as_u64().unwrap();
    assert!(containerd.ctr(&["tasks", "ls"]).contains(&format!("{pod}    {pid}")));

    // A container in it.
    let script =
        "echo one; echo two >&2; trap 'echo bye; exit 7' TERM; while :; do sleep 0.1; done";
    let file = containerd.container_file("web", script);
    let container = run(&["create", &pod, &file, &pod_file]).ok().trim().to_owned();
    assert_eq!(run(&["ps", "-q"]).ok(), "", "it does not run yet");
    assert_eq!(run(&["ps", "-aq"]).ok(), format!("{container}\n"));
    assert_eq!(run(&["inspect", &container]).json()["status"]["startedAt"], "0001-01-01T00:00:00Z");
    assert_eq!(run(&["start", &container]).ok(), format!("{container}\n"));
    let table = run(&["ps"]).ok();
    let header = [
        "CONTAINER",
        "IMAGE",
        "CREATED",
        "STATE",
        "NAME",
        "ATTEMPT",
        "POD",
        "ID",
        "POD",
        "NAMESPACE",
    ];
    assert_eq!(words(&table, 0), header);
    let row = words(&table, 1);
    assert_eq!(row[0], container[..13]);
    assert_eq!(row[row.len() - 6..], ["Running", "web", "0", &pod[..13], "pod-of-it", "unknown"]);
    assert!(run(&["ps", "-r"]).ok().contains(&image), "by its name");
    for (arguments, found) in [
        (&["--name", "w.b"] as &[&str], true),
        (&["--image", &image], true),
        (&["--image", &id], true),
        (&["--image", "nosuch:1"], false),
        (&["--pod", &pod], true),
        (&["--state", "exited"], false),
        (&["--label", "app=web"], true),
        (&["--namespace", "^unknown$"], true),
        (&["-l"], true),
    ] {
        let listed = run(&[&["ps", "-q"], arguments].concat()).ok();
        assert_eq!(listed.trim() == container, found, "{arguments:?}: {listed}");
    }
    let yaml = run(&["ps", "-o", "yaml"]).ok();
    assert!(yaml.starts_with("containers:\n- annotations: {}\n  createdAt: \"1"), "{yaml}");
    let exit = run(&["exec", "-s", &container, "sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert_eq!((exit.status, exit.out.as_str(), exit.err.as_str()), (3, "out\n", "err\n"));

    // What it uses, and may.
    let stats = run(&["stats", "-s", "1"]).ok();
    assert_eq!(
        words(&stats, 0),
        ["CONTAINER", "NAME", "CPU", "%", "MEM", "DISK", "INODES", "SWAP"]
    );
    assert_eq!(words(&stats, 1)[..2], [&container[..13], "web"]);
    let stats = run(&["stats", "-o", "json", &container]).json();
    assert_eq!(stats["stats"][0]["attributes"]["metadata"]["name"], "web");
    assert_eq!(run(&["update", "--cpu-share", "512", &container]).ok(), format!("{container}\n"));
    let shares = &run(&["inspect", &container]).json()["info"]["runtimeSpec"]["linux"]["resources"]
        ["cpu"]["shares"];
    assert_eq!(*shares, 512);

    // Its end.
    until("both lines are logged", || {
        let told = run(&["logs", &container]);
        (told.out.as_str(), told.err.as_str()) == ("one\n", "two\n")
    });
    let error = run(&["rm", &container]).failed(1);
    assert!(error.contains("is running: stop it first, or give -f"), "{error}");
    assert_eq!(run(&["stop", "-t", "10", &container]).ok(), format!("{container}\n"));
    let status = run(&["inspect", "-q", &container]).json();
    assert_eq!(status["status"]["exitCode"], 7);
    assert_eq!(status["status"]["state"], "CONTAINER_EXITED");
    assert_eq!(status.get("info"), None);
    assert_eq!(run(&["logs", "--tail", "1", &container]).out, "bye\n");
    let log = status["status"]["logPath"].as_str().unwrap().to_owned();
    std::fs::write(format!("{log}.20260101-000000"), "").unwrap();
    assert_eq!(run(&["rm", &container]).ok(), format!("{container}\n"));
    assert!(
        !std::path::Path::new(&log).exists()
            && !std::path::Path::new(&format!("{log}.20260101-000000")).exists()
    );
    assert_eq!(containerd.ctr(&["containers", "ls", "-q"]).trim(), pod);

    // The pod's.
    let error = run(&["rmp", &pod]).failed(1);
    assert!(error.contains("is running: stop it first, or give -f"), "{error}");
    assert_eq!(run(&["stopp", &pod]).ok(), format!("Stopped sandbox {pod}\n"));
    assert_eq!(run(&["pods", "-q", "-s", "notready"]).ok(), format!("{pod}\n"));
    assert_eq!(run(&["rmp", &pod]).ok(), format!("Removed sandbox {pod}\n"));
    assert_eq!(containerd.ctr(&["containers", "ls", "-q"]), "");
    assert_eq!(run(&["rmi", &id]).ok(), format!("Deleted: {image}\n"));
    assert!(run(&["rmi", &id]).failed(1).contains("no such image"));
}

#[test]
fn run_pulls_makes_and_starts_in_one_go() {
    let containerd = Containerd::start();
    let run = |arguments: &[&str]| containerd.run(arguments);
    let (pod, sleep) =
        (containerd.pod_file("two"), "trap 'exit 0' TERM; while :; do sleep 0.1; done");
    let file = containerd.container_file("runner", sleep);
    let error = run(&["run", "--no-pull", &file, &pod]).failed(1);
    assert!(
        error.contains("creating a container in pod sandbox"),
        "the image is not there: {error}"
    );
    assert_eq!(run(&["rmp", "-fa"]).status, 0);
    let container = run(&["run", &file, &pod]).ok().trim().to_owned();
    assert_eq!(run(&["ps", "-q"]).ok(), format!("{container}\n"));
    let error = run(&["run", &file, &pod]).failed(1);
    assert!(error.contains("rpc error: code = Unknown") && error.contains("reserved"), "{error}");
    // What a container uses is not pruned.
    run(&["rmi", "--prune"]);
    assert_ne!(run(&["images", "-q", &containerd.image()]).ok(), "");
    let removed = run(&["rm", "-fa"]).ok();
    assert_eq!(removed, format!("{container}\n{container}\n"), "stopped, and removed");
    assert_eq!(run(&["ps", "-aq"]).ok(), "");
    assert!(run(&["rmi", "--prune"]).ok().contains(&containerd.image()));
    assert_eq!(run(&["rmp", "-fa"]).status, 0);
    assert_eq!(run(&["pods", "-q"]).ok(), "");
}

#[test]
fn logs_are_followed_through_a_rotation_until_the_container_ends() {
    let containerd = Containerd::start();
    let run = |arguments: &[&str]| containerd.run(arguments);
    let script = "echo 1; while [ ! -e /tmp/on ]; do sleep 0.1; done; echo 2; while [ ! -e /tmp/end ]; do sleep 0.1; done; echo 3";
    let file = containerd.container_file("talker", script);
    let container = run(&["run", &file, &containerd.pod_file("three")]).ok().trim().to_owned();
    let told = std::thread::scope(|scope| {
        let follower = scope.spawn(|| run(&["logs", "-f", &container]));
        let log =
            run(&["inspect", &container]).json()["status"]["logPath"].as_str().unwrap().to_owned();
        let has = |text: &str| std::fs::read_to_string(&log).is_ok_and(|log| log.contains(text));
        until("the first line", || has("F 1"));
        std::fs::rename(&log, format!("{log}.1")).unwrap();
        run(&["exec", "-s", &container, "sh", "-c", ": > /tmp/on"]).ok();
        // Into the old file, which is open still.
        until("the second line", || {
            std::fs::read_to_string(format!("{log}.1")).unwrap().contains("F 2")
        });
        run(&["logs", "--reopen", &container]).ok();
        run(&["exec", "-s", &container, "sh", "-c", ": > /tmp/end"]).ok();
        follower.join().unwrap()
    });
    assert_eq!(told.ok(), "1\n2\n3\n");
    let stamped = run(&["logs", "-t", "--tail", "1", &container]).ok();
    let (time, text) = stamped.split_once(' ').unwrap();
    assert!(time.starts_with("20") && text == "3\n", "{stamped}");
    assert_eq!(run(&["logs", "--since", "1h", &container]).ok(), "3\n");
    assert_eq!(run(&["logs", "--since", "2999-01-01T00:00:00Z", &container]).ok(), "");
    assert_eq!(run(&["logs", "-s", "stderr", &container]).ok(), "");
    let error = run(&["logs", "-p", &container]).failed(1);
    assert!(error.contains("previous terminated container talker not found"), "{error}");
    assert!(run(&["logs", "nosuch"]).failed(1).contains("code = NotFound"));
}
