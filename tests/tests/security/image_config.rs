//! Row 11: nothing an image says reaches the host's paths, loggers or policies (CVE-2022-23648).

use std::fs;

use isopod_tests::TestContext;
use serde_json::{Value, json};

use crate::image::Image;

const IMAGE: &str = "localhost/says:latest";

/// Beginnings of keys that steer runtimes and orchestrators, as their documents list them.
const RESERVED: &[&str] = &[
    "io.kubernetes.container.name",
    "io.kubernetes.pod.namespace",
    "io.cri-containerd.kind",
    "containerd.io/restart.status",
    "containerd.io/restart.logpath",
    "nerdctl/log-uri",
    "nerdctl/state-dir",
    "nerdctl/networks",
    "run.oci.keep_original_groups",
    "run.oci.hooks.stderr",
    "org.criu.config",
    "org.systemd.property.ExecStartPre",
    "isopod.namespace",
    "com.docker.network.bridge.name",
];

#[test]
fn reserved_keys_of_an_image_go_nowhere() {
    let context = TestContext::without_registries();
    let mut labels: serde_json::Map<String, Value> = serde_json::Map::new();
    for key in RESERVED {
        labels.insert((*key).to_owned(), json!("binary:///tmp/hostile"));
    }
    labels.insert("org.opencontainers.image.title".to_owned(), json!("harmless"));
    Image::new().says("Labels", Value::Object(labels)).import(&context, IMAGE);
    let run = ["run", "-d", "--name", "c1", "--network", "none", IMAGE, "sleep", "600"];
    context.isopod(run).succeeds();
    let shown: Value = context.isopod(["inspect", "c1"]).json();
    let labels = shown[0]["Config"]["Labels"].as_object().unwrap();
    assert_eq!(labels.keys().collect::<Vec<_>>(), ["org.opencontainers.image.title"]);
    // Nor to the documents that the monitor and libcontainer read.
    let mut documents = 0;
    let mut folders = vec![context.path("root/containers"), context.path("state")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name().to_str().unwrap().ends_with(".json") {
                let text = fs::read_to_string(entry.path()).unwrap();
                documents += 1;
                assert!(!text.contains("hostile"), "{}: {text}", entry.path().display());
            }
        }
    }
    assert!(documents >= 2, "config.json and launch.json are there");
}

#[test]
fn volumes_of_an_image_are_places_inside_or_refused() {
    for bad in ["/", "../..", "/data/../../../etc", "", "relative", "/./.."] {
        let context = TestContext::without_registries();
        Image::new().says("Volumes", json!({bad: {}})).import(&context, IMAGE);
        let run = ["run", "--rm", "--network", "none", IMAGE, "true"];
        context.isopod(run).fails_with(125).complains_of("volume");
        assert!(context.containers().is_empty(), "{bad:?}");
    }
    // Over the kernel's own folders a volume would hide what masks them.
    for place in ["/proc", "/proc/sys", "/sys", "/sys/fs/cgroup", "/dev", "/dev/shm", "/etc"] {
        let context = TestContext::without_registries();
        Image::new().says("Volumes", json!({place: {}})).import(&context, IMAGE);
        let script = "( : >> /proc/sys/kernel/core_pattern ) 2>/dev/null && echo open
            ( : >> /proc/sysrq-trigger ) 2>/dev/null && echo open
            cat /proc/kcore 2>/dev/null | head -c 10 | wc -c";
        let outcome =
            context.isopod(["run", "--rm", "--network", "none", IMAGE, "sh", "-c", script]);
        assert!(outcome.code != 0 || outcome.stdout == "0\n", "{place} {outcome}");
        outcome.never_mentions("open").never_mentions("panicked");
    }
}

#[test]
fn other_words_of_an_image_stay_in_the_container() {
    let context = TestContext::without_registries();
    let said = [
        (
            "Env",
            json!([
                "PATH=/bin",
                "LD_PRELOAD=/x.so",
                "ISOPOD_ROOT=/hostile",
                "NOTIFY_SOCKET=/run/x",
                "=x",
                "A\u{0}B=c",
                "nothing"
            ]),
        ),
        ("StopSignal", json!("SIGRTMAX+99")),
        ("Hostname", json!("../../x")),
        ("Entrypoint", json!([])),
        ("Cmd", json!(["sh", "-c", "true"])),
        ("ExposedPorts", json!({"99999999/xyz": {}, "": {}})),
        ("Healthcheck", json!({"Test": ["CMD-SHELL", "touch /tmp/hostile"]})),
        ("OnBuild", json!(["RUN true"])),
        ("WorkingDir", json!("../../../../tmp")),
    ];
    for (key, value) in said {
        let name = format!("localhost/says:{}", key.to_lowercase());
        let image = Image::new().says(key, value);
        let path = context.path("image.tar");
        fs::write(&path, image.archive(&name)).unwrap();
        let imported = context.isopod(["ctr", "images", "import", path.to_str().unwrap()]);
        imported.never_mentions("panicked");
        if imported.code == 0 {
            let run = ["run", "--rm", "--network", "none", &name];
            let outcome = context.isopod(run);
            outcome.never_mentions("panicked");
            assert!([0, 125].contains(&outcome.code), "{key} {outcome}");
        }
    }
    assert!(context.containers().is_empty());
}
