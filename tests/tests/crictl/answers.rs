//! What containerd 1.6 has no answer for, what a runtime may do wrong, and what is asked of it. Forms are those of
//! cri-tools' `docs/crictl.md` and of protobuf's JSON mapping.

use isopod_cri_protocol::v1;
use serde_json::json;
use tonic::Status;

use crate::client::{crictl, told};
use crate::fake::Fake;

#[test]
fn an_error_of_the_runtime_is_said_with_its_code() {
    let fake = Fake::default()
        .failing("container_status", Status::not_found("container \"x\" not found"))
        .start();
    let error = fake.run(&["inspect", "x"]).failed(1);
    assert_eq!(
        error,
        "crictl: getting the status of container \"x\": rpc error: code = NotFound desc = container \"x\" not found\n"
    );
    let error = fake.run(&["ps"]).failed(1);
    assert!(error.contains("code = Unimplemented"), "{error}");
    assert!(error.contains("hint: this runtime does not offer that"), "{error}");
}

#[test]
fn a_runtime_that_does_not_answer_in_time_is_given_up() {
    let fake = Fake::default().hanging("list_containers").hanging("stop_container").start();
    let error = fake.run(&["-t", "200ms", "ps"]).failed(1);
    assert!(
        error.contains(
            "listing containers: rpc error: code = DeadlineExceeded desc = no answer within 200ms"
        ),
        "{error}"
    );
    // The time that the container is given is the runtime's to wait.
    let error = fake.run(&["-t", "200ms", "stop", "-t", "1", "x"]).failed(1);
    assert!(error.contains("no answer within 1200ms"), "{error}");
    assert_eq!(fake.asked::<v1::StopContainerRequest>("stop_container").timeout, 1);
}

#[test]
fn nobody_there_is_said_with_what_to_do() {
    let nowhere = std::path::Path::new("/nowhere/cri.sock");
    let error = told(&mut crictl(nowhere, &["ps"])).failed(1);
    assert!(error.contains("cannot connect to unix:///nowhere/cri.sock: No such file"), "{error}");
    assert!(error.contains("hint: is the runtime running"), "{error}");
    let error = told(&mut crictl(nowhere, &["-r", "ftp://x", "ps"])).failed(1);
    assert!(error.contains("protocol \"ftp\""), "{error}");
    let error = told(&mut crictl(nowhere, &["-r", "", "ps"])).failed(1);
    assert!(error.contains("--runtime-endpoint is empty"), "{error}");
}

#[test]
fn this_instances_own_runtime_is_the_usual_one() {
    let fake = Fake::default()
        .with("version", v1::VersionResponse { runtime_name: "fake".into(), ..Default::default() })
        .start();
    let mut command = crictl(&fake.socket(), &["version"]);
    command.env_remove("CONTAINER_RUNTIME_ENDPOINT").env("ISOPOD_STATE", fake.path(""));
    let done = told(&mut command);
    assert_eq!(done.err, "");
    assert_eq!(
        done.out,
        "Version:  \nRuntimeName:  fake\nRuntimeVersion:  \nRuntimeApiVersion:  \n"
    );
}

#[test]
fn flag_comes_before_environment_and_environment_before_file() {
    let images = Fake::default().with("list_images", v1::ListImagesResponse::default()).start();
    let runtime =
        Fake::default().with("list_containers", v1::ListContainersResponse::default()).start();
    let url = |socket: std::path::PathBuf| format!("unix://{}", socket.display());
    let text = format!(
        "runtime-endpoint: {}\nimage-endpoint: {}\n",
        url(runtime.socket()),
        url(images.socket())
    );
    let file = runtime.file("crictl.yaml", &text);
    let with_file = |arguments: &[&str]| {
        let mut command = crictl(&runtime.socket(), arguments);
        command.env_remove("CONTAINER_RUNTIME_ENDPOINT").env("CRI_CONFIG_FILE", &file);
        command
    };
    assert_eq!(told(&mut with_file(&["ps", "-q"])).ok(), "");
    assert_eq!(told(&mut with_file(&["images", "-q"])).ok(), "");
    let nowhere = "unix:///nowhere";
    assert_ne!(told(with_file(&["ps"]).env("CONTAINER_RUNTIME_ENDPOINT", nowhere)).status, 0);
    assert_ne!(told(with_file(&["images"]).env("IMAGE_SERVICE_ENDPOINT", nowhere)).status, 0);
    let flag = url(runtime.socket());
    let mut command = with_file(&["-r", &flag, "ps", "-q"]);
    assert_eq!(told(command.env("CONTAINER_RUNTIME_ENDPOINT", nowhere)).ok(), "");
    let error = told(&mut with_file(&["-c", "/nowhere/crictl.yaml", "ps"])).failed(1);
    assert!(error.contains("cannot read /nowhere/crictl.yaml"), "{error}");
    let wrong = runtime.file("wrong.yaml", "runtime_endpoint: x\n");
    let error = told(&mut with_file(&["-c", &wrong, "ps"])).failed(1);
    assert!(
        error.contains("wrong.yaml can't be used: \"runtime_endpoint\" is no option"),
        "{error}"
    );
}

