//! `doctor` of the built binary: what this machine has, and what it says where something is taken away from it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod harness;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use harness::{Done, Instance};
use serde_json::Value;

/// State and whether containers need it, by name.
fn states(done: &Done) -> BTreeMap<String, (String, bool)> {
    let report: Value = serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{done:?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = report["Checkups"].as_array().unwrap().iter();
    rows.map(|row| (text(&row["Name"]), (text(&row["State"]), row["Needed"].as_bool().unwrap())))
        .collect()
}

/// With root's capabilities but for one.
fn without(instance: &Instance, capability: &str, arguments: &[&str]) -> Done {
    let inner = instance.command(arguments);
    let mut command = Command::new("setpriv");
    command.args(["--inh-caps", &format!("-{capability}"), "--bounding-set"]);
    command.arg(format!("-{capability}")).arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.output().unwrap().into()
}

/// What the tests of this tree run on has everything that these need.
#[test]
fn a_machine_that_runs_containers_is_said_to() {
    let instance = Instance::new();
    let done = instance.run(&["doctor", "--format", "json"]);
    assert_eq!(done.status, 0, "{done:?}");
    let states = states(&done);
    for name in ["user", "system calls", "overlayfs", "layout", "boot id", "pids", "seccomp"] {
        assert_eq!(states[name].0, "ok", "{name}: {done:?}");
    }
    for name in [
        "user namespaces",
        "id-mapped mounts",
        "network namespaces",
        "bridges",
        "veth pairs",
        "nftables",
        "registry configuration",
    ] {
        assert_eq!(states[name].0, "ok", "{name}: {done:?}");
    }
    assert!(!instance.path("root").exists() && !instance.path("state").exists());
    let left: Vec<_> = fs::read_dir(instance.path("")).unwrap().collect();
    assert_eq!(left.len(), 1, "a probe was left: {left:?}");
}

#[test]
fn what_is_missing_is_told_and_whether_containers_need_it() {
    let instance = Instance::new();
    let done = without(&instance, "net_admin", &["doctor", "--format", "json"]);
    assert_eq!(done.status, 0, "containers run without networks: {done:?}");
    let found = states(&done);
    for name in ["CAP_NET_ADMIN", "bridges", "veth pairs", "nftables"] {
        assert_eq!(found[name], ("missing".to_owned(), false), "{name}: {done:?}");
    }
    let done = without(&instance, "sys_admin", &["doctor", "--format", "json"]);
    assert_eq!(done.status, 1, "{done:?}");
    let found = states(&done);
    for name in ["CAP_SYS_ADMIN", "overlayfs"] {
        assert_eq!(found[name], ("missing".to_owned(), true), "{name}: {done:?}");
    }
    let done = without(&instance, "sys_admin", &["doctor", "-q"]);
    assert!(done.out.contains("missing: CAP_SYS_ADMIN: give it to what runs us"), "{done:?}");
    assert!(!done.out.contains("\nok "), "{done:?}");
}

#[test]
fn a_registry_configuration_that_can_not_be_read_is_named() {
    let instance = Instance::new();
    let folder = instance.path("certs.d/docker.io");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("hosts.toml"), "server = 7").unwrap();
    let mut command = instance.command(&["doctor", "--format", "json"]);
    command.env("ISOPOD_HOSTS_DIR", instance.path("certs.d"));
    let done: Done = command.output().unwrap().into();
    assert_eq!(states(&done)["registry configuration"].0, "missing", "{done:?}");
    assert!(done.out.contains("hosts.toml"), "{done:?}");
}

/// iproute2 tries the same in a namespace of its own.
#[test]
fn devices_can_be_made_where_ip_can_make_them() {
    let instance = Instance::new();
    let found = states(&instance.run(&["doctor", "--format", "json"]));
    for (name, kind) in
        [("macvlan devices", "type macvlan mode bridge"), ("VLAN devices", "type vlan id 7")]
    {
        let script = format!(
            "ip link add above type veth peer name other && ip link add link above name below {kind}"
        );
        let made = Command::new("unshare").args(["--net", "sh", "-c", &script]).output().unwrap();
        let expected = if made.status.success() { "ok" } else { "missing" };
        assert_eq!(found[name].0, expected, "{name}: {made:?}");
    }
}

#[test]
fn every_option_that_something_is_needed_for_is_there() {
    let instance = Instance::new();
    let help: String =
        [&["--help"] as &[&str], &["run", "--help"], &["network", "create", "--help"]]
            .map(|words| instance.ok(words))
            .concat();
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').map(str::to_owned).collect()
    };
    let known = words(&help);
    let told = instance.run(&["doctor"]).out;
    for option in words(&told).iter().filter(|word| word.starts_with("--")) {
        assert!(known.contains(option), "{option}");
    }
}

/// One certificate of Debian's bundle is one authority; /dev/null has none, and a pull over TLS can trust nobody.
#[test]
fn a_machine_that_trusts_no_authority_is_told_to_install_some() {
    let instance = Instance::new();
    let examined = |file: &std::path::Path| -> Done {
        let mut command = instance.command(&["doctor", "--format", "json"]);
        command.env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR");
        command.output().unwrap().into()
    };
    let none = examined(std::path::Path::new("/dev/null"));
    assert_eq!(none.status, 0, "mirrors may do without TLS: {none:?}");
    assert_eq!(states(&none)["certificate authorities"].0, "missing", "{none:?}");
    assert!(none.out.contains("SSL_CERT_FILE"), "{none:?}");

    let made = instance.path("authority.pem");
    let mut openssl = std::process::Command::new("openssl");
    let words = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=one -keyout /dev/null -out";
    let done = openssl.args(words.split(' ')).arg(&made).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let one = examined(&made);
    assert_eq!(states(&one)["certificate authorities"].0, "ok", "{one:?}");
    assert!(one.out.contains("1 are trusted"), "{one:?}");
}
