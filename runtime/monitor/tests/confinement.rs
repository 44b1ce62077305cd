//! What a container's process may do: its filter is loaded, and no capability is left that was only
//! there to load it.
#![allow(
    clippy::unwrap_used,
    reason = "tests may panic; clippy only knows functions marked as tests"
)]

mod support;

use std::fs;

use isopod_monitor_protocol::data;
use isopod_monitor_protocol::message::ErrorKind;
use serde_json::{Value, json};
use support::{Container, OUT};

const LOOK: &str = "grep -E 'Seccomp:|Cap|NoNewPrivs' /proc/self/status; busybox mkdir /tmp/x 2>&1";

fn field<'t>(text: &'t str, name: &str) -> &'t str {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).trim()
}

fn mask(names: &Value) -> u64 {
    let number = |name: &str| match name {
        "CAP_CHOWN" => 0,
        "CAP_DAC_OVERRIDE" => 1,
        "CAP_KILL" => 5,
        "CAP_SETGID" => 6,
        "CAP_SETUID" => 7,
        other => panic!("{other}"),
    };
    names.as_array().unwrap().iter().map(|name| 1 << number(name.as_str().unwrap())).sum()
}

#[test]
fn a_container_has_its_filter_and_no_capability_more_than_asked_for() {
    for no_new_privileges in [None, Some(false), Some(true)] {
        for uid in [0, 1000] {
            let container = Container::shell(LOOK).with_filter().with(|_, spec| {
                spec["process"]["user"] = json!({"uid": uid, "gid": uid});
                if let Some(set) = no_new_privileges {
                    spec["process"]["noNewPrivileges"] = set.into();
                }
                if uid != 0 {
                    for set in ["effective", "permitted"] {
                        spec["process"]["capabilities"][set] = json!([]);
                    }
                }
            });
            let wanted = mask(&container.spec["process"]["capabilities"]["bounding"]);
            let (text, err, exit) = container.output();
            let set = |name: &str| u64::from_str_radix(field(&text, name), 16).unwrap();
            // Number 99.
            assert!(text.contains("Cannot assign requested address"), "{text}{err}");
            assert_eq!(exit.code, 1);
            assert_eq!(field(&text, "Seccomp"), "2");
            assert_eq!(set("CapBnd"), wanted, "{text}");
            let held = if uid == 0 { wanted } else { 0 };
            assert_eq!(
                [set("CapPrm"), set("CapEff"), set("CapInh"), set("CapAmb")],
                [held, held, 0, 0]
            );
        }
    }
}

#[test]
fn capability_sets_that_are_not_given_are_empty() {
    for filtered in [false, true] {
        let container = Container::shell("cat /proc/self/status").with(|_, spec| {
            spec["process"]["capabilities"] = json!({"bounding": ["CAP_KILL"]});
            spec["process"]["user"] = json!({"uid": 1000, "gid": 1000});
        });
        let container = if filtered { container.with_filter() } else { container };
        let (text, err, _) = container.output();
        for name in ["CapPrm", "CapEff", "CapInh", "CapAmb"] {
            assert_eq!(field(&text, name), "0000000000000000", "{name} {err}");
        }
        assert_eq!(field(&text, "CapBnd"), "0000000000000020");
    }
}

#[test]
fn a_container_whose_filter_is_missing_torn_or_unasked_for_does_not_start() {
    let refusal = |container: &Container| {
        let (kind, message) = container.try_run(Some(OUT)).err().unwrap();
        assert_eq!(kind, ErrorKind::Invalid, "{message}");
        container.wait_until_gone();
        assert_eq!(container.leftovers(), Vec::<String>::new());
        message
    };
    let mut missing = Container::shell("true").with_filter();
    missing.filter = None;
    assert!(refusal(&missing).contains("seccomp.bpf"));

    let mut unasked = Container::shell("true").with_filter();
    unasked.spec["linux"].as_object_mut().unwrap().remove("seccomp");
    assert!(refusal(&unasked).contains("has no seccomp profile"));

    let mut torn = Container::shell("true").with_filter();
    torn.write();
    let bytes = fs::read(torn.launch.data.join(data::FILTER)).unwrap();
    torn.filter = None;
    fs::write(torn.launch.data.join(data::FILTER), &bytes[..bytes.len() - 1]).unwrap();
    assert!(refusal(&torn).contains("seccomp program of 5 instructions"));
}

#[test]
fn what_people_read_is_the_specification_as_it_was_written() {
    let container = Container::shell("true").with_filter();
    let (_, _, exit) = container.output();
    assert_eq!(exit.code, 0);
    let read: Value =
        serde_json::from_slice(&fs::read(container.launch.data.join(data::SPEC)).unwrap()).unwrap();
    assert_eq!(read, container.spec);
}