#[test]
fn the_configuration_file_is_shown_and_changed() {
    let fake = Fake::default().start();
    let file = fake.file("crictl.yaml", "# mine\ntimeout: 10\n");
    let config = |arguments: &[&str]| fake.run(&[&["-c", &file, "config"], arguments].concat());
    assert_eq!(config(&["--get", "timeout"]).ok(), "10\n");
    assert_eq!(config(&["--set", "debug=true,runtime-endpoint=unix:///x"]).ok(), "");
    assert_eq!(config(&["timeout", "3"]).ok(), "");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text, "# mine\ntimeout: 3\ndebug: true\nruntime-endpoint: unix:///x\n");
    let listed = config(&["--list"]).ok();
    assert!(
        listed.starts_with("KEY                    VALUE\nruntime-endpoint       unix:///x\n"),
        "{listed}"
    );
    assert!(config(&["--set", "debug=perhaps"]).failed(1).contains("neither true nor false"));
    assert!(config(&["--get", "colour"]).failed(1).contains("\"colour\" is no option"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn events_are_printed_as_they_come() {
    let event = |kind: v1::ContainerEventType| v1::ContainerEventResponse {
        container_id: "c1".into(),
        container_event_type: kind.into(),
        created_at: 5,
        ..Default::default()
    };
    let events = [
        event(v1::ContainerEventType::ContainerCreatedEvent),
        event(v1::ContainerEventType::ContainerDeletedEvent),
    ];
    let fake = Fake::default().streaming("get_container_events", &events).start();
    let text = fake.run(&["events"]).ok();
    let first = "{\n  \"containerId\": \"c1\",\n  \"containerEventType\": \"CONTAINER_CREATED_EVENT\",\n  \"createdAt\": \"5\",\n  \"containersStatuses\": []\n}\n";
    assert!(text.starts_with(first), "{text}");
    let template = "{{.containerEventType}}";
    let text = fake.run(&["event", "-o", "go-template", "--template", template]).ok();
    assert_eq!(text, "CONTAINER_CREATED_EVENT\nCONTAINER_DELETED_EVENT\n");
    let text = fake.run(&["events", "-o", "yaml"]).ok();
    assert!(
        text.starts_with("containerEventType: CONTAINER_CREATED_EVENT\ncontainerId: c1\n"),
        "{text}"
    );
    let error = fake.run(&["events", "--template", "x"]).failed(1);
    assert!(error.contains("--template needs -o go-template"), "{error}");
    let error = fake.run(&["events", "-o", "go-template", "--template", "{{.nope}}"]).failed(1);
    assert!(error.contains("no key nope"), "{error}");
}

#[test]
fn metrics_and_statistics_of_pods_are_shown() {
    let number = |value| Some(v1::UInt64Value { value });
    let metric =
        v1::Metric { name: "m".into(), timestamp: 9, value: number(3), ..Default::default() };
    let of_pod = v1::PodSandboxMetrics {
        pod_sandbox_id: "p".into(),
        metrics: vec![metric],
        ..Default::default()
    };
    let descriptor =
        v1::MetricDescriptor { name: "m".into(), help: "h".into(), label_keys: vec!["id".into()] };
    let stats = v1::PodSandboxStats {
        attributes: Some(v1::PodSandboxAttributes { id: "p".into(), ..Default::default() }),
        ..Default::default()
    };
    let fake = Fake::default()
        .with(
            "list_pod_sandbox_metrics",
            v1::ListPodSandboxMetricsResponse { pod_metrics: vec![of_pod] },
        )
        .with(
            "list_metric_descriptors",
            v1::ListMetricDescriptorsResponse { descriptors: vec![descriptor] },
        )
        .with("list_pod_sandbox_stats", v1::ListPodSandboxStatsResponse { stats: vec![stats] })
        .start();
    let shown = fake.run(&["metricsp"]).json();
    let expected = json!({"podMetrics": [{"podSandboxId": "p", "containerMetrics": [], "metrics": [
        {"name": "m", "timestamp": "9", "metricType": "COUNTER", "labelValues": [], "value": {"value": "3"}}]}]});
    assert_eq!(shown, expected);
    let shown = fake.run(&["metricdescs", "-o", "yaml"]).ok();
    assert_eq!(shown, "descriptors:\n- help: h\n  labelKeys:\n  - id\n  name: m\n\n");
    let shown = fake.run(&["statsp", "-o", "json", "--label", "a=b", "p"]).json();
    assert_eq!(shown["stats"][0]["attributes"]["id"], "p");
    let filter =
        fake.asked::<v1::ListPodSandboxStatsRequest>("list_pod_sandbox_stats").filter.unwrap();
    assert_eq!((filter.id.as_str(), filter.label_selector["a"].as_str()), ("p", "b"));
    let table = fake.run(&["statsp", "-s", "0"]).ok();
    assert_eq!(table, "POD                 POD ID              CPU %               MEM\n");
}

#[test]
fn configuration_of_the_runtime_is_asked_and_told() {
    let driver = v1::LinuxRuntimeConfiguration { cgroup_driver: v1::CgroupDriver::Cgroupfs.into() };
    let fake = Fake::default()
        .with("runtime_config", v1::RuntimeConfigResponse { linux: Some(driver) })
        .with("update_runtime_config", v1::UpdateRuntimeConfigResponse {})
        .with("checkpoint_container", v1::CheckpointContainerResponse {})
        .start();
    assert_eq!(fake.run(&["runtime-config"]).ok(), "cgroup driver:   CGROUPFS\n");
    assert_eq!(fake.run(&["update-runtime-config", "-p", "10.1.0.0/16"]).status, 0);
    let asked = fake.asked::<v1::UpdateRuntimeConfigRequest>("update_runtime_config");
    assert_eq!(asked.runtime_config.unwrap().network_config.unwrap().pod_cidr, "10.1.0.0/16");
    assert_eq!(fake.run(&["checkpoint", "-e", "/a.tar", "x"]).ok(), "x\n");
    let asked = fake.asked::<v1::CheckpointContainerRequest>("checkpoint_container");
    assert_eq!((asked.container_id.as_str(), asked.location.as_str()), ("x", "/a.tar"));
    assert!(fake.run(&["checkpoint", "x"]).failed(1).contains("arguments are missing"));
}

#[test]
fn a_pull_carries_credentials_annotations_and_its_pod() {
    let fake = Fake::default()
        .with("pull_image", v1::PullImageResponse { image_ref: "sha256:1".into() })
        .start();
    let pod = fake
        .file("pod.yaml", "metadata:\n  name: p\n  namespace: n\n  frobs: 1\nlog_directory: /l\n");
    let done =
        fake.run(&["pull", "--creds", "ann:s:3", "-a", "k=v", "--pod-config", &pod, "box:1"]);
    assert_eq!(
        done.err,
        format!("crictl: {pod}: left out what CRI v1 doesn't know: metadata.frobs\n")
    );
    assert_eq!(done.out, "Image is up to date for sha256:1\n");
    let asked = fake.asked::<v1::PullImageRequest>("pull_image");
    let auth = asked.auth.unwrap();
    assert_eq!((auth.username.as_str(), auth.password.as_str()), ("ann", "s:3"));
    assert_eq!(asked.image.unwrap().annotations["k"], "v");
    let config = asked.sandbox_config.unwrap();
    assert_eq!(config.log_directory, "/l");
    assert_eq!(config.metadata.unwrap().uid.len(), 36, "one without a UID is given one");
    let told = told(crictl(&fake.socket(), &["pull", "box:1"]).env("CRICTL_AUTH", "YTpi"));
    told.ok();
    assert_eq!(fake.asked::<v1::PullImageRequest>("pull_image").auth.unwrap().auth, "YTpi");
    let error = fake.run(&["pull", "--creds", "a", "--auth", "b", "box"]).failed(1);
    assert!(error.contains("both --creds and --auth"), "{error}");
    assert!(fake.run(&["pull", "-a", "k", "box"]).failed(1).contains("key=value"));
}

#[test]
fn files_that_cannot_be_meant_are_refused_before_anything_is_made() {
    let fake = Fake::default()
        .with("run_pod_sandbox", v1::RunPodSandboxResponse { pod_sandbox_id: "p".into() })
        .start();
    for (text, reason) in [
        ("{", "is neither JSON nor YAML"),
        ("[]", "the file is an array, and should be an object"),
        ("{}", "metadata is missing"),
        ("metadata: {name: a}", "metadata.namespace is missing"),
        ("metadata: {name: a, namespace: b, attempt: soon}", "metadata.attempt is \"soon\""),
    ] {
        let file = fake.file("pod", text);
        let error = fake.run(&["runp", &file]).failed(1);
        assert!(error.contains(reason) && error.contains(&file), "{text}: {error}");
    }
    assert!(fake.run(&["runp", "/nowhere/pod"]).failed(1).contains("cannot read /nowhere/pod"));
    let pod = fake.file("pod", "metadata: {name: a, namespace: b}");
    let container = fake.file("container", "metadata: {name: c}");
    let error = fake.run(&["run", &container, &pod]).failed(1);
    assert!(error.contains("image.image is missing"), "{error}");
    assert_eq!(fake.count("run_pod_sandbox"), 0);
    assert_eq!(fake.run(&["runp", "--runtime", "crun", &pod]).ok(), "p\n");
    let asked = fake.asked::<v1::RunPodSandboxRequest>("run_pod_sandbox");
    assert_eq!(asked.runtime_handler, "crun");
    let schema = fake.run(&["runp", "jsonschema"]).json();
    assert_eq!(schema["$ref"], "#/$defs/PodSandboxConfig");
}

#[test]
fn one_of_several_that_fails_leaves_the_others_alone() {
    let running = v1::ContainerStatus {
        state: v1::ContainerState::ContainerExited.into(),
        ..Default::default()
    };
    let fake = Fake::default()
        .with(
            "container_status",
            v1::ContainerStatusResponse { status: Some(running), ..Default::default() },
        )
        .failing("remove_container", Status::internal("no"))
        .start();
    let error = fake.run(&["rm", "a", "b"]).failed(1);
    assert!(
        error.contains("removing container \"a\"") && error.contains("removing container \"b\""),
        "{error}"
    );
    assert_eq!(fake.count("remove_container"), 2);
    let error = fake.run(&["rm"]).failed(1);
    assert!(error.contains("arguments are missing"), "{error}");
    let error = fake.run(&["rm", "-a", "x"]).failed(1);
    assert!(error.contains("cannot be used with"), "{error}");
}

#[test]
fn a_list_is_asked_for_by_what_the_runtime_can_filter() {
    let fake =
        Fake::default().with("list_containers", v1::ListContainersResponse::default()).start();
    let asked = |arguments: &[&str]| {
        fake.run(&[&["ps"], arguments].concat()).ok();
        fake.asked::<v1::ListContainersRequest>("list_containers").filter.unwrap()
    };
    let state = |filter: v1::ContainerFilter| filter.state.map(|value| value.state());
    assert_eq!(state(asked(&[])), Some(v1::ContainerState::ContainerRunning));
    assert_eq!(state(asked(&["-a"])), None);
    assert_eq!(state(asked(&["-s", "Exited"])), Some(v1::ContainerState::ContainerExited));
    assert_eq!(state(asked(&["-l", "-s", "exited"])), None, "the newest whatever they do");
    let filter = asked(&["--id", "i", "-p", "p", "--label", "a=b"]);
    assert_eq!((filter.id.as_str(), filter.pod_sandbox_id.as_str()), ("i", "p"));
    assert_eq!(filter.label_selector["a"], "b");
    for (arguments, reason) in [
        (["-s", "dead"], "the states are created, running, exited, unknown"),
        (["--name", "["], "it is no regular expression"),
        (["--label", "a"], "key=value"),
        (["-o", "xml"], "invalid value 'xml'"),
    ] {
        let error = fake.run(&[&["ps"], &arguments[..]].concat()).failed(1);
        assert!(error.contains(reason), "{error}");
    }
}
