//! config-linux.md, "Default Devices", "Devices", "Default Filesystems" and the links of runtime-linux.md.

use serde_json::json;

use crate::bundle::Bundle;
use crate::facts::Facts;
use crate::runtime::Runtime;

pub fn usual(runtime: Runtime, facts: &mut Facts) {
    // Major and minor in hexadecimal, as the table of Documentation/admin-guide/devices.txt has them.
    let script = "
        for d in null zero full random urandom tty; do stat -c '%n %F %t:%T %a' /dev/$d; done
        for l in fd stdin stdout stderr ptmx; do echo $l $(readlink /dev/$l); done
        head -c 4 /dev/zero | wc -c; echo x > /dev/null && echo written; echo x 2>/dev/null >/dev/full || echo full";
    let printed = Bundle::new(runtime, script).output();
    let lines: Vec<&str> = printed.lines().collect();
    let line = |n: usize| (*lines.get(n).unwrap_or(&"nothing")).to_owned();
    for (n, (name, numbers)) in [
        ("null", "1:3"),
        ("zero", "1:5"),
        ("full", "1:7"),
        ("random", "1:8"),
        ("urandom", "1:9"),
        ("tty", "5:0"),
    ]
    .into_iter()
    .enumerate()
    {
        facts.is(name, line(n), format!("/dev/{name} character special file {numbers} 666"));
    }
    for (n, link) in [
        "fd /proc/self/fd",
        "stdin /proc/self/fd/0",
        "stdout /proc/self/fd/1",
        "stderr /proc/self/fd/2",
    ]
    .into_iter()
    .enumerate()
    {
        facts.is(link.split(' ').next().unwrap(), line(6 + n), link);
    }
    facts.holds("ptmx", line(10).ends_with("pts/ptmx"));
    facts.is("they work", lines[11.min(lines.len())..].join(" "), "4 written full");
}

pub fn asked_for(runtime: Runtime, facts: &mut Facts) {
    let script =
        "stat -c '%F %t:%T %a %u:%g' /dev/mine /dev/below/block; head -c 3 /dev/mine | wc -c";
    let bundle = Bundle::new(runtime, script).with(|spec| {
        spec["linux"]["devices"] = json!([
            {"path": "/dev/mine", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640, "uid": 5, "gid": 6},
            {"path": "/dev/below/block", "type": "b", "major": 7, "minor": 9, "fileMode": 0o600, "uid": 0, "gid": 0},
        ]);
        spec["linux"]["resources"]["devices"] = json!([
            {"allow": false, "access": "rwm"},
            {"allow": true, "type": "c", "major": 1, "minor": 5, "access": "rwm"},
        ]);
    });
    let printed = bundle.output();
    let mut lines = printed.lines();
    let mut next = || lines.next().unwrap_or("nothing").to_owned();
    facts.is("a character device", next(), "character special file 1:5 640 5:6");
    facts.is("a block device", next(), "block special file 7:9 600 0:0");
    facts.is("works", next(), 3);
}
