//! The fixture is the example of image-spec, config.md, with docker's additions.

use super::*;
use crate::document::{Descriptor, media_types};
use proptest::prelude::*;

const EXAMPLE: &str = r#"{
  "created": "2015-10-31T22:22:56.015925234Z",
  "author": "Alyssa P. Hacker <alyspdev@example.com>",
  "architecture": "amd64",
  "os": "linux",
  "config": {
    "User": "alice",
    "ExposedPorts": {"8080/tcp": {}},
    "Env": ["PATH=/usr/local/sbin:/usr/local/bin", "FOO=oci_is_a"],
    "Entrypoint": ["/bin/my-app-binary"],
    "Cmd": ["--foreground", "--config"],
    "Volumes": {"/var/job-result-data": {}, "/var/log/my-app-logs": {}},
    "WorkingDir": "/home/alice",
    "Labels": {"com.example.project.git.url": "https://example.com/project.git"},
    "StopSignal": "SIGKILL",
    "Healthcheck": {"Test": ["CMD", "true"], "Interval": 30000000000, "Retries": 3},
    "Shell": ["/bin/bash", "-c"],
    "OnBuild": ["RUN true"],
    "ArgsEscaped": true
  },
  "rootfs": {
    "type": "layers",
    "diff_ids": [
      "sha256:c6f988f4874bb0add23a778f753c65efe992244e148a1d2ec2a8b664fb66bbd1",
      "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
    ]
  },
  "history": [
    {"created": "2015-10-31T22:22:54.690851953Z", "created_by": "/bin/sh -c #(nop) ADD file"},
    {"created": "2015-10-31T22:22:55.613815829Z", "created_by": "/bin/sh -c #(nop) CMD", "empty_layer": true}
  ]
}"#;

#[test]
fn the_specifications_example_comes_back_as_it_was() {
    let config = ImageConfig::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(config.config.user, "alice");
    assert!(config.config.volumes.contains("/var/job-result-data"));
    assert_eq!(config.config.healthcheck.as_ref().unwrap().interval, Duration::from_secs(30));
    assert!(config.history[1].empty_layer);
    assert_eq!(config.platform().to_string(), "linux/amd64");
    let written = serde_json::to_value(&config).unwrap();
    assert_eq!(written, serde_json::from_str::<serde_json::Value>(EXAMPLE).unwrap());
}

#[test]
fn nulls_missing_parts_and_unknown_fields_are_tolerated() {
    let bare =
        r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":null}}"#;
    let config = ImageConfig::parse(bare.as_bytes()).unwrap();
    assert_eq!(config.config, ContainerConfig::default());
    let nulls = r#"{"created":null,"author":null,"architecture":"amd64","os":"linux","variant":null,
        "docker_version":"20","container_config":{"Cmd":1},"id":7,
        "config":{"Hostname":"x","User":null,"ExposedPorts":null,"Env":null,"Cmd":null,"Entrypoint":null,
            "Volumes":null,"WorkingDir":null,"Labels":null,"OnBuild":null,"StopSignal":null,
            "Healthcheck":null,"Shell":null,"ArgsEscaped":null},
        "rootfs":{"type":"layers","diff_ids":[]},"history":null}"#;
    let config = ImageConfig::parse(nulls.as_bytes()).unwrap();
    assert_eq!(config.config, ContainerConfig::default());
    assert!(!serde_json::to_string(&config).unwrap().contains("Hostname"));
    let null_config = r#"{"config":null,"rootfs":{"type":"layers","diff_ids":[]}}"#;
    assert!(ImageConfig::parse(null_config.as_bytes()).is_ok());
}

#[test]
fn what_is_no_configuration_is_refused() {
    let path = EXAMPLE.replace("sha256:c6f9", "sha256:../../");
    let other = EXAMPLE.replace("\"layers\"", "\"overlay\"");
    let twice = EXAMPLE.replace("\"User\": \"alice\"", "\"User\": \"alice\", \"User\": \"root\"");
    let backwards = EXAMPLE.replace("30000000000", "-1");
    for text in ["", "{}", "[]", "null", &path, &other, &twice, &backwards] {
        assert!(ImageConfig::parse(text.as_bytes()).is_err(), "{text}");
    }
    let large = vec![b' '; usize::try_from(MAX_CONFIG).unwrap() + 1];
    assert!(matches!(ImageConfig::parse(&large), Err(ConfigError::TooLarge(_))));
}

#[test]
fn a_configuration_of_another_number_of_layers_is_refused() {
    let config = ImageConfig::parse(EXAMPLE.as_bytes()).unwrap();
    let layer = |byte: u8| Descriptor::of(media_types::OCI_LAYER, &[byte]);
    let of = Descriptor::of(media_types::OCI_CONFIG, EXAMPLE.as_bytes());
    let two = Manifest::new(of.clone(), vec![layer(1), layer(2)]);
    assert!(config.check(&two).is_ok());
    let one = Manifest::new(of, vec![layer(1)]);
    assert!(matches!(config.check(&one), Err(ConfigError::LayerCount { layers: 1, diff_ids: 2 })));
}

// `printf 'sha256:c6f9… sha256:5f70…' | sha256sum`, by coreutils.
#[test]
fn chain_ids_are_those_of_the_specification() {
    let config = ImageConfig::parse(EXAMPLE.as_bytes()).unwrap();
    let chain = chain_ids(&config.rootfs.diff_ids);
    assert_eq!(chain[0], config.rootfs.diff_ids[0]);
    assert_eq!(chain[1].as_str(), CHAIN);
    assert!(chain_ids(&[]).is_empty());
}

const CHAIN: &str = "sha256:c3191d32a37d7159b2e30830937d2e30268ad6c375a773a8994911a3aba9b93f";

proptest! {
    #[test]
    fn no_bytes_make_parsing_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ImageConfig::parse(&bytes);
    }
}
