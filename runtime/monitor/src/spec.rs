//! What the monitor itself must know of `config.json`, and what it refuses in it.
//!
//! libcontainer reads the whole file in the launcher; here only some fields are, for a
//! decoded specification with its seccomp profile would stay in the monitor's memory.

use std::fs;
use std::path::{Path, PathBuf};

use isopod_monitor_protocol::data;
use isopod_systemd::Scope;
use oci_spec::runtime::{LinuxIdMapping, LinuxNamespaceType};
use serde::Deserialize;

/// Why a specification can't be run.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// It can't be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, std::io::Error),
    /// It is no such document.
    #[error("malformed {0}: {1}")]
    Malformed(PathBuf, serde_json::Error),
    /// The cgroup is to be a scope of systemd's, and its name is none.
    #[error("linux.cgroupsPath: {0}")]
    Scope(#[from] isopod_systemd::Error),
    /// libcontainer would ignore this, or do it wrongly.
    #[error("{0}")]
    Refused(&'static str),
}

/// Some of `config.json`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Document {
    process: Option<Process>,
    linux: Option<Linux>,
    hooks: Option<Hooks>,
}

/// Some of a process, of the container's own or of an exec.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Process {
    cwd: PathBuf,
    env: Vec<String>,
    user: User,
    capabilities: Option<Capabilities>,
    no_new_privileges: Option<bool>,
    selinux_label: Option<String>,
    terminal: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    uid: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Capabilities {
    inheritable: Vec<serde::de::IgnoredAny>,
    ambient: Vec<serde::de::IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Linux {
    namespaces: Vec<Namespace>,
    cgroups_path: PathBuf,
    uid_mappings: Vec<LinuxIdMapping>,
    gid_mappings: Vec<LinuxIdMapping>,
    seccomp: Option<serde::de::IgnoredAny>,
    intel_rdt: Option<serde::de::IgnoredAny>,
    mount_label: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Namespace {
    #[serde(rename = "type")]
    kind: LinuxNamespaceType,
    path: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Hooks {
    prestart: Vec<serde::de::IgnoredAny>,
    create_runtime: Vec<serde::de::IgnoredAny>,
    start_container: Vec<serde::de::IgnoredAny>,
    poststop: Vec<serde::de::IgnoredAny>,
}

/// What the monitor keeps.
#[derive(Debug)]
pub struct Facts {
    /// The container's cgroup, absolute below each hierarchy's root.
    pub cgroup: PathBuf,
    /// The unit of systemd's that this is the group of, if systemd is to make it.
    pub scope: Option<Scope>,
    /// Whether the container's process has a terminal.
    pub terminal: bool,
    /// Whose pipes its standard streams are, as the host calls them.
    pub uid: u32,
    /// Its user ids, where they are not the host's.
    pub users: Vec<LinuxIdMapping>,
    /// User and group of its root, likewise.
    pub root: (u32, u32),
    /// Whether a system call filter is to be loaded into each of its processes.
    pub has_seccomp: bool,
    /// See [`crate::guard`].
    pub can_nest_pids: bool,
    /// Whether it has a pid namespace of its own, so that none of it outlives its first process.
    pub owns_pids: bool,
    /// Where its process starts.
    pub working_dir: PathBuf,
    /// Whether it has a network namespace of its own.
    pub owns_network: bool,
    /// Whether more than files and cgroups is to be undone when it has ended.
    pub has_epilogue: bool,
}

impl Facts {
    /// A user of the container's, as the host calls it.
    pub fn on_host(&self, uid: u32) -> u32 {
        on_host(uid, &self.users)
    }
}

/// A user id of a container's with these maps, as the host calls it.
pub fn on_host(uid: u32, users: &[LinuxIdMapping]) -> u32 {
    let fits = |map: &&LinuxIdMapping| {
        uid.checked_sub(map.container_id()).is_some_and(|offset| offset < map.size())
    };
    users.iter().find(fits).map_or(uid, |map| map.host_id() + (uid - map.container_id()))
}

/// Reads and checks the `config.json` in `folder`.
pub fn read(folder: &Path) -> Result<Facts, SpecError> {
    let path = folder.join(data::SPEC);
    let bytes = fs::read(&path).map_err(|error| SpecError::Read(path.clone(), error))?;
    let document: Document =
        serde_json::from_slice(&bytes).map_err(|error| SpecError::Malformed(path, error))?;
    facts(document)
}

fn facts(document: Document) -> Result<Facts, SpecError> {
    let refuse = |why| Err(SpecError::Refused(why));
    let Some(process) = document.process else {
        return refuse("config.json has no process");
    };
    let Some(linux) = document.linux else {
        return refuse("config.json has no linux section");
    };
    check(&process)?;
    let hooks = document.hooks.unwrap_or_default();
    if linux.seccomp.is_some()
        && process.no_new_privileges != Some(true)
        && !hooks.start_container.is_empty()
    {
        // They run between libcontainer's last step and ours, with capabilities the process won't have.
        return refuse(
            "startContainer hooks beside a seccomp profile need process.noNewPrivileges",
        );
    }
    if linux.mount_label.is_some_and(|label| !label.is_empty()) {
        return refuse("linux.mountLabel is not supported");
    }
    let name = linux.cgroups_path.to_str().filter(|path| Scope::is_meant(path));
    let scope = name.map(Scope::parse).transpose()?;
    let cgroup = scope.as_ref().map_or(linux.cgroups_path, Scope::path);
    if !cgroup.is_absolute() || cgroup.parent().is_none() {
        return refuse("linux.cgroupsPath must be an absolute path below the root");
    }
    let namespace = |kind| linux.namespaces.iter().find(|namespace| namespace.kind == kind);
    let owns = |kind| {
        namespace(kind)
            .is_some_and(|own| own.path.as_ref().is_none_or(|path| path.as_os_str().is_empty()))
    };
    let owns_pids = owns(LinuxNamespaceType::Pid);
    // libcontainer writes /proc/<pid>/uid_map and hands process ids to these hooks: both take
    // ids of the host's pid namespace.
    let needs_host_pids = owns(LinuxNamespaceType::User)
        || namespace(LinuxNamespaceType::Time).is_some()
        || !hooks.prestart.is_empty()
        || !hooks.create_runtime.is_empty();
    Ok(Facts {
        cgroup,
        scope,
        terminal: process.terminal,
        uid: on_host(process.user.uid, &linux.uid_mappings),
        root: (on_host(0, &linux.uid_mappings), on_host(0, &linux.gid_mappings)),
        users: linux.uid_mappings,
        has_seccomp: linux.seccomp.is_some(),
        can_nest_pids: owns_pids && !needs_host_pids,
        owns_pids,
        working_dir: process.cwd,
        owns_network: owns(LinuxNamespaceType::Network),
        has_epilogue: !hooks.poststop.is_empty() || linux.intel_rdt.is_some(),
    })
}

/// Refuses a process that libcontainer would run otherwise than asked.
fn check(process: &Process) -> Result<(), SpecError> {
    let refuse = |why| Err(SpecError::Refused(why));
    let has_home =
        process.env.iter().any(|v| v.strip_prefix("HOME=").is_some_and(|h| !h.is_empty()));
    if !has_home {
        // Else libcontainer asks NSS from inside the container, which would load its libraries.
        return refuse("process.env must set HOME");
    }
    let Some(capabilities) = &process.capabilities else {
        // Else it would keep all of the monitor's.
        return refuse("process.capabilities must be given");
    };
    if !capabilities.inheritable.is_empty() || !capabilities.ambient.is_empty() {
        return refuse("inheritable and ambient capabilities must be empty");
    }
    if process.selinux_label.as_ref().is_some_and(|label| !label.is_empty()) {
        return refuse("process.selinuxLabel is not supported");
    }
    Ok(())
}

/// As [`check`], for the process of an exec request.
pub fn check_exec(process: &oci_spec::runtime::Process) -> Result<(), SpecError> {
    let refuse = |why| Err(SpecError::Refused(why));
    let some = |set: &Option<std::collections::HashSet<_>>| {
        set.as_ref().is_some_and(|set| !set.is_empty())
    };
    let capabilities = process.capabilities().as_ref();
    check(&Process {
        cwd: process.cwd().clone(),
        env: process.env().clone().unwrap_or_default(),
        user: User { uid: process.user().uid() },
        capabilities: capabilities.map(|_| Capabilities::default()),
        no_new_privileges: process.no_new_privileges(),
        selinux_label: process.selinux_label().clone(),
        terminal: process.terminal().unwrap_or(false),
    })?;
    if capabilities.is_some_and(|c| some(c.inheritable()) || some(c.ambient())) {
        return refuse("inheritable and ambient capabilities must be empty");
    }
    if process.args().as_ref().is_none_or(Vec::is_empty) {
        return refuse("process.args must not be empty");
    }
    if !process.cwd().is_absolute() {
        return refuse("process.cwd must be absolute");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn document() -> Value {
        json!({
            "process": {"env": ["HOME=/"], "capabilities": {"bounding": ["CAP_KILL"]}},
            "linux": {"cgroupsPath": "/a/b", "namespaces": [{"type": "pid"}]},
        })
    }

    fn read_with(pointer: &str, key: &str, value: Value) -> Result<Facts, SpecError> {
        let mut document = document();
        document.pointer_mut(pointer).unwrap()[key] = value;
        facts(serde_json::from_value(document).unwrap())
    }

    #[test]
    fn what_libcontainer_would_ignore_or_get_wrong_is_refused() {
        facts(serde_json::from_value(document()).unwrap()).unwrap();
        let bad = [
            ("/process", "env", json!(["PATH=/bin"])),
            ("/process", "env", json!(["HOME="])),
            ("/process", "capabilities", Value::Null),
            ("/process/capabilities", "inheritable", json!(["CAP_KILL"])),
            ("/process/capabilities", "ambient", json!(["CAP_KILL"])),
            ("/process", "selinuxLabel", json!("a:b:c")),
            ("/linux", "cgroupsPath", json!("relative")),
            ("/linux", "cgroupsPath", json!("/")),
            ("/linux", "mountLabel", json!("a:b:c")),
        ];
        for (pointer, key, value) in bad {
            assert!(read_with(pointer, key, value.clone()).is_err(), "{key} {value}");
        }
        let mut both = document();
        both["linux"]["seccomp"] = json!({"defaultAction": "SCMP_ACT_ALLOW"});
        let read = |document: &Value| facts(serde_json::from_value(document.clone()).unwrap());
        assert!(read(&both).unwrap().has_seccomp);
        both["hooks"] = json!({"startContainer": [{"path": "/x"}]});
        assert!(read(&both).is_err());
        both["process"]["noNewPrivileges"] = json!(true);
        assert!(read(&both).is_ok());
    }

    #[test]
    fn pids_are_nested_only_where_libcontainer_needs_no_host_pids() {
        let nests = |pointer, key, value| read_with(pointer, key, value).unwrap().can_nest_pids;
        assert!(nests("/linux", "intelRdt", Value::Null));
        let joined = json!([{"type": "pid", "path": "/proc/1/ns/pid"}]);
        assert!(!nests("/linux", "namespaces", joined));
        assert!(!nests("/linux", "namespaces", json!([])));
        assert!(!nests("/linux", "namespaces", json!([{"type": "pid"}, {"type": "user"}])));
        // Nobody writes the maps of one that is there.
        let users = json!([{"type": "pid"}, {"type": "user", "path": "/s/userns"}]);
        assert!(nests("/linux", "namespaces", users));
        assert!(!nests("", "hooks", json!({"createRuntime": [{"path": "/x"}]})));
    }
}
