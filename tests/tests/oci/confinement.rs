//! config.md, "Process": capabilities and `noNewPrivileges`; config-linux.md: masked and read-only paths.

use serde_json::{Value, json};

use crate::bundle::Bundle;
use crate::facts::Facts;
use crate::runtime::Runtime;

const STATUS: &str = "grep -E 'Cap|NoNewPrivs' /proc/self/status";

/// Of `include/uapi/linux/capability.h`.
const CHOWN: u64 = 1 << 0;
const KILL: u64 = 1 << 5;
const SETUID: u64 = 1 << 7;

fn field(printed: &str, name: &str) -> String {
    let line = printed.lines().find_map(|line| line.strip_prefix(&format!("{name}:\t")));
    line.unwrap_or("nothing").trim().to_owned()
}

fn hex(bits: u64) -> String {
    format!("{bits:016x}")
}

fn with_sets(runtime: Runtime, uid: u32, sets: Value) -> String {
    let bundle = Bundle::new(runtime, STATUS).with(|spec| {
        spec["process"]["capabilities"] = sets;
        spec["process"]["user"] = json!({"uid": uid, "gid": uid});
    });
    bundle.output()
}

pub fn capabilities(runtime: Runtime, facts: &mut Facts) {
    let some = ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"];
    let seen =
        with_sets(runtime, 0, json!({"bounding": some, "permitted": some, "effective": some}));
    for (name, expected) in [
        ("CapBnd", CHOWN | KILL | SETUID),
        ("CapPrm", CHOWN | KILL | SETUID),
        ("CapEff", CHOWN | KILL | SETUID),
        ("CapInh", 0),
        ("CapAmb", 0),
    ] {
        facts.is(name, field(&seen, name), hex(expected));
    }
    let none = with_sets(runtime, 0, json!({"bounding": [], "permitted": [], "effective": []}));
    facts.is("none", field(&none, "CapPrm"), hex(0));
    facts.is("none to be had", field(&none, "CapBnd"), hex(0));
}

/// Whoever is not root keeps what is ambient alone (capabilities(7), "Transformation of capabilities during execve").
pub fn capabilities_of_a_user(runtime: Runtime, facts: &mut Facts) {
    let some = ["CAP_CHOWN", "CAP_KILL"];
    let seen =
        with_sets(runtime, 1000, json!({"bounding": some, "permitted": some, "effective": some}));
    facts.is("CapBnd", field(&seen, "CapBnd"), hex(CHOWN | KILL));
    facts.is("CapPrm", field(&seen, "CapPrm"), hex(0));
    facts.is("CapEff", field(&seen, "CapEff"), hex(0));
}

pub fn ambient(runtime: Runtime, facts: &mut Facts) {
    let (all, some) = (["CAP_CHOWN", "CAP_KILL"], ["CAP_KILL"]);
    let sets = json!({
        "bounding": all, "permitted": all, "effective": all, "inheritable": some, "ambient": some,
    });
    let seen = with_sets(runtime, 1000, sets);
    facts.is("CapInh", field(&seen, "CapInh"), hex(KILL));
    facts.is("CapAmb", field(&seen, "CapAmb"), hex(KILL));
    facts.is("CapPrm", field(&seen, "CapPrm"), hex(KILL));
    facts.is("CapEff", field(&seen, "CapEff"), hex(KILL));
}

pub fn no_new_privileges(runtime: Runtime, facts: &mut Facts) {
    for (set, expected) in [(true, 1), (false, 0)] {
        let bundle = Bundle::new(runtime, STATUS)
            .with(|spec| spec["process"]["noNewPrivileges"] = set.into());
        facts.is(&set.to_string(), field(&bundle.output(), "NoNewPrivs"), expected);
    }
}

pub fn masked_and_read_only_paths(runtime: Runtime, facts: &mut Facts) {
    let script = "
        wc -c < /etc/secret; ls /data | wc -l; ls /sys/firmware | wc -l
        echo x 2>/dev/null > /root/kept || echo refused
        touch /root/new 2>/dev/null || echo refused
        (echo 1 > /proc/sys/net/ipv4/ip_forward) 2>/dev/null || echo refused";
    let bundle = Bundle::new(runtime, script).with(|spec| {
        spec["linux"]["maskedPaths"] =
            json!(["/etc/secret", "/data", "/sys/firmware", "/not/there"]);
        spec["linux"]["readonlyPaths"] = json!(["/root", "/proc/sys", "/not/there/either"]);
    });
    for (file, content) in [("etc/secret", "secret"), ("data/file", "x"), ("root/kept", "x")] {
        std::fs::write(bundle.inside(file), content).unwrap();
    }
    facts.is("seen", bundle.output().replace('\n', " "), "0 0 0 refused refused refused");
}
