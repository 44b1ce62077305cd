//! What libcontainer leaves out or gets wrong where v2 has all controllers: set here, on the container's
//! new group, before anything runs in it, and taken out of what libcontainer reads.
//!
//! - It attaches no device filter (its own needs libbpf): the container could open every disk.
//! - `memory.swap` that equals `memory.limit` allows no swap; it leaves that file as it is.
//! - A `blockIO.weight` above 16 overflows its sixteen bits on the way to `io.weight`.

use std::io;
use std::path::Path;

use isopod_monitor_protocol::message::ErrorKind;
use isopod_sys::cgroup::Hierarchies;
use isopod_sys::devices::{self, Access, Kind, Rule};
use oci_spec::runtime::{Linux, LinuxDeviceCgroup, LinuxDeviceType, LinuxResources};

use super::Failure;

/// Devices that every container has (runtime-spec, config-linux.md, "Default Devices"), and what runc
/// allows beside them: nodes may be made, not opened. Kind, major, minor, access.
const ALWAYS: [(Kind, Option<u32>, Option<u32>, &str); 11] = [
    (Kind::Character, None, None, "m"),
    (Kind::Block, None, None, "m"),
    // null, zero, full, random, urandom
    (Kind::Character, Some(1), Some(3), "rwm"),
    (Kind::Character, Some(1), Some(5), "rwm"),
    (Kind::Character, Some(1), Some(7), "rwm"),
    (Kind::Character, Some(1), Some(8), "rwm"),
    (Kind::Character, Some(1), Some(9), "rwm"),
    // tty, console, ptmx, and the terminals behind it
    (Kind::Character, Some(5), Some(0), "rwm"),
    (Kind::Character, Some(5), Some(1), "rwm"),
    (Kind::Character, Some(5), Some(2), "rwm"),
    (Kind::Character, Some(136), None, "rwm"),
];

/// Sets those for the group at `path`, where v2 has all controllers.
pub fn limit(linux: &mut Linux, hierarchies: &Hierarchies, path: &Path) -> Result<(), Failure> {
    let (true, Some(folder)) = (hierarchies.is_unified(), hierarchies.v2_folder(path)) else {
        return refuse_files(linux.resources().as_ref());
    };
    let mut resources = linux.resources().clone().unwrap_or_default();
    check_files(&resources)?;
    let rules = rules(resources.devices().as_deref().unwrap_or_default())?;
    let at = || format!("cannot confine cgroup {} to its devices", path.display());
    devices::confine(&folder, &rules).map_err(Failure::at(at()))?;
    set_all(&mut resources, hierarchies, path)?;
    linux.set_resources(Some(resources));
    Ok(())
}

/// Sets what libcontainer gets wrong, and takes it out of `resources`; on version 1 it gets all right.
pub fn set_all(
    resources: &mut LinuxResources,
    hierarchies: &Hierarchies,
    path: &Path,
) -> Result<(), Failure> {
    if !hierarchies.is_unified() {
        return refuse_files(Some(resources));
    }
    check_files(resources)?;
    for (controller, file, value) in settings(resources) {
        let at = || format!("cannot set {file} of cgroup {}", path.display());
        set(hierarchies, path, controller, &file, &value).map_err(Failure::at(at()))?;
    }
    Ok(())
}

/// libcontainer would write to what `../` leads to: a file of another group.
fn check_files(resources: &LinuxResources) -> Result<(), Failure> {
    let files = resources.unified().as_ref();
    let Some(file) = files.and_then(|files| files.keys().find(|file| file.contains('/'))) else {
        return Ok(());
    };
    let message = format!("linux.resources.unified: {file:?} must be a file name (no slashes)");
    Err(Failure::new(ErrorKind::Invalid, message))
}

/// Version 1 has none of the files that `unified` names.
fn refuse_files(resources: Option<&LinuxResources>) -> Result<(), Failure> {
    let files = resources.and_then(|resources| resources.unified().as_ref());
    let Some(file) = files.and_then(|files| files.keys().min()) else { return Ok(()) };
    let message = format!(
        "linux.resources.unified: {file} is a file of cgroup v2, and this machine has version 1"
    );
    Err(Failure::new(ErrorKind::Invalid, message))
}

