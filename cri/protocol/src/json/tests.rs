//! Expected values are those of protobuf's JSON mapping (protobuf.dev, "JSON mapping") with Go's
//! `EmitDefaultValues`, and of the sample files of cri-tools' documentation.

use std::collections::HashMap;

use serde_json::json;

use super::*;
use crate::v1;

#[test]
fn defaults_are_written_and_messages_that_are_not_set_are_not() {
    let container = v1::Container {
        id: "c".to_owned(),
        state: v1::ContainerState::ContainerRunning.into(),
        created_at: 1_700_000_000_000_000_001,
        metadata: Some(v1::ContainerMetadata { name: "web".to_owned(), attempt: 2 }),
        labels: HashMap::from([("b".into(), "2".into()), ("a".into(), "1".into())]),
        ..v1::Container::default()
    };
    let expected = r#"{"id":"c","podSandboxId":"","metadata":{"name":"web","attempt":2},"imageRef":"","state":"CONTAINER_RUNNING","createdAt":"1700000000000000001","labels":{"a":"1","b":"2"},"annotations":{},"imageId":""}"#;
    assert_eq!(to_value(&container).to_string(), expected);
}

#[test]
fn lists_floats_and_unknown_enum_values_are_written() {
    let data = v1::PsiData { total: 7, avg10: 0.5, avg60: 3.0, avg300: f64::NAN };
    let expected = r#"{"Total":"7","Avg10":0.5,"Avg60":3,"Avg300":"NaN"}"#;
    assert_eq!(to_value(&data).to_string(), expected);
    let status = v1::RuntimeStatus::default();
    assert_eq!(to_value(&status).to_string(), r#"{"conditions":[]}"#);
    let sandbox = v1::PodSandboxStateValue { state: 9 };
    assert_eq!(to_value(&sandbox).to_string(), r#"{"state":9}"#);
    let pair = v1::KeyValue { key: "K".into(), value: b"\xff\x00".to_vec() };
    assert_eq!(to_value(&pair).to_string(), r#"{"key":"K","value":"/wA="}"#);
}

#[test]
fn what_was_written_is_read_again() {
    let status = v1::ContainerStatus {
        id: "c".into(),
        created_at: -5,
        exit_code: -1,
        mounts: vec![v1::Mount {
            container_path: "/a".into(),
            propagation: v1::MountPropagation::PropagationBidirectional.into(),
            uid_mappings: vec![v1::IdMapping { host_id: 1, container_id: u32::MAX, length: 3 }],
            ..v1::Mount::default()
        }],
        ..v1::ContainerStatus::default()
    };
    let read = from_value::<v1::ContainerStatus>(&to_value(&status)).unwrap();
    assert_eq!(read.message, status);
    assert!(read.unknown.is_empty(), "{:?}", read.unknown);
}

#[test]
fn files_use_the_interfaces_own_names_and_numbers_for_enums() {
    let value = json!({
        "metadata": {"name": "nginx-sandbox", "namespace": "default", "attempt": 1, "uid": "hdishd83djaidwnduwk28bcsb"},
        "log_directory": "/tmp",
        "hostName": "ignored",
        "HOSTNAME": "box",
        "port_mappings": [{"container_port": 80, "protocol": 1}],
        "dns_config": null,
        "linux": {"security_context": {"namespace_options": {"network": 2, "pid": "CONTAINER"}}},
    });
    let read = from_value::<v1::PodSandboxConfig>(&value).unwrap();
    let config = read.message;
    let metadata = config.metadata.unwrap();
    assert_eq!((metadata.name.as_str(), metadata.attempt), ("nginx-sandbox", 1));
    assert_eq!(config.log_directory, "/tmp");
    assert_eq!(config.hostname, "box");
    assert_eq!(config.port_mappings[0].protocol(), v1::Protocol::Udp);
    let options = config.linux.unwrap().security_context.unwrap().namespace_options.unwrap();
    assert_eq!(options.network(), v1::NamespaceMode::Node);
    assert_eq!(options.pid(), v1::NamespaceMode::Container);
    assert_eq!(config.dns_config, None);
    assert!(read.unknown.is_empty(), "{:?}", read.unknown);
}

#[test]
fn what_the_interface_does_not_know_is_named() {
    let value = json!({"envs": [{"key": "A", "value": "b=c"}], "frobs": 1, "linux": {"resources": {"memory": 5}},
        "mounts": [{"container_path": "/a", "type": "bind"}]});
    let read = from_value::<v1::ContainerConfig>(&value).unwrap();
    assert_eq!(read.unknown, ["frobs", "linux.resources.memory", "mounts[0].type"]);
    assert_eq!(read.message.envs[0].value, b"b=c");
}

#[test]
fn a_value_of_the_wrong_type_is_named_by_its_path() {
    let error = |value| from_value::<v1::ContainerConfig>(&value).unwrap_err().to_string();
    assert_eq!(
        error(json!({"linux": {"resources": {"cpu_period": "soon"}}})),
        r#"linux.resources.cpu_period is "soon", and should be a whole number that fits"#
    );
    assert_eq!(
        error(json!({"command": ["a", ["b"]]})),
        "command[1] is an array, and should be a string"
    );
    assert_eq!(error(json!({"labels": []})), "labels is an array, and should be an object");
    assert_eq!(error(json!([])), "the file is an array, and should be an object");
    assert_eq!(error(json!({"tty": 1})), "tty is 1, and should be true or false");
    assert!(error(json!({"stop_signal": "SIGNOPE"})).contains("the name of a signal"));
    assert!(error(json!({"metadata": {"attempt": -1}})).contains("not negative"));
}

#[test]
fn scalars_of_yaml_are_read_as_what_their_field_holds() {
    let value = json!({"command": ["sleep", 3, true], "linux": {"resources": {"memory_limit_in_bytes": "16777216", "cpu_quota": 1e3}}});
    let config = from_value::<v1::ContainerConfig>(&value).unwrap().message;
    assert_eq!(config.command, ["sleep", "3", "true"]);
    let resources = config.linux.unwrap().resources.unwrap();
    assert_eq!((resources.memory_limit_in_bytes, resources.cpu_quota), (16_777_216, 1000));
}

#[test]
fn a_schema_has_every_message_that_can_be_reached() {
    let schema = schema::<v1::PodSandboxConfig>();
    assert_eq!(schema["$ref"], "#/$defs/PodSandboxConfig");
    let defined = schema["$defs"].as_object().unwrap();
    for name in ["PodSandboxConfig", "PodSandboxMetadata", "NamespaceOption", "IDMapping"] {
        assert_eq!(defined[name]["type"], "object", "{name}");
    }
    let labels = &defined["PodSandboxConfig"]["properties"]["labels"];
    assert_eq!(*labels, json!({"additionalProperties": {"type": "string"}, "type": "object"}));
    assert_eq!(defined["PodSandboxMetadata"]["properties"]["attempt"]["type"], "integer");
    assert_eq!(defined["DNSConfig"]["properties"]["servers"]["items"]["type"], "string");
}