type Setting = (&'static str, String, String);

/// Takes what is to be written here out of `resources`: controller, file, value.
fn settings(resources: &mut LinuxResources) -> Vec<Setting> {
    let mut settings = Vec::new();
    if let Some(mut memory) = *resources.memory()
        && memory.limit().is_some_and(|limit| limit > 0 && memory.swap() == Some(limit))
    {
        settings.push(("memory", "memory.swap.max".to_owned(), "0".to_owned()));
        memory.set_swap(None);
        resources.set_memory(Some(memory));
    }
    if let Some(mut io) = resources.block_io().clone()
        && let Some(weight) = io.weight()
    {
        settings.push(("io", "io.bfq.weight".to_owned(), weight.to_string()));
        io.set_weight(None);
        resources.set_block_io(Some(io));
    }
    settings
}

/// Which of the two files of weights there is depends on the scheduler; the second one's range is wider.
fn set(
    hierarchies: &Hierarchies,
    path: &Path,
    controller: &str,
    file: &str,
    value: &str,
) -> io::Result<()> {
    match hierarchies.set(controller, path, file, value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && file == "io.bfq.weight" => {
            let weight = value.parse::<u64>().unwrap_or(0).max(10);
            let scaled = 1 + (weight - 10) * 9999 / 990;
            hierarchies.set(controller, path, "io.weight", &scaled.to_string())
        }
        other => other,
    }
}

/// Everything is refused at first, as runc has it, whatever the specification begins with.
fn rules(given: &[LinuxDeviceCgroup]) -> Result<Vec<Rule>, Failure> {
    let everything = Access::parse("rwm").expect("these are the letters");
    let none = Rule { allow: false, kind: None, major: None, minor: None, access: everything };
    let mut rules = vec![none];
    for rule in given {
        rules.extend(convert(rule)?);
    }
    rules.extend(ALWAYS.iter().map(|&(kind, major, minor, access)| Rule {
        allow: true,
        kind: Some(kind),
        major,
        minor,
        access: Access::parse(access).expect("these are letters of it"),
    }));
    Ok(rules)
}

/// One rule may be about both kinds (`u` is another name of `c`); one without access is about nothing.
fn convert(rule: &LinuxDeviceCgroup) -> Result<Option<Rule>, Failure> {
    let refuse =
        |why: String| Failure::new(ErrorKind::Invalid, format!("linux.resources.devices: {why}"));
    let kind = match rule.typ().unwrap_or_default() {
        LinuxDeviceType::A => None,
        LinuxDeviceType::B => Some(Kind::Block),
        LinuxDeviceType::C | LinuxDeviceType::U => Some(Kind::Character),
        LinuxDeviceType::P => return Err(refuse("a fifo is no device".to_owned())),
    };
    let letters = rule.access().as_deref().unwrap_or_default();
    let access = Access::parse(letters).ok_or_else(|| refuse(format!("no access {letters:?}")))?;
    if letters.is_empty() && kind.is_some() {
        return Ok(None);
    }
    let number = |number: Option<i64>| match number {
        None | Some(-1) => Ok(None),
        Some(other) => u32::try_from(other)
            .map(Some)
            .map_err(|_| refuse(format!("{other} is no number of a device"))),
    };
    let (major, minor) = (number(rule.major())?, number(rule.minor())?);
    Ok(Some(Rule { allow: rule.allow(), kind, major, minor, access }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resources(value: serde_json::Value) -> LinuxResources {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_libcontainer_gets_wrong_is_taken_out_of_its_hands() {
        let mut mine = resources(json!({
            "memory": {"limit": 1 << 26, "swap": 1 << 26},
            "blockIO": {"weight": 500},
        }));
        let expected = [("memory", "memory.swap.max", "0"), ("io", "io.bfq.weight", "500")];
        let expected = expected.map(|(c, file, value)| (c, file.to_owned(), value.to_owned()));
        assert_eq!(settings(&mut mine), expected);
        assert_eq!(mine.memory().unwrap().limit(), Some(1 << 26));
        assert_eq!(mine.memory().unwrap().swap(), None);
        assert_eq!(mine.block_io().as_ref().unwrap().weight(), None);
        let same = json!({"memory": {"limit": 1 << 26, "swap": 1 << 27}});
        let mut theirs = resources(same.clone());
        assert!(settings(&mut theirs).is_empty());
        assert_eq!(theirs, resources(same));
    }

    #[test]
    fn row_22_a_file_of_another_group_is_refused() {
        let files = |name: &str| resources(json!({"unified": {name: "1"}}));
        assert!(check_files(&files("memory.high")).is_ok());
        for name in ["../memory.high", "a/b", "/proc/sysrq-trigger"] {
            assert!(check_files(&files(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn row_23_a_bundle_without_rules_may_open_no_disk() {
        let given = json!([{"allow": true, "type": "c", "major": 10, "minor": 229, "access": "r"}]);
        for given in [json!([]), given] {
            let given: Vec<LinuxDeviceCgroup> = serde_json::from_value(given).unwrap();
            let rules = rules(&given).ok().unwrap();
            let everything = Access::parse("rwm").unwrap();
            let first = rules.first().unwrap();
            assert!(!first.allow && first.kind.is_none() && first.access == everything);
            assert_eq!(rules.len(), 1 + given.len() + ALWAYS.len());
            let of_disks = rules.iter().filter(|rule| rule.kind == Some(Kind::Block));
            assert!(of_disks.into_iter().all(|rule| rule.access == Access::parse("m").unwrap()));
        }
    }

    #[test]
    fn rules_are_read_as_the_specification_has_them() {
        let read = |rule| convert(&serde_json::from_value(rule).unwrap());
        let all = read(json!({"allow": true, "access": "rwm"})).ok().flatten().unwrap();
        assert!(all.allow && all.kind.is_none());
        let any = json!({"allow": true, "type": "c", "major": 10, "minor": -1, "access": "r"});
        let any = read(any).ok().flatten().unwrap();
        assert_eq!((any.kind, any.major, any.minor), (Some(Kind::Character), Some(10), None));
        assert!(read(json!({"allow": true, "type": "b"})).ok().unwrap().is_none());
        for bad in [
            json!({"allow": true, "type": "p", "access": "r"}),
            json!({"allow": true, "type": "b", "access": "x"}),
            json!({"allow": true, "type": "b", "major": -2, "access": "r"}),
            json!({"allow": true, "type": "b", "major": 1_i64 << 40, "access": "r"}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
